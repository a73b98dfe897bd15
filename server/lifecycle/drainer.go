// Package lifecycle takes an HTTP server from its first request to its last: what its
// probes say at each moment, and how it ends without losing a request. It knows
// nothing of models or of the protocol.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// State is where a server is on its way.
type State int32

// The states, in order.
const (
	// Starting: not listening yet, not ready.
	Starting State = iota
	// Serving: ready.
	Serving
	// Draining: told to end; not ready, serves on, closes connections as it answers.
	Draining
	// Stopping: no longer listens; requests in flight are finished.
	Stopping
)

// StateNames returns the names of all states, in order.
func StateNames() []string { return []string{"starting", "serving", "draining", "stopping"} }

// String names the state as logs and metrics do.
func (s State) String() string { return StateNames()[s] }

// ErrForced says that a second signal ended the server before it was done.
var ErrForced = errors.New("ended by a second signal")

// ErrCut says that requests were still in flight when the shutdown timeout passed.
var ErrCut = errors.New("requests cut")

// Drainer runs a server and drains it. Make one with New.
type Drainer struct {
	drain    bool
	delay    time.Duration
	timeout  time.Duration
	log      *slog.Logger
	state    atomic.Int32
	inFlight atomic.Int64
}

// New returns a Drainer that is Starting. After the signal to end it goes on serving
// for delay and then gives requests in flight at most timeout. With drain false, which
// is unsafe, it goes to Stopping at once.
func New(drain bool, delay, timeout time.Duration, log *slog.Logger) *Drainer {
	return &Drainer{drain: drain, delay: delay, timeout: timeout, log: log}
}

// State is the state now.
func (d *Drainer) State() State { return State(d.state.Load()) }

// Ready says whether new connections are welcome, and if not why: a readiness probe's
// answer.
func (d *Drainer) Ready() (bool, string) {
	s := d.State()
	return s == Serving, "the server is " + s.String()
}

// InFlight is how many requests are being answered now.
func (d *Drainer) InFlight() int64 { return d.inFlight.Load() }

// Wrap counts requests in flight and, from Draining on, puts Connection: close on
// every answer, also on those whose request came before. A busy client then opens its
// next connection elsewhere, and no request can meet a connection that is being
// closed: http.Server.Shutdown drops, unanswered, a request that arrives on a reused
// connection after it began (https://github.com/golang/go/issues/75591).
func (d *Drainer) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.inFlight.Add(1)
		defer d.inFlight.Add(-1)
		closing := &closingWriter{ResponseWriter: w, drainer: d}
		next.ServeHTTP(closing, r)
		if !closing.written {
			closing.WriteHeader(http.StatusOK)
		}
	})
}

// closingWriter looks at the state as late as possible: when the header is written.
type closingWriter struct {
	http.ResponseWriter
	drainer *Drainer
	written bool
}

func (w *closingWriter) WriteHeader(status int) {
	if !w.written {
		w.written = status >= 200 // 1xx answers are followed by the real one
		if s := w.drainer.State(); s == Draining || (s == Stopping && w.drainer.drain) {
			w.Header().Set("Connection", "close")
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *closingWriter) Write(b []byte) (int, error) {
	if !w.written {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController find the writer beneath.
func (w *closingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Run serves on the listener until a signal comes or ctx ends, then drains. It returns
// nil when every request was answered, ErrCut or ErrForced when not, and another error
// when the listener failed. It takes both over: they are closed when it returns.
// The server's ConnState is replaced.
func (d *Drainer) Run(ctx context.Context, server *http.Server, on net.Listener, signals <-chan os.Signal) error {
	tracked := newListener(on)
	server.ConnState = tracked.state
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(tracked) }()
	d.become(Serving)
	select {
	case err := <-failed:
		return fmt.Errorf("serving on %s: %w", on.Addr(), err)
	case s := <-signals:
		d.log.Info("told to end", "signal", s.String(), "in_flight", d.InFlight())
	case <-ctx.Done():
		d.log.Info("told to end", "cause", context.Cause(ctx).Error(), "in_flight", d.InFlight())
	}
	if !d.drain {
		d.log.Warn("drain is off: connections are closed at once, requests will be lost")
		return d.stop(ctx, server, signals, server.Shutdown)
	}
	if err := d.wait(server, signals, failed); err != nil {
		return err
	}
	return d.stop(ctx, server, signals, func(ctx context.Context) error {
		return tracked.shutdown(ctx, server, d.timeout)
	})
}

// become enters a state and logs it.
func (d *Drainer) become(s State) {
	d.state.Store(int32(s))
	d.log.Info("state", "state", s.String(), "in_flight", d.InFlight())
}

// wait is the drain delay: readiness fails, so that whoever routes stops sending new
// connections, and connections that are in use end with their next answer.
func (d *Drainer) wait(server *http.Server, signals <-chan os.Signal, failed <-chan error) error {
	d.become(Draining)
	timer := time.NewTimer(d.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case err := <-failed:
		return fmt.Errorf("serving while draining: %w", err)
	case s := <-signals:
		return d.force(server, s)
	}
}

// stop ends the server by the given way, which waits for requests in flight, and gives
// it at most the timeout.
func (d *Drainer) stop(ctx context.Context, server *http.Server, signals <-chan os.Signal, shutdown func(context.Context) error) error {
	d.become(Stopping)
	// The end of ctx may be why this begins: it must not end this too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.timeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- shutdown(ctx) }()
	select {
	case err := <-done:
		if err == nil {
			d.log.Info("ended", "in_flight", d.InFlight())
			return nil
		}
		cut := d.InFlight()
		return errors.Join(
			fmt.Errorf("%d in flight after the shutdown timeout of %s: %w: %w", cut, d.timeout, ErrCut, err),
			server.Close())
	case s := <-signals:
		return d.force(server, s)
	}
}

// force closes everything at once.
func (d *Drainer) force(server *http.Server, s os.Signal) error {
	return errors.Join(
		fmt.Errorf("%w: %s with %d requests in flight", ErrForced, s, d.InFlight()),
		server.Close())
}
