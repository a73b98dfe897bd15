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

// Config is what a Drainer needs.
type Config struct {
	// Drain is whether there is a drain at all. Without one, which is unsafe, the signal
	// to end ends connections at once.
	Drain bool
	// Delay is how long to serve on after the signal, Timeout how long requests that are
	// in flight then have to end.
	Delay, Timeout time.Duration
	// Direct is whether plain requests are answered by http1 in the place of net/http,
	// where there are drain, no TLS and no http.Server.WriteTimeout. The handler must
	// keep to what http1.Server wants of it.
	Direct bool
	Limits Limits
	Log    *slog.Logger
}

// Drainer runs a server and drains it. Make one with New.
type Drainer struct {
	Config
	state    atomic.Int32
	inFlight atomic.Int64
	counts   counts
}

// New returns a Drainer that is Starting.
func New(c Config) *Drainer { return &Drainer{Config: c} }

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

// Run serves on the listener until a signal comes or ctx ends, then drains. It returns
// nil when every request was answered, ErrCut or ErrForced when not, and another error
// when the listener failed. It takes both over: they are closed when it returns.
// The server's ConnState is replaced and its ConnContext added to. With a TLSConfig it
// speaks HTTPS; the listener is to be one without.
func (d *Drainer) Run(ctx context.Context, server *http.Server, on net.Listener, signals <-chan os.Signal) error {
	l := newListener(on, &d.Limits, &d.counts, d.Log)
	l.secure, l.handshake = server.TLSConfig, server.ReadHeaderTimeout
	l.idle = server.IdleTimeout
	server.ConnState, server.ConnContext = l.state, withConn(server.ConnContext)
	if d.Direct && d.Drain && server.TLSConfig == nil && server.WriteTimeout == 0 {
		beside, end := context.WithCancel(context.WithoutCancel(ctx))
		defer end()
		startDirect(beside, l, server, d.InFlight)
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	d.become(Serving)
	select {
	case err := <-failed:
		return fmt.Errorf("serving on %s: %w", on.Addr(), err)
	case s := <-signals:
		d.Log.Info("told to end", "signal", s.String(), "in_flight", d.InFlight())
	case <-ctx.Done():
		d.Log.Info("told to end", "cause", context.Cause(ctx).Error(), "in_flight", d.InFlight())
	}
	e := &ending{Drainer: d, server: server, listener: l, signals: signals}
	if !d.Drain {
		d.Log.Warn("drain is off: connections are closed at once, requests will be lost")
		return e.stop(ctx, server.Shutdown)
	}
	if err := e.wait(failed); err != nil {
		return err
	}
	return e.stop(ctx, func(ctx context.Context) error { return l.shutdown(ctx, server, d.Timeout) })
}

// become enters a state and logs it.
func (d *Drainer) become(s State) {
	d.state.Store(int32(s))
	d.Log.Info("state", "state", s.String(), "in_flight", d.InFlight())
}

// ending is the end of a server that was told to.
type ending struct {
	*Drainer
	server   *http.Server
	listener *listener
	signals  <-chan os.Signal
}

// wait is the drain delay: readiness fails, so that whoever routes stops sending new
// connections, and connections that are in use end with their next answer.
func (e *ending) wait(failed <-chan error) error {
	e.become(Draining)
	timer := time.NewTimer(e.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case err := <-failed:
		return fmt.Errorf("serving while draining: %w", err)
	case s := <-e.signals:
		return e.force(s)
	}
}

// stop ends the server by the given way, which waits for requests in flight, and gives
// it at most the timeout.
func (e *ending) stop(ctx context.Context, shutdown func(context.Context) error) error {
	e.become(Stopping)
	// The end of ctx may be why this begins: it must not end this too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.Timeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- shutdown(ctx) }()
	select {
	case err := <-done:
		if err == nil {
			e.Log.Info("ended", "in_flight", e.InFlight())
			return nil
		}
		return e.late(err)
	case s := <-e.signals:
		return e.force(s)
	}
}

// late closes what is left when the timeout has passed, or the end failed.
func (e *ending) late(err error) error {
	left := e.cut()
	switch {
	case !errors.Is(err, context.DeadlineExceeded):
		return errors.Join(fmt.Errorf("ending the server, %s: %w", left, err), left.closing)
	case left.requests == 0:
		return left.closing // what held it up was a connection that asked nothing
	}
	return errors.Join(
		fmt.Errorf("%s after the shutdown timeout of %s: %w: %w", left, e.Timeout, ErrCut, err), left.closing)
}

// force closes everything at once.
func (e *ending) force(s os.Signal) error {
	left := e.cut()
	return errors.Join(fmt.Errorf("%w: %s with %s", ErrForced, s, left), left.closing)
}

// remains are what is left when a server is closed.
type remains struct {
	requests int   // that have begun
	inFlight int   // of them, those whose header has arrived
	closing  error // of the server
}

// String says how many requests there are.
func (r remains) String() string {
	if r.requests <= r.inFlight {
		return fmt.Sprintf("%d in flight", r.inFlight)
	}
	return fmt.Sprintf("%d in flight and %d half sent", r.inFlight, r.requests-r.inFlight)
}

// cut closes everything, counts the requests that are lost by it and logs them.
func (e *ending) cut() remains {
	open, begun := e.listener.begun()
	inFlight := int(e.InFlight())
	left := remains{requests: max(begun, inFlight), inFlight: inFlight}
	e.listener.cutting.Store(true)
	e.counts.cut.Add(int64(left.requests))
	left.closing = e.server.Close()
	e.listener.cutDirect()
	switch {
	case left.requests > 0:
		e.Log.Error("requests cut", "requests", left.requests, "in_flight", inFlight, "connections", open)
	case open > 0:
		e.Log.Warn("connections cut", "connections", open)
	}
	return left
}
