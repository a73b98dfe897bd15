package lifecycle

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ask sends a request on a connection and says whether its answer closes it.
func ask(t *testing.T, c net.Conn, from *bufio.Reader) (status int, closes bool) {
	t.Helper()
	write(t, c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
	r, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close() // read to its end
	return r.StatusCode, r.Close
}

// dial connects until the test ends.
func dial(t *testing.T, address string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // it may be closed already
	return c, bufio.NewReader(c)
}

// awaitEnd holds that nothing but the end comes on a connection, within two seconds.
func awaitEnd(t *testing.T, c net.Conn, from *bufio.Reader) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if b, err := from.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("read %q, %v, want the end", b, err)
	}
}

func TestConnectionRequests(t *testing.T) { bothWays(t, testConnectionRequests) }

func testConnectionRequests(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Drain: true, Delay: time.Millisecond, Timeout: time.Second, Limits: Limits{Requests: 20}}, nil)
	seen := map[int]bool{}
	for range 40 {
		c, from := dial(t, s.address)
		n := 1
		for _, closes := ask(t, c, from); !closes; _, closes = ask(t, c, from) {
			if n++; n > 22 {
				t.Fatalf("%d requests on one connection, want 18 to 22", n)
			}
		}
		if n < 18 {
			t.Fatalf("closed after %d requests, want 18 to 22", n)
		}
		seen[n] = true
		awaitEnd(t, c, from)
	}
	if len(seen) < 2 {
		t.Errorf("all 40 connections were closed after %v requests, want jitter", seen)
	}
	await(t, "counted", func() bool { return s.Closed(Requests) == 40 && s.Open() == 0 })
}

func TestConnectionAge(t *testing.T) { bothWays(t, testConnectionAge) }

func testConnectionAge(t *testing.T) {
	t.Parallel()
	const age = 100 * time.Millisecond
	s := start(t, Config{Drain: true, Delay: time.Millisecond, Timeout: time.Second, Limits: Limits{Age: age}}, nil)
	c, from := dial(t, s.address)
	begin := time.Now()
	closes := false
	for time.Since(begin) < 2*time.Second && !closes {
		_, closes = ask(t, c, from)
	}
	if took := time.Since(begin); !closes || took < age*8/10 {
		t.Errorf("closed %t after %s, want after about %s", closes, took, age)
	}
	awaitEnd(t, c, from)
	// One that is silent is left alone: closing it could meet a request.
	c, from = dial(t, s.address)
	if _, closes := ask(t, c, from); closes {
		t.Fatal("closed at once")
	}
	time.Sleep(age * 3 / 2)
	if _, closes := ask(t, c, from); !closes {
		t.Error("an old connection is not closed by its next answer")
	}
	await(t, "counted", func() bool { return s.Closed(Age) == 2 })
}

func TestJitter(t *testing.T) {
	t.Parallel()
	var low, high bool
	for range 1000 {
		v := jitter(100)
		if v < 90 || v > 110 {
			t.Fatalf("%v, want 90 to 110", v)
		}
		low, high = low || v < 95, high || v > 105
	}
	if !low || !high {
		t.Error("1000 values fill not even half of 90 to 110")
	}
	l := Limits{Requests: 1}
	if one := l.draw(false); one.requests != 1 || !one.end.IsZero() {
		t.Errorf("%+v, want one request and no age", one)
	}
}

// TestConnections fills a server: a request on a connection beyond the limit is turned
// away, further ones wait in the kernel, and none of them is lost when the server ends.
func TestConnections(t *testing.T) { bothWays(t, testConnections) }

