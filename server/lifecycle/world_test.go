package lifecycle

import (
	"bufio"
	"cmp"
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
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// world plays a schedule: the real Drainer with the real http.Server on a network in
// memory, and in virtual time.
type world struct {
	schedule
	client   *tls.Config
	listener *memoryListener
	signal   time.Time // when it comes

	mu       sync.Mutex
	events   []happening
	answered int
	losses   []string
}

// happening is what the time line shows.
type happening struct {
	at   time.Duration // from the signal on
	what string
}

// tell writes something down as happening now.
func (w *world) tell(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, happening{time.Since(w.signal), fmt.Sprintf(format, args...)})
}

// timeline is what happened, a line each. What happened at the same instant is in the
// order of its words: it has no other.
func (w *world) timeline() string {
	slices.SortStableFunc(w.events, func(a, b happening) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.what, b.what))
	})
	var b strings.Builder
	for _, e := range w.events {
		fmt.Fprintf(&b, "%8.3fs  %s\n", e.at.Seconds(), e.what)
	}
	return b.String()
}

// keys are TLS's two sides, made once for all schedules of a test.
type keys struct{ server, client *tls.Config }

func newKeys(t testing.TB) keys {
	server, client := certificate(t)
	return keys{server, client}
}

// play plays the schedule to its end.
func (s schedule) play(t *testing.T, k keys) *world {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			panic(fmt.Sprintf("%v\nin schedule %s", p, s))
		}
	}()
	w := &world{schedule: s}
	synctest.Test(t, func(t *testing.T) { w.play(t, k) })
	return w
}

func (w *world) play(t *testing.T, k keys) {
	w.signal = time.Now().Add(before)
	w.listener = newMemoryListener()
	w.listener.tell = func(what string) { w.tell("%s", what) }
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 3 * time.Minute}
	if w.TLS {
		server.TLSConfig, w.client = k.server, k.client
	}
	d := New(Config{
		Drain: true, Delay: w.Delay, Timeout: w.Timeout, Direct: !w.NetHTTP, Log: slog.New(states{w}),
		Limits: Limits{Requests: w.Requests, Age: w.Age},
	})
	server.Handler = d.Wrap(http.HandlerFunc(w.answer))
	server.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	signals := make(chan os.Signal, 1)
	result := make(chan error, 1)
	go func() { result <- d.Run(context.Background(), server, w.listener, signals) }()
	var clients sync.WaitGroup
	for i, c := range w.Clients {
		clients.Go(func() { w.send(i, c) })
	}
	clients.Go(func() {
		time.Sleep(time.Until(w.signal.Add(w.Withdrawn)))
		w.tell("new connections go elsewhere from here on")
	})
	time.Sleep(time.Until(w.signal))
	signals <- syscall.SIGTERM
	err := <-result
	clients.Wait()
	time.Sleep(time.Minute) // for what still works: time ends with this function
	switch {
	case errors.Is(err, ErrCut):
		w.losses = append(w.losses, "the server: "+err.Error())
	case err != nil:
		t.Errorf("Run: %v", err)
	}
}

// answer is the server's handler: it works for as long as the path says.
func (w *world) answer(to http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		to.WriteHeader(http.StatusBadRequest)
		return
	}
	work, err := time.ParseDuration(r.URL.Path[1:])
	if err != nil {
		to.WriteHeader(http.StatusNotFound)
		return
	}
	time.Sleep(work)
	if r.Context().Err() != nil {
		to.WriteHeader(http.StatusInternalServerError)
		return
	}
	_, _ = to.Write(body) // a client that is gone needs no answer
}

// visit is a client's connection.
type visit struct {
	net.Conn
	plain *end // beneath TLS
	from  *bufio.Reader
}

