package attack_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollproof/loadtest/attack"
	"rollproof/loadtest/cases"
	"rollproof/loadtest/fake"
	"rollproof/loadtest/tally"
)

// way is one way of carrying requests.
type way struct {
	name    string
	tls     bool
	http2   bool
	service cases.Service
}

func grpcOf(t *testing.T) cases.Service {
	t.Helper()
	g, err := set.GRPC()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func ways(t *testing.T) []way {
	t.Helper()
	g := grpcOf(t)
	return []way{
		{"http1", false, false, set}, {"https", true, false, set}, {"h2c", false, true, set}, {"h2", true, true, set},
		{"grpc", false, true, g}, {"grpcs", true, true, g},
	}
}

// start serves a handler in a way, and returns its URL, its connections and what
// a lane needs to reach it.
func (w way) start(t *testing.T, handler http.Handler) (attack.Config, *connections) {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	conns := &connections{Listener: s.Listener}
	s.Listener = conns
	if w.http2 && !w.tls {
		s.Config.Protocols = &http.Protocols{}
		s.Config.Protocols.SetUnencryptedHTTP2(true)
	}
	s.EnableHTTP2 = w.http2
	if w.tls {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	cfg := config(s.URL)
	cfg.Rate, cfg.Timeout = 25, 30*time.Second // many of these run at once
	if w.http2 {
		cfg.Protocol = attack.HTTP2
	}
	if w.tls {
		pool := x509.NewCertPool()
		pool.AddCert(s.Certificate())
		cfg.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return cfg, conns
}

func TestRightAnswersByEachProtocol(t *testing.T) {
	t.Parallel()
	for _, w := range ways(t) {
		for _, keepAlive := range []bool{false, true} {
			t.Run(w.name, func(t *testing.T) {
				t.Parallel()
				var major atomic.Int64
				server := fake.New(set, "pod-a", "1", nil)
				cfg, conns := w.start(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					major.Store(int64(r.ProtoMajor))
					server.ServeHTTP(rw, r)
				}))
				cfg.KeepAlive, cfg.BatchRows = keepAlive, 3
				n := uint64(15)
				if keepAlive {
					n = 40 // more than there are connections over HTTP/2
				}
				l, results := sendUntil(t, cfg, w.service, n)
				if l.LostTotal() != 0 || l.Masked != 0 {
					t.Fatalf("ok %d of %d, masked %d, lost %v", l.OK, l.Requests, l.Masked, l.EarliestLosses())
				}
				if want := map[bool]int64{false: 1, true: 2}[w.http2]; major.Load() != want {
					t.Errorf("HTTP/%d, want HTTP/%d", major.Load(), want)
				}
				accepted := uint64(conns.accepted.Load())
				if !keepAlive && accepted != l.Requests {
					t.Errorf("%d connections for %d requests", accepted, l.Requests)
				}
				// Go's transport may dial more than it needs at first.
				if keepAlive && accepted >= l.Requests && w.http2 {
					t.Errorf("%d kept connections for %d requests", accepted, l.Requests)
				}
				if diff := cmp.Diff(map[string]uint64{"1": l.OK}, l.Versions()); diff != "" || l.Pods["pod-a"] == nil {
					t.Errorf("pods %v, versions %s", l.Pods, diff)
				}
				for _, r := range results {
					if r.Error != "" || r.Code != 200 || r.BytesOut == 0 || r.BytesIn == 0 {
						t.Fatalf("vegeta's result: %+v", r)
					}
				}
			})
		}
	}
}

func TestRawContentsOverGRPC(t *testing.T) {
	t.Parallel()
	server := fake.New(set, "pod-a", "1", nil)
	server.AnswerRaw()
	w := way{"grpc", false, true, grpcOf(t)}
	cfg, _ := w.start(t, server)
	if l, _ := sendUntil(t, cfg, w.service, 10); l.LostTotal() != 0 || l.OK == 0 {
		t.Errorf("ok %d, lost %v", l.OK, l.EarliestLosses())
	}
}

// Over every protocol what is wrong with an answer is a loss of the same class.
func TestFaultsAreLossesByEachProtocol(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fault  fake.Fault
		want   tally.Class
		status int
	}{
		{fake.Close, tally.Reset, 0}, // over HTTP/2 it is the stream that ends
		{fake.Status500, tally.WrongStatus, 500},
		{fake.WrongHeader, tally.WrongVersion, 200},
		{fake.WrongVersion, tally.WrongVersion, 200},
		{fake.WrongBody, tally.WrongAnswer, 200},
		{fake.Short, tally.ShortBody, 200},
		{fake.CutJSON, tally.ShortBody, 200},
		{fake.Hang, tally.Timeout, 0},
		{fake.HangInBody, tally.Timeout, 200},
	}
	for _, w := range ways(t) {
		if !w.http2 {
			continue // TestFaultsAreLosses
		}
		for _, tt := range tests {
			t.Run(w.name+" "+string(tt.fault), func(t *testing.T) {
				t.Parallel()
				cfg, _ := w.start(t, fake.New(set, "pod-a", "1", func(n uint64) fake.Fault {
					if n == 5 {
						return tt.fault
					}
					return fake.None
				}))
				cfg.KeepAlive = true
				if tt.want == tally.Timeout {
					cfg.Timeout = 2 * time.Second
				}
				l, _ := sendUntil(t, cfg, w.service, 12)
				if diff := cmp.Diff(map[tally.Class]uint64{tt.want: 1}, l.Lost); diff != "" {
					t.Fatalf("%s\n%+v", diff, l.EarliestLosses())
				}
				loss := l.EarliestLosses()[0]
				if loss.Detail == "" || loss.Attempts != 1 || loss.Remote == "" || loss.Conn == 0 || loss.Status != tt.status {
					t.Errorf("loss without what is known of it: %+v", loss)
				}
			})
		}
	}
}

