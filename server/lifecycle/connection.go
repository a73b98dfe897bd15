package lifecycle

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// http.Server.Shutdown loses requests. From the moment it is called net/http drops,
// unanswered, every request whose header it has not yet finished reading, on reused
// and on new connections alike (conn.serve returns if shuttingDown after readRequest).
// On a busy or throttled machine requests wait unread in the kernel for a tenth of a
// second and more. So the end is made here instead: each connection is closed by the
// goroutine that reads it, after one last look at what the kernel holds for it.

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
	stopping atomic.Bool
	closed   atomic.Bool
	until    time.Time // set before stopping

	mu    sync.Mutex
	conns map[*conn]struct{}
}

func newListener(l net.Listener) *listener {
	return &listener{Listener: l, conns: map[*conn]struct{}{}}
}

// deadliner is a listener whose Accept can be interrupted, as TCP's can.
type deadliner interface{ SetDeadline(time.Time) error }

// Accept returns the next connection. Once stopping it goes on until none came for a
// moment; then it closes the listener and returns net.ErrClosed.
func (l *listener) Accept() (net.Conn, error) {
	if l.stopping.Load() {
		if d, ok := l.Listener.(deadliner); !ok || time.Now().After(l.until) || d.SetDeadline(time.Now().Add(quiet)) != nil {
			return nil, errors.Join(net.ErrClosed, l.Close())
		}
	}
	inner, err := l.Listener.Accept()
	if err != nil {
		if l.stopping.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, errors.Join(net.ErrClosed, l.Close())
		}
		return nil, err
	}
	c := &conn{Conn: inner}
	c.since.Store(time.Now().UnixNano())
	c.waiting.Store(true)
	l.mu.Lock()
	l.conns[c] = struct{}{}
	l.mu.Unlock()
	return c, nil
}

// stop makes Accept end soon.
func (l *listener) stop() error {
	l.until = time.Now().Add(maxQuiet)
	l.stopping.Store(true)
	if d, ok := l.Listener.(deadliner); ok {
		return d.SetDeadline(time.Now().Add(quiet))
	}
	return l.Close()
}

// state is the server's http.Server.ConnState.
func (l *listener) state(c net.Conn, state http.ConnState) {
	tracked, ok := c.(*conn)
	if !ok {
		return
	}
	switch state {
	case http.StateIdle:
		tracked.since.Store(time.Now().UnixNano())
		tracked.waiting.Store(true)
	case http.StateClosed, http.StateHijacked:
		l.mu.Lock()
		delete(l.conns, tracked)
		l.mu.Unlock()
	}
}

// retire tells every connection that has waited for a request for the grace to end, and
// returns how many connections are left.
func (l *listener) retire(grace time.Duration) (left int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := time.Now().Add(-grace).UnixNano()
	for c := range l.conns {
		if c.since.Load() <= before {
			c.retire()
		}
	}
	return len(l.conns)
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

// Close closes the listener and remembers that no connection comes any more.
func (l *listener) Close() error {
	err := l.Listener.Close()
	l.closed.Store(true)
	return err
}

// conn is a connection that ends, once retired, where it would wait for a request.
type conn struct {
	net.Conn
	// since is when the connection was accepted or last answered, in Unix nanoseconds.
	since atomic.Int64
	// waiting: no byte of the next request has been read.
	waiting atomic.Bool
	retired atomic.Bool
}

// retire interrupts a Read that waits for a request. The order matters: a Read that
// began before retired was set is woken by the deadline, a later one sees retired.
func (c *conn) retire() {
	if c.waiting.Load() && c.retired.CompareAndSwap(false, true) {
		_ = c.SetReadDeadline(time.Unix(1, 0)) // fails only if it is closed already
	}
}

// Read reads. A retired connection that waits for a request gives what has arrived, and
// that request is still answered; if nothing has, it gives io.EOF and the server ends it.
func (c *conn) Read(b []byte) (int, error) {
	if c.retired.Load() && c.waiting.Load() {
		return c.last(b)
	}
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.waiting.Store(false)
	} else if errors.Is(err, os.ErrDeadlineExceeded) && c.retired.Load() && c.waiting.Load() {
		return c.last(b)
	}
	return n, err
}

// last reads what the kernel holds, without waiting.
func (c *conn) last(b []byte) (int, error) {
	raw, ok := c.Conn.(syscall.Conn)
	if !ok || len(b) == 0 {
		return 0, io.EOF
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return 0, err
	}
	descriptor, err := raw.SyscallConn()
	if err != nil {
		return 0, err
	}
	n := 0
	var failed error
	err = descriptor.Read(func(fd uintptr) bool {
		n, failed = syscall.Read(int(fd), b)
		return true // never wait
	})
	if err != nil || failed != nil || n <= 0 {
		return 0, io.EOF // nothing there (EAGAIN), or the client is gone
	}
	c.waiting.Store(false)
	return n, nil
}
