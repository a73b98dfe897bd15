package lifecycle

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// running is a server under a Drainer on a real listener.
type running struct {
	*Drainer
	on      net.Listener
	url     string
	address string
	signals chan os.Signal
	cancel  context.CancelFunc
	ended   chan error
	// release lets the requests to /hold go on; each tells holding that it is there.
	release, holding chan struct{}
}

// bothWays runs a test with plain requests answered directly, and by net/http.
func bothWays(t *testing.T, test func(*testing.T)) {
	t.Helper()
	t.Run(directly, test)
	t.Run("net-http", test)
}

// directly is the name of a test in which plain requests are answered directly.
const directly = "direct"

// isDirect says whether the test is one.
func isDirect(t testing.TB) bool { return slices.Contains(strings.Split(t.Name(), "/"), directly) }

func run(t testing.TB, drain bool, delay, timeout time.Duration) *running {
	t.Helper()
	return start(t, Config{Drain: drain, Delay: delay, Timeout: timeout}, nil)
}

// listen returns what is to be served, on a port of its own.
func listen(t testing.TB, config Config) *running {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config.Log = slog.New(slog.DiscardHandler)
	return &running{
		Drainer: New(config), on: listener, address: listener.Addr().String(),
		signals: make(chan os.Signal, 2), ended: make(chan error, 1),
		release: make(chan struct{}), holding: make(chan struct{}, 8),
	}
}

// serve serves by the server until the test ends; its handler is wrapped.
func (s *running) serve(t testing.TB, server *http.Server) {
	t.Helper()
	s.url = "http://" + s.address
	if server.TLSConfig != nil {
		s.url = "https://" + s.address
	}
	server.Handler = s.Wrap(server.Handler)
	server.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(context.Background())
	go func() { s.ended <- s.Run(ctx, server, s.on, s.signals) }()
	await(t, "serving", func() bool { return s.State() == Serving })
	t.Cleanup(s.cancel)
}

// start is run with limits and TLS, if it is not nil.
func start(t testing.TB, config Config, secure *tls.Config) *running {
	t.Helper()
	config.Direct = isDirect(t)
	s := listen(t, config)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		switch r.URL.Path {
		case "/hold":
			s.holding <- struct{}{}
			<-s.release
			if r.Context().Err() != nil {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
		case "/work":
			time.Sleep(5 * time.Millisecond)
		case "/silent":
			return
		case "/tls":
			_, _ = fmt.Fprint(w, tls.VersionName(r.TLS.Version), " ", r.TLS.NegotiatedProtocol, " ") //nolint:gosec // a test's own client asks
		}
		ready, why := s.Ready()
		_, _ = fmt.Fprint(w, ready, " ", why) // a client that is gone needs no answer
	})
	if ready, why := s.Ready(); ready || why != "the server is starting" {
		t.Errorf("before Run: ready %t, %q", ready, why)
	}
	s.serve(t, &http.Server{Handler: handler, ReadHeaderTimeout: time.Second, TLSConfig: secure})
	return s
}

// await polls until the condition holds, at most two seconds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not %s after 2s", what)
		}
	}
}

// end returns what Run returned, within five seconds.
func (s *running) end(t testing.TB) error {
	t.Helper()
	select {
	case err := <-s.ended:
		return err
	case <-time.After(5 * time.Second):
		t.Fatal("Run did not end within 5s")
		return nil
	}
}

// client returns a client of its own connections.
func client(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 5 * time.Second}
}

// post sends a POST, which Go's transport never sends a second time on its own.
func post(c *http.Client, url string) (body string, closed bool, err error) {
	r, err := c.Post(url, "text/plain", strings.NewReader("x"))
	if err != nil {
		return "", false, err
	}
	b, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", r.StatusCode)
	}
	return string(b), r.Close, errors.Join(err, r.Body.Close())
}

func TestAnswersWhileDraining(t *testing.T) { bothWays(t, testAnswersWhileDraining) }

