package attack_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"rollproof/loadtest/attack"
	"rollproof/loadtest/fake"
)

// connections counts the connections that a server accepts.
type connections struct {
	net.Listener
	accepted atomic.Int64
}

func (c *connections) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.accepted.Add(1)
	}
	return conn, err
}

func counted(t *testing.T, handler http.Handler) (string, *connections) {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	c := &connections{Listener: s.Listener}
	s.Listener = c
	s.Start()
	t.Cleanup(s.Close)
	return s.URL, c
}

func TestHotLaneKeepsExactlyItsConnections(t *testing.T) {
	t.Parallel()
	// Each request is under way for its hold, so that this much is always open.
	var open, peak atomic.Int64
	server := fake.New(set, "pod-a", "1", nil)
	url, conns := counted(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := open.Add(1)
		defer open.Add(-1)
		for p := peak.Load(); now > p && !peak.CompareAndSwap(p, now); p = peak.Load() {
		}
		server.ServeHTTP(w, r)
	}))
	cfg := config(url)
	cfg.Name, cfg.ClosedLoop, cfg.KeepAlive, cfg.Workers, cfg.Hold = "hot", true, true, 64, 40*time.Millisecond
	l, _ := sendUntil(t, cfg, set, 640)
	if l.LostTotal() != 0 || l.Masked != 0 {
		t.Fatalf("lost %v, masked %d", l.EarliestLosses(), l.Masked)
	}
	// On a busy machine Go's transport may dial for a request that then takes another's.
	if got := conns.accepted.Load(); got < 64 || got > 66 {
		t.Errorf("%d connections, want 64", got)
	}
	// Half of them wait in the header, of which the handler does not know.
	if got := peak.Load(); got < 25 {
		t.Errorf("at most %d requests under way at once, want about 32: the header is not sent before the hold", got)
	}
	// 64 connections / 40 ms; a slow machine does fewer.
	if l.Rate() > 1700 {
		t.Errorf("%.0f requests a second, want up to 1600", l.Rate())
	}
	if fastest := time.Duration(l.Latency.Min()) * time.Microsecond; fastest < 35*time.Millisecond {
		t.Errorf("a request took %v: it was not held", fastest)
	}
}

// A server that only calls Shutdown closes each kept connection on which it has not
// read a header to its end. The hot lane must be there with some of them, whenever
// that is, and not only in the moment between an answer and the next request.
func TestHotLaneSeesKeptConnectionsClosed(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	cfg := config(s.URL)
	cfg.Name, cfg.ClosedLoop, cfg.KeepAlive, cfg.Workers, cfg.Hold = "hot", true, true, 32, 100*time.Millisecond
	time.AfterFunc(550*time.Millisecond, func() { _ = s.Config.Shutdown(context.Background()) }) // what it returns comes after the test
	kept := 0
	for _, loss := range lossesOf(t, cfg, 800*time.Millisecond) {
		if loss.Reused && loss.LastPod == "pod-a" {
			kept++
		}
	}
	if kept == 0 {
		t.Error("no kept connection was seen to close")
	}
}

func TestNewLaneUsesAConnectionARequest(t *testing.T) {
	t.Parallel()
	url, conns := counted(t, fake.New(set, "pod-a", "1", nil))
	l, _ := send(t, config(url), attack.NewVersions("1"), 500*time.Millisecond)
	if got := uint64(conns.accepted.Load()); got != l.Requests {
		t.Errorf("%d connections for %d requests", got, l.Requests)
	}
}

// BenchmarkHotLane measures what a request costs the sender.
func BenchmarkHotLane(b *testing.B) {
	s := httptest.NewServer(fake.New(set, "pod-a", "1", nil))
	defer s.Close()
	cfg := config(s.URL)
	cfg.ClosedLoop, cfg.KeepAlive, cfg.Workers = true, true, 8
	lane, err := attack.NewLane(cfg, set, attack.NewVersions("1"), time.Now(), io.Discard)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for {
			if n, _, _ := lane.Counts(); n >= uint64(b.N) {
				cancel()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	b.ResetTimer()
	if err := lane.Run(ctx); err != nil {
		b.Fatal(err)
	}
}
