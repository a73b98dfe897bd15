package lifecycle

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// certificate makes the two sides of TLS with a certificate for 127.0.0.1.
func certificate(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
		// Virtual time begins in 2000.
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	server = &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}},
	}
	return server, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: "127.0.0.1", NextProtos: []string{"http/1.1"}}
}

// rollout replaces servers under load: requests go back to back over hot reused
// connections and over fresh ones, and a router sends new connections to the next
// server some time after the old one was told to end.
type rollout struct {
	server, client     *tls.Config // nil without TLS
	rounds, hot, fresh int
	delay              time.Duration
}

const (
	// lag is how long the router takes, rest how long a server lives before its end.
	lag, rest = 50 * time.Millisecond, 30 * time.Millisecond
	// loadTimeout is many times what anything here takes.
	loadTimeout = 20 * time.Second
)

// run returns how many requests were answered and how many were lost.
func (o rollout) run(t *testing.T) (answered, lost int64) {
	t.Helper()
	config := Config{Drain: true, Delay: o.delay, Timeout: loadTimeout}
	current := start(t, config, o.server)
	var target atomic.Pointer[running]
	target.Store(current)
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		for {
			to := target.Load()
			c, err := (&net.Dialer{}).DialContext(ctx, network, to.address)
			// This process is the router too: what it held up between choosing and
			// dialling goes where it now points. No request has been sent yet.
			if !errors.Is(err, syscall.ECONNREFUSED) || to == target.Load() {
				return c, err
			}
		}
	}
	url := "http://127.0.0.1/work"
	if o.server != nil {
		url = "https://127.0.0.1/work"
	}
	stop := make(chan struct{})
	var good, bad atomic.Int64
	var wg sync.WaitGroup
	for i := range o.hot + o.fresh {
		wg.Go(func() {
			transport := &http.Transport{
				DialContext: dial, TLSClientConfig: o.client, DisableKeepAlives: i >= o.hot, MaxIdleConnsPerHost: 1,
			}
			defer transport.CloseIdleConnections()
			c := &http.Client{Transport: transport, Timeout: loadTimeout}
			for {
				select {
				case <-stop:
					return
				default:
				}
				sent := time.Now()
				if _, _, err := post(c, url); err != nil {
					bad.Add(1)
					t.Errorf("lost after %s, hot connection %t: %v", time.Since(sent), i < o.hot, err)
				} else {
					good.Add(1)
				}
			}
		})
	}
	for range o.rounds {
		next := start(t, config, o.server)
		time.Sleep(rest)
		current.signals <- syscall.SIGTERM
		time.Sleep(lag)
		target.Store(next)
		select {
		case err := <-current.ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(loadTimeout):
			t.Errorf("Run did not end within %s", loadTimeout)
		}
		current = next
	}
	close(stop)
	wg.Wait()
	return good.Load(), bad.Load()
}

// beside runs so many rollouts at once, and adds up what they return.
func (o rollout) beside(t *testing.T, n int) (answered, lost int64) {
	var good, bad atomic.Int64
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			g, b := o.run(t)
			good.Add(g)
			bad.Add(b)
		})
	}
	wg.Wait()
	return good.Load(), bad.Load()
}

// TestDrainsUnderLoad drains servers by the hundred while 64 connections are hot. With
// -short it is a dozen. It is not parallel: connections do not stay hot beside tests that
// only compute.
func TestDrainsUnderLoad(t *testing.T) { bothWays(t, testDrainsUnderLoad) }

func testDrainsUnderLoad(t *testing.T) {
	server, client := certificate(t)
	for _, test := range []struct {
		name           string
		server, client *tls.Config
	}{{"plain", nil, nil}, {"TLS", server, client}} {
		t.Run(test.name, func(t *testing.T) {
			const beside = 8 // so many at once
			one := rollout{server: test.server, client: test.client, rounds: 25, hot: 8, fresh: 1, delay: 200 * time.Millisecond}
			if testing.Short() {
				one.rounds = 2
			}
			var answered, lost int64
			drains, enough := 0, int64(100*one.rounds)
			// A slow machine, or the race detector, gives less evidence: then there is more of it.
			for again := 0; again < 4 && answered < enough && !t.Failed(); again++ {
				good, bad := one.beside(t, beside)
				answered, lost, drains = answered+good, lost+bad, drains+beside*one.rounds
			}
			if answered < enough {
				t.Errorf("%d requests answered: too few to say anything", answered)
			}
			t.Logf("%d drains: %d requests answered, %d lost", drains, answered, lost)
		})
	}
}