func testConnections(t *testing.T) {
	t.Parallel()
	turned := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "full") // a client that is gone needs no answer
	})
	s := start(t, Config{Drain: true, Delay: 20 * time.Millisecond, Timeout: 2 * time.Second, Limits: Limits{Connections: 8, Full: turned}}, nil)
	for i := range 8 {
		c, from := dial(t, s.address)
		if status, closes := ask(t, c, from); status != http.StatusOK || closes {
			t.Fatalf("connection %d: status %d, closes %t", i, status, closes)
		}
	}
	for range 2 * 8 { // far more than spare, one after another
		c, from := dial(t, s.address)
		if status, closes := ask(t, c, from); status != http.StatusServiceUnavailable || !closes {
			t.Fatalf("beyond the limit: status %d, closes %t, want 503 that closes", status, closes)
		}
		awaitEnd(t, c, from)
	}
	await(t, "counted", func() bool { return s.Closed(Full) == 16 && s.Open() == 8 })
	// Two that say nothing take what is spare; the next waits until the end makes room.
	for range 2 {
		dial(t, s.address)
	}
	await(t, "accepted", func() bool { return s.Open() == 10 })
	c, from := dial(t, s.address)
	write(t, c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
	time.Sleep(50 * time.Millisecond)
	if n := s.Open(); n != 10 {
		t.Errorf("%d connections open, want 10 and one that waits", n)
	}
	s.signals <- syscall.SIGTERM
	r, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatalf("the one that waited: %v", err)
	}
	_ = r.Body.Close() // only its status is of interest
	if r.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("the one that waited: status %d, want 503", r.StatusCode)
	}
	if err := s.end(t); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// TestForcedWhileFull ends a server whose Accept waits for room.
func TestForcedWhileFull(t *testing.T) { bothWays(t, testForcedWhileFull) }

func testForcedWhileFull(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Drain: true, Delay: time.Hour, Timeout: time.Hour, Limits: Limits{Connections: 1}}, nil)
	c, from := dial(t, s.address)
	ask(t, c, from)
	dial(t, s.address)
	await(t, "full", func() bool { return s.Open() == 2 })
	s.signals <- syscall.SIGTERM
	s.signals <- os.Interrupt
	if err := s.end(t); !errors.Is(err, ErrForced) {
		t.Errorf("Run: %v, want ErrForced", err)
	}
	await(t, "closed", func() bool { return s.Open() == 0 })
	if n := s.Closed(Cut); n != 2 {
		t.Errorf("%d connections cut, want 2", n)
	}
}

func TestReasons(t *testing.T) { bothWays(t, testReasons) }

func testReasons(t *testing.T) {
	t.Parallel()
	if got := len(ReasonNames()); got != reasons {
		t.Fatalf("%d names for %d reasons", got, reasons)
	}
	if Drain.String() != "drain" || Other.String() != "other" || Cut.String() != "cut" {
		t.Errorf("names %v are out of order", ReasonNames())
	}
	s := run(t, true, 10*time.Millisecond, 400*time.Millisecond)
	c, from := dial(t, s.address)
	ask(t, c, from)
	_ = c.Close() // the client's end
	await(t, "closed", func() bool { return s.Closed(Other) == 1 })
	c, from = dial(t, s.address)
	ask(t, c, from)
	s.signals <- syscall.SIGTERM
	if err := s.end(t); err != nil {
		t.Errorf("Run: %v", err)
	}
	if s.Accepted() != 2 || s.Closed(Drain) != 1 || s.Open() != 0 || s.WereCut() != 0 {
		t.Errorf("%d accepted, %d drained, %d open, %d cut; want 2, 1, 0, 0", s.Accepted(), s.Closed(Drain), s.Open(), s.WereCut())
	}
}

// TestCutIsCounted ends a server with a request in flight, one half sent, and a
// connection that waits.
func TestCutIsCounted(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := New(Config{Drain: true, Delay: time.Millisecond, Timeout: 200 * time.Millisecond, Log: slog.New(slog.NewTextHandler(&log, nil))})
	gone := make(chan struct{})
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(gone)
	})
	signals := make(chan os.Signal, 1)
	result := make(chan error, 1)
	go func() {
		result <- d.Run(t.Context(), &http.Server{Handler: d.Wrap(handler), ReadHeaderTimeout: time.Minute}, inner, signals)
	}()
	address := inner.Addr().String()
	inFlight, _ := dial(t, address)
	write(t, inFlight, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	half, _ := dial(t, address)
	write(t, half, "GET / HT")
	dial(t, address)
	await(t, "in flight", func() bool { return d.InFlight() == 1 && d.Open() == 3 })
	time.Sleep(20 * time.Millisecond) // for the half to be read
	signals <- syscall.SIGTERM
	err = <-result
	if !errors.Is(err, ErrCut) || !strings.Contains(err.Error(), "1 in flight and 1 half sent after the shutdown timeout of 200ms") {
		t.Errorf("Run: %v, want ErrCut with both", err)
	}
	if n := d.WereCut(); n != 2 {
		t.Errorf("%d requests counted as cut, want 2", n)
	}
	if !strings.Contains(log.String(), `msg="requests cut" requests=2 in_flight=1 connections=2`) {
		t.Errorf("the log does not say what was cut:\n%s", log.String())
	}
	select {
	case <-gone:
	case <-time.After(2 * time.Second):
		t.Error("the handler's context is not ended")
	}
}

