package lifecycle

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// quiet is how long no new connection must have come before the listener closes:
	// closing it resets those that wait to be accepted.
	quiet = 20 * time.Millisecond
	// maxQuiet bounds the wait for that.
	maxQuiet = time.Second
	// maxGrace is how long a connection must have waited for a request, from its start
	// or its last answer, before it is closed: on a busy machine a client that has just
	// been answered may take a while to send what comes next.
	maxGrace = 2 * time.Second
)

// listener hands out connections that it can retire.
type listener struct {
	net.Listener
	limits *Limits
	counts *counts
	log    *slog.Logger
	// secure is TLS's configuration, nil without it; handshake is how long one may take.
	secure    *tls.Config
	handshake time.Duration
	// idle is how long a connection may be open before its first request; 0 leaves
	// that to net/http.
	idle  time.Duration
	start time.Time
	// answer answers on a connection without TLS directly, if that is wanted.
	answer func(*conn)

	stopping atomic.Bool
	closed   atomic.Bool
	cutting  atomic.Bool
	until    time.Time // set before stopping
	closing  sync.Once
	failed   error // of closing
	// room says that there may be room for another connection, or that none is needed.
	room chan struct{}

	mu     sync.Mutex
	conns  map[*conn]struct{}
	beyond int // of conns, those that are one too many
}

func newListener(l net.Listener, limits *Limits, counts *counts, log *slog.Logger) *listener {
	return &listener{
		Listener: l, limits: limits, counts: counts, log: log, start: time.Now(),
		room: make(chan struct{}, 1), conns: map[*conn]struct{}{},
	}
}

// now is the time on the listener's clock, which nobody sets.
func (l *listener) now() int64 { return int64(time.Since(l.start)) }

// deadliner is a listener whose Accept can be interrupted, as TCP's can.
type deadliner interface{ SetDeadline(time.Time) error }

// Accept returns the next connection that is not answered directly. Once stopping it
// goes on until none came for a moment; then it closes the listener and returns
// net.ErrClosed.
func (l *listener) Accept() (net.Conn, error) {
	for {
		inner, err := l.next()
		if err != nil {
			return nil, err
		}
		c := l.add(inner)
		one, plain := c.(*conn)
		if l.answer == nil || !plain {
			return c, nil
		}
		go l.answer(one)
	}
}

// next waits for room and for a connection.
func (l *listener) next() (net.Conn, error) {
	for l.full() && !l.stopping.Load() && !l.closed.Load() {
		<-l.room
	}
	for {
		if l.stopping.Load() {
			if d, ok := l.Listener.(deadliner); !ok || time.Now().After(l.until) || d.SetDeadline(time.Now().Add(quiet)) != nil {
				return nil, errors.Join(net.ErrClosed, l.Close())
			}
		}
		inner, err := l.Listener.Accept()
		switch {
		case err == nil:
			return inner, nil
		case !l.stopping.Load() || !errors.Is(err, os.ErrDeadlineExceeded):
			return nil, err
		case !queued(l.Listener):
			return nil, errors.Join(net.ErrClosed, l.Close())
		}
	}
}

// full says whether so many connections are beyond the limit that no more are accepted.
func (l *listener) full() bool {
	if l.limits.Connections <= 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.beyond >= l.limits.spare()
}

// add makes a connection of what was accepted.
func (l *listener) add(inner net.Conn) net.Conn {
	c := &conn{wire: wire{Conn: inner}, of: l}
	c.Conn = &c.wire
	c.idle()
	l.counts.accepted.Add(1)
	l.mu.Lock()
	beyond := l.limits.Connections > 0 && len(l.conns)-l.beyond >= l.limits.Connections
	if beyond {
		l.beyond++
	}
	c.limit = l.limits.draw(beyond)
	l.conns[c] = struct{}{}
	l.mu.Unlock()
	if l.secure == nil {
		return c
	}
	s := &secureConn{conn: c, tls: tls.Server(&c.wire, l.secure), timeout: l.handshake}
	c.Conn = s.tls
	return s
}

// stop makes Accept end soon.
func (l *listener) stop() error {
	l.until = time.Now().Add(maxQuiet)
	l.stopping.Store(true)
	l.wake()
	if d, ok := l.Listener.(deadliner); ok {
		return d.SetDeadline(time.Now().Add(quiet))
	}
	return l.Close()
}

// wake makes Accept look again whether there is room.
func (l *listener) wake() {
	select {
	case l.room <- struct{}{}:
	default:
	}
}

// tracked is the conn of a connection that Accept returned, nil if it is none.
func tracked(c net.Conn) *conn {
	switch c := c.(type) {
	case *conn:
		return c
	case *secureConn:
		return c.conn
	}
	return nil
}

// state is the server's http.Server.ConnState.
func (l *listener) state(c net.Conn, state http.ConnState) {
	one := tracked(c)
	if one == nil {
		return
	}
	switch state {
	case http.StateIdle:
		one.first.stage = answered
		one.idle()
	case http.StateClosed, http.StateHijacked:
		l.remove(one)
	}
}

// remove forgets a connection that is closed.
func (l *listener) remove(c *conn) {
	l.mu.Lock()
	delete(l.conns, c)
	if c.limit.beyond {
		l.beyond--
	}
	l.mu.Unlock()
	l.wake()
	if c.why == Other && l.cutting.Load() {
		c.why = Cut
	}
	l.counts.closed[c.why].Add(1)
}

// retire tells every connection that has waited for a request for the grace to end, and
// returns how many connections are left.
func (l *listener) retire(grace time.Duration) (left int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.now() - int64(grace)
	for c := range l.conns {
		if c.since.Load() <= before {
			c.retire()
		}
	}
	return len(l.conns)
}

// begun is how many connections there are, and on how many a request has begun.
func (l *listener) begun() (open, busyOnes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		if c.phase.Load() == busy {
			busyOnes++
		}
	}
	return len(l.conns), busyOnes
}

// shutdown ends the server as http.Server.Shutdown would, without its losses: it stops
// accepting, lets every connection end where no request has begun, and returns when
// none is left or ctx ends. Half of the timeout is kept for requests: connections that
// merely wait are gone by then. Handlers must answer with Connection: close from before it
// is called.
func (l *listener) shutdown(ctx context.Context, server *http.Server, timeout time.Duration) error {
	grace := min(maxGrace, timeout/2)
	if err := l.stop(); err != nil {
		return err
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		// Only a closed listener makes the count final.
		if closed := l.closed.Load(); l.retire(grace) == 0 && closed {
			return server.Shutdown(ctx) // nothing is left to lose
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Close closes the listener and remembers that no connection comes any more. Accept,
// net/http's Serve and its Shutdown may each call it, in any order: an error of the
// second would be taken for a drain that failed.
func (l *listener) Close() error {
	l.closing.Do(func() {
		l.failed = l.Listener.Close()
		l.closed.Store(true)
		l.wake()
	})
	return l.failed
}