func TestAHotLaneOverHTTP2(t *testing.T) {
	t.Parallel()
	for _, w := range ways(t) {
		if !w.http2 {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			var open, peak atomic.Int64
			server := fake.New(set, "pod-a", "1", nil)
			cfg, conns := w.start(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				now := open.Add(1)
				defer open.Add(-1)
				for p := peak.Load(); now > p && !peak.CompareAndSwap(p, now); p = peak.Load() {
				}
				server.ServeHTTP(rw, r)
			}))
			cfg.Name, cfg.ClosedLoop, cfg.KeepAlive, cfg.Workers, cfg.Hold = "hot", true, true, 16, 40*time.Millisecond
			l, _ := sendUntil(t, cfg, w.service, 64)
			if l.LostTotal() != 0 || l.Masked != 0 {
				t.Fatalf("%d requests, lost %v, masked %d", l.Requests, l.EarliestLosses(), l.Masked)
			}
			if got := conns.accepted.Load(); got != 16 {
				t.Errorf("%d connections, want 16", got)
			}
			if got := peak.Load(); got < 8 {
				t.Errorf("at most %d requests under way at once: the stream is not open during the hold", got)
			}
			if fastest := time.Duration(l.Latency.Min()) * time.Microsecond; fastest < 35*time.Millisecond {
				t.Errorf("a request took %v: its last byte was not held", fastest)
			}
		})
	}
}

func TestATLSClientIsAsked(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(fake.New(set, "pod-a", "1", nil))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	cfg := config(s.URL)
	cfg.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	l, _ := send(t, cfg, attack.NewVersions("1"), 200*time.Millisecond)
	// The alert may come too late to be read.
	if l.Lost[tally.TLS] == 0 || l.OK != 0 {
		t.Errorf("without a certificate: lost %v of %d: %+v", l.Lost, l.Requests, l.EarliestLosses()[:1])
	}
	cfg.TLS.Certificates = s.TLS.Certificates
	if l, _ := send(t, cfg, attack.NewVersions("1"), 200*time.Millisecond); l.LostTotal() != 0 || l.OK == 0 {
		t.Errorf("with one: lost %v", l.EarliestLosses())
	}
}

// What a server of one kind says to a client of another is no TLS.
func TestHTTPSToAServerWithoutIt(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	l, _ := send(t, config("https"+s.URL[len("http"):]), attack.NewVersions("1"), 200*time.Millisecond)
	if l.Lost[tally.TLS] != l.Requests || l.Requests == 0 {
		t.Errorf("lost %v of %d", l.Lost, l.Requests)
	}
	for _, loss := range l.EarliestLosses() {
		if loss.Phase != tally.Handshake || loss.Remote == "" {
			t.Fatalf("%+v", loss)
		}
	}
}

// A connection that is reset as soon as it is taken is not the same as one that
// is reset under a request.
func TestAResetBeforeAnythingWasWritten(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() }) // it ends the loop
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
	}()
	// Over TLS nothing of the request is written before the handshake has ended.
	losses := lossesOf(t, config("https://"+listener.Addr().String()), 300*time.Millisecond)
	if len(losses) == 0 {
		t.Fatal("nothing was lost")
	}
	for _, l := range losses {
		if l.Class != tally.ResetUnsent || l.Written != 0 || l.Phase != tally.Handshake && l.Phase != tally.Connect || l.Remote == "" || l.At.IsZero() {
			t.Fatalf("%+v", l)
		}
	}
}

func TestHeadersAreSent(t *testing.T) {
	t.Parallel()
	var got atomic.Pointer[http.Header]
	server := fake.New(set, "pod-a", "1", nil)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := r.Header.Clone()
		h.Set("Host", r.Host)
		got.Store(&h)
		server.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	cfg := config(s.URL)
	cfg.Header = http.Header{"X-Api-Key": {"secret"}, "Host": {"model.example"}, "Content-Type": {"application/json; x=y"}}
	if l, _ := send(t, cfg, attack.NewVersions("1"), 100*time.Millisecond); l.LostTotal() != 0 || l.OK == 0 {
		t.Fatalf("lost %v", l.EarliestLosses())
	}
	h := *got.Load()
	if h.Get("X-Api-Key") != "secret" || h.Get("Host") != "model.example" || h.Get("Content-Type") != "application/json; x=y" {
		t.Errorf("headers: %v", h)
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	for _, w := range ways(t) {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			cfg, _ := w.start(t, fake.New(set, "pod-a", "2", nil))
			version, pod, err := attack.Probe(t.Context(), cfg, w.service)
			if version != "2" || pod != "pod-a" || err != nil {
				t.Errorf("version %q, pod %q, %v", version, pod, err)
			}
			cfg, _ = w.start(t, fake.New(set, "pod-a", "2", func(uint64) fake.Fault { return fake.Status500 }))
			if _, _, err := attack.Probe(t.Context(), cfg, w.service); err == nil {
				t.Error("no error of a broken server")
			}
		})
	}
}