// TestFlushKeepsConnectionClose holds that a handler that flushes before it writes tells
// its client to go, too.
func TestFlushKeepsConnectionClose(t *testing.T) {
	t.Parallel()
	d := New(Config{Drain: true, Log: slog.New(slog.DiscardHandler)})
	d.state.Store(int32(Draining))
	w := httptest.NewRecorder()
	d.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
	})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if got := w.Result().Header.Get("Connection"); got != "close" {
		t.Errorf("Connection: %q, want close", got)
	}
}

// TestWrapAllocatesNothing holds the request path to what it is to cost.
func TestWrapAllocatesNothing(t *testing.T) {
	l := newListener(nil, &Limits{Requests: 1 << 30, Age: time.Hour}, &counts{}, slog.New(slog.DiscardHandler))
	c := tracked(l.add(nil))
	d := New(Config{Drain: true, Log: slog.New(slog.DiscardHandler)})
	h := d.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r = r.WithContext(withConn(nil)(t.Context(), c))
	w := nothing{}
	if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }); n != 0 {
		t.Errorf("%v allocations a request, want none", n)
	}
}

// nothing is an http.ResponseWriter that keeps nothing.
type nothing struct{}

func (nothing) Header() http.Header         { return nil }
func (nothing) Write(b []byte) (int, error) { return len(b), nil }
func (nothing) WriteHeader(int)             {}

func BenchmarkWrap(b *testing.B) {
	l := newListener(nil, &Limits{Requests: 1 << 30, Age: time.Hour}, &counts{}, slog.New(slog.DiscardHandler))
	c := tracked(l.add(nil))
	d := New(Config{Drain: true, Log: slog.New(slog.DiscardHandler)})
	h := d.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r = r.WithContext(withConn(nil)(b.Context(), c))
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(nothing{}, r)
	}
}

// BenchmarkIdleConnections measures what the server holds for a connection that has been
// answered and waits. The client's side is in the same process, and is little without TLS.
func BenchmarkIdleConnections(b *testing.B) {
	secure, config := certificate(b)
	for _, test := range []struct {
		name           string
		server, client *tls.Config
	}{{directly, nil, nil}, {"net-http", nil, nil}, {"TLS", secure, config}} {
		b.Run(test.name, func(b *testing.B) {
			const n = 400
			s := start(b, Config{Drain: true, Delay: time.Millisecond, Timeout: time.Second}, test.server)
			held := func() uint64 {
				runtime.GC()
				runtime.GC() // what pools kept through the first
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return m.HeapInuse + m.StackInuse
			}
			for b.Loop() {
				before := held()
				open := make([]net.Conn, n)
				buffer := make([]byte, 512)
				for i := range open {
					var err error
					if open[i], err = net.Dial("tcp", s.address); err != nil {
						b.Fatal(err)
					}
					if test.client != nil {
						open[i] = tls.Client(open[i], test.client)
					}
					if _, err := io.WriteString(open[i], "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"); err != nil {
						b.Fatal(err)
					}
					if _, err := open[i].Read(buffer); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(held()-before)/n, "bytes/connection")
				for _, c := range open {
					_ = c.Close() // nothing is on it
				}
				await(b, "closed", func() bool { return s.Open() == 0 })
			}
		})
	}
}