// send is a client's life.
func (w *world) send(number int, c caller) {
	name := fmt.Sprintf("client %d", number+1)
	time.Sleep(time.Until(w.signal.Add(c.Start)))
	var open *visit
	leave := func() {
		if open != nil {
			_ = open.Close() // the server may have been the first
			open = nil
		}
	}
	defer leave()
	for i, r := range c.Requests {
		time.Sleep(r.Think)
		if open != nil && open.plain.gone() {
			leave()
		}
		lose := func(err error) {
			w.tell("%s has lost request %d: %v", name, i+1, err)
			w.mu.Lock()
			w.losses = append(w.losses, fmt.Sprintf("request %d of %s: %v", i+1, name, err))
			w.mu.Unlock()
			leave()
		}
		if open == nil {
			if time.Since(w.signal) >= w.Withdrawn {
				w.tell("%s goes elsewhere", name)
				return
			}
			w.tell("%s connects", name)
			var err error
			if open, err = w.connect(); err != nil {
				lose(err)
				continue
			}
		}
		w.tell("%s sends request %d", name, i+1)
		closes, err := open.ask(r, fmt.Sprintf("%d-%d", number, i))
		if err != nil {
			lose(err)
			continue
		}
		w.mu.Lock()
		w.answered++
		w.mu.Unlock()
		if closes {
			w.tell("%s is answered, and told that the connection closes", name)
		} else {
			w.tell("%s is answered", name)
		}
		if closes || c.Fresh {
			leave()
		}
	}
}

// connect makes a connection, with TLS where there is.
func (w *world) connect() (*visit, error) {
	plain, err := w.listener.Dial()
	if err != nil {
		return nil, err
	}
	v := &visit{plain: plain, Conn: plain}
	if w.client != nil {
		secure := tls.Client(plain, w.client)
		if err := secure.Handshake(); err != nil {
			_ = plain.Close() // it is of no use
			return nil, err
		}
		v.Conn = secure
	}
	v.from = bufio.NewReader(v.Conn)
	return v, nil
}

// ask sends a request in the time that it is to take, and checks its answer. It is sent
// once: nothing hides a loss.
func (v *visit) ask(r request, body string) (closes bool, err error) {
	head := fmt.Sprintf("POST /%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", r.Work, len(body))
	parts := []struct {
		text  string
		after time.Duration
	}{{head[:9], r.Head}, {head[9:] + body[:1], r.Body}, {body[1:], 0}}
	text := ""
	for _, p := range parts {
		text += p.text
		if p.after == 0 && p != parts[2] {
			continue // one segment
		}
		if _, err := io.WriteString(v.Conn, text); err != nil {
			return false, err
		}
		text = ""
		time.Sleep(p.after)
	}
	answer, err := http.ReadResponse(v.from, nil)
	if err != nil {
		return false, err
	}
	got, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close() // only read from
	switch {
	case err != nil:
		return false, err
	case answer.StatusCode != http.StatusOK || string(got) != body:
		return false, fmt.Errorf("status %d, answer %q, want %q", answer.StatusCode, got, body)
	}
	return answer.Close, nil
}

// states is a slog.Handler that puts the server's states on the time line.
type states struct{ *world }

// Enabled implements slog.Handler.
func (states) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

// Handle implements slog.Handler.
func (s states) Handle(_ context.Context, r slog.Record) error {
	switch r.Message {
	case "state":
		r.Attrs(func(a slog.Attr) bool {
			switch a.Value.String() {
			case Draining.String():
				s.tell("SIGTERM: not ready; every answer closes its connection")
			case Stopping.String():
				s.tell("the drain delay is over: the server looks and closes")
			}
			return true
		})
	case "requests cut":
		s.tell("the shutdown timeout is over: requests are cut")
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (s states) WithAttrs([]slog.Attr) slog.Handler { return s }

// WithGroup implements slog.Handler.
func (s states) WithGroup(string) slog.Handler { return s }

// loses says whether the schedule loses a request each time that it is played: what
// happens at one and the same instant has no order.
func (s schedule) loses(t *testing.T, k keys) bool {
	t.Helper()
	for range 3 {
		if len(s.play(t, k).losses) == 0 {
			return false
		}
	}
	return true
}