func testAnswersWhileDraining(t *testing.T) {
	t.Parallel()
	s := run(t, true, 400*time.Millisecond, time.Second)
	old := client(t)
	body, closed, err := post(old, s.url)
	if err != nil || closed || body != "true the server is serving" {
		t.Fatalf("before: %q, closed %t, %v", body, closed, err)
	}
	s.signals <- syscall.SIGTERM
	await(t, "draining", func() bool { return s.State() == Draining })
	for name, c := range map[string]*http.Client{"reused": old, "new": client(t)} {
		body, closed, err := post(c, s.url)
		if err != nil || !closed || body != "false the server is draining" {
			t.Errorf("%s connection: %q, closed %t, %v, want an answer that closes", name, body, closed, err)
		}
	}
	if _, closed, err := post(old, s.url+"/silent"); err != nil || !closed {
		t.Errorf("a handler that writes nothing: closed %t, %v", closed, err)
	}
	if err := s.end(t); err != nil {
		t.Errorf("Run: %v", err)
	}
	if _, _, err := post(client(t), s.url); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after the end: %v, want refused", err)
	}
}

func TestRequestInFlightIsFinished(t *testing.T) { bothWays(t, testRequestInFlightIsFinished) }

func testRequestInFlightIsFinished(t *testing.T) {
	t.Parallel()
	s := run(t, true, 20*time.Millisecond, 3*time.Second)
	type result struct {
		closed bool
		err    error
	}
	results := make(chan result, 1)
	go func() {
		_, closed, err := post(client(t), s.url+"/hold")
		results <- result{closed, err}
	}()
	<-s.holding
	s.cancel() // the end of the context drains as a signal does
	await(t, "stopping", func() bool { return s.State() == Stopping })
	if n := s.InFlight(); n != 1 {
		t.Errorf("%d in flight, want 1", n)
	}
	close(s.release)
	if r := <-results; r.err != nil || !r.closed {
		t.Errorf("request from before the signal: %+v, want an answer that closes", r)
	}
	if err := s.end(t); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestSlowBodyThroughTheDrain(t *testing.T) { bothWays(t, testSlowBodyThroughTheDrain) }

func testSlowBodyThroughTheDrain(t *testing.T) {
	t.Parallel()
	s := run(t, true, 30*time.Millisecond, 3*time.Second)
	c, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab"); err != nil {
		t.Fatal(err)
	}
	await(t, "in flight", func() bool { return s.InFlight() == 1 })
	s.signals <- syscall.SIGTERM
	await(t, "stopping", func() bool { return s.State() == Stopping })
	if _, err := io.WriteString(c, "cd"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 OK\r\n") ||
		!strings.Contains(string(answer), "\r\nConnection: close\r\n") {
		t.Errorf("answer %q, %v", answer, err)
	}
	if err := s.end(t); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// TestRequestsAfterStopping sends requests that http.Server.Shutdown would drop: on a
// connection that was accepted but silent, and on one whose header was half sent.
func TestRequestsAfterStopping(t *testing.T) { bothWays(t, testRequestsAfterStopping) }

func testRequestsAfterStopping(t *testing.T) {
	t.Parallel()
	s := run(t, true, 100*time.Millisecond, 4*time.Second)
	const head = "POST / HTTP/1.1\r\nHost: x\r\nContent-"
	const rest = "Length: 1\r\n\r\nx"
	connections := map[string]net.Conn{"": nil, head: nil}
	for sent := range connections {
		c, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if _, err := io.WriteString(c, sent); err != nil {
			t.Fatal(err)
		}
		connections[sent] = c
	}
	s.signals <- syscall.SIGTERM
	await(t, "stopping", func() bool { return s.State() == Stopping })
	time.Sleep(50 * time.Millisecond) // longer than the listener takes to close
	for sent, c := range connections {
		if _, err := io.WriteString(c, (head + rest)[len(sent):]); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(c)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 OK\r\n") ||
			!strings.Contains(string(answer), "\r\nConnection: close\r\n") {
			t.Errorf("%d bytes sent before: answer %q, %v", len(sent), answer, err)
		}
	}
	if err := s.end(t); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// TestRequestSentAhead sends two requests at once: while the second is answered nothing
// more is read, but the connection does not wait.
func TestRequestSentAhead(t *testing.T) { bothWays(t, testRequestSentAhead) }

func testRequestSentAhead(t *testing.T) {
	t.Parallel()
	s := run(t, true, time.Millisecond, 2*time.Second)
	c, from := dial(t, s.address)
	const length = " HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"
	write(t, c, "POST /"+length+"POST /hold"+length)
	answer := func() (status int, closes bool) {
		t.Helper()
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
	if status, _ := answer(); status != http.StatusOK {
		t.Fatalf("the first: %d", status)
	}
	<-s.holding
	s.signals <- syscall.SIGTERM
	await(t, "stopping", func() bool { return s.State() == Stopping })
	time.Sleep(1200 * time.Millisecond) // longer than the grace, which is half of the timeout
	close(s.release)
	if status, closes := answer(); status != http.StatusOK || !closes {
		t.Errorf("the second: %d, closes %t, want 200 that closes", status, closes)
	}
	if err := s.end(t); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// TestIdleConnectionsDoNotHoldTheEnd keeps unused connections open: they are closed
// well before the timeout, and that is no error.
func TestIdleConnectionsDoNotHoldTheEnd(t *testing.T) {
	bothWays(t, testIdleConnectionsDoNotHoldTheEnd)
}

func testIdleConnectionsDoNotHoldTheEnd(t *testing.T) {
	t.Parallel()
	s := run(t, true, 10*time.Millisecond, 600*time.Millisecond)
	if _, _, err := post(client(t), s.url); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	s.signals <- syscall.SIGTERM
	if err := s.end(t); err != nil {
		t.Errorf("Run: %v", err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("the silent connection: %d bytes, %v, want EOF", n, err)
	}
}

func TestShutdownTimeout(t *testing.T) { bothWays(t, testShutdownTimeout) }

func testShutdownTimeout(t *testing.T) {
	t.Parallel()
	s := run(t, true, time.Millisecond, 50*time.Millisecond)
	cut := make(chan error, 1)
	go func() {
		_, _, err := post(client(t), s.url+"/hold")
		cut <- err
	}()
	<-s.holding
	s.signals <- syscall.SIGTERM
	if err := s.end(t); !errors.Is(err, ErrCut) || !strings.Contains(err.Error(), "1 in flight after the shutdown timeout of 50ms") {
		t.Errorf("Run: %v, want ErrCut", err)
	}
	if err := <-cut; err == nil {
		t.Error("the request was answered, want it cut")
	}
	close(s.release)
}

func TestSecondSignalEndsAtOnce(t *testing.T) { bothWays(t, testSecondSignalEndsAtOnce) }

func testSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	for name, delay := range map[string]time.Duration{"draining": time.Hour, "stopping": time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := run(t, true, delay, time.Hour)
			go func() { _, _, _ = post(client(t), s.url+"/hold") }() // cut, as it should be
			<-s.holding
			s.signals <- syscall.SIGTERM
			await(t, name, func() bool { return s.State().String() == name })
			s.signals <- os.Interrupt
			if err := s.end(t); !errors.Is(err, ErrForced) {
				t.Errorf("Run: %v, want ErrForced", err)
			}
			close(s.release)
		})
	}
}

func TestDrainOffStopsAtOnce(t *testing.T) { bothWays(t, testDrainOffStopsAtOnce) }

func testDrainOffStopsAtOnce(t *testing.T) {
	t.Parallel()
	s := run(t, false, time.Hour, time.Second)
	c := client(t)
	if _, _, err := post(c, s.url); err != nil {
		t.Fatal(err)
	}
	s.signals <- syscall.SIGTERM
	if err := s.end(t); err != nil {
		t.Errorf("Run: %v", err)
	}
	if _, _, err := post(c, s.url); err == nil {
		t.Error("an idle connection was answered after Shutdown")
	}
}

func TestFailedListener(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	d := New(Config{Drain: true, Delay: time.Hour, Timeout: time.Hour, Log: slog.New(slog.DiscardHandler)})
	err = d.Run(context.Background(), &http.Server{ReadHeaderTimeout: time.Second}, listener, nil)
	if !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), listener.Addr().String()) {
		t.Errorf("Run: %v, want net.ErrClosed and the address", err)
	}
}
