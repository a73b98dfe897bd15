package lifecycle

import (
	"context"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"rollproof/server/http1"
)

const (
	// watched is how often it is looked whether the clients of directly answered
	// requests are still there.
	watched = 100 * time.Millisecond
	// patience is how long http1 waits for the rest of a request, at most.
	patience = 250 * time.Millisecond
)

// direct answers plain requests in the place of a server of net/http, and hands
// connections on which something else comes over to it.
type direct struct {
	*listener
	server  *http.Server
	answers http1.Server
	// over is where the server takes connections over.
	over *handover
}

// startDirect makes the listener's connections ones that are answered directly, with
// the server for what is not plain, until ctx ends.
func startDirect(ctx context.Context, l *listener, server *http.Server, inFlight func() int64) {
	messages := server.ErrorLog
	if messages == nil {
		messages = log.Default() // as net/http
	}
	d := &direct{
		listener: l, server: server,
		answers: http1.Server{
			Handler: server.Handler, IdleTimeout: server.IdleTimeout, Patience: patience, Log: messages,
		},
		over: &handover{of: l, conns: make(chan net.Conn), closed: make(chan struct{})},
	}
	for _, t := range []time.Duration{server.ReadHeaderTimeout, server.ReadTimeout} {
		if t > 0 {
			d.answers.Patience = min(d.answers.Patience, t/2) // net/http is to say that it is over
		}
	}
	ctx = context.WithValue(ctx, http.ServerContextKey, server)
	l.answer = func(c *conn) { d.serve(context.WithoutCancel(ctx), c) }
	go func() { _ = server.Serve(d.over) }() // it ends with the server, and says no more
	go l.watch(ctx, inFlight)
}

// serve answers on a connection until it ends or is handed over.
func (d *direct) serve(ctx context.Context, c *conn) {
	ctx = d.server.ConnContext(context.WithValue(ctx, http.LocalAddrContextKey, c.LocalAddr()), c)
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	c.direct = true
	d.leaving(c, leave)
	rest, age := d.answers.Serve(ctx, directConn{c})
	d.leaving(c, nil)
	c.direct = false
	if rest != nil {
		// net/http takes this for the connection's first request, and for a new one.
		c.first = first{stage: begun, late: -age}
		c.wire.held = rest
		if d.over.take(c) {
			return
		}
	}
	_ = c.Close() // the client may have been the first
	d.remove(c)
}

// leaving sets what ends the context of a connection's requests.
func (l *listener) leaving(c *conn, leave context.CancelFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.leave = leave
}

// directConn is a conn as http1 sees it.
type directConn struct{ *conn }

// Idle implements http1.Conn.
func (c directConn) Idle(now time.Time) { c.idleSince(now) }

// SetReadDeadline implements net.Conn. There are no deadlines of net/http to bend.
func (c directConn) SetReadDeadline(t time.Time) error { return c.bound(t) }

// watch ends the contexts of requests whose clients have left, until ctx ends. net/http
// would read one byte ahead during each request to see it at once, which costs as much as
// a prediction; those that take longer than a moment are worth a look.
func (l *listener) watch(ctx context.Context, inFlight func() int64) {
	tick := time.NewTicker(watched)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if inFlight() > 0 {
			l.look()
		}
	}
}

// look looks once.
func (l *listener) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		if c.leave != nil && c.phase.Load() == busy && left(c.wire.Conn) {
			c.leave()
		}
	}
}

// cutDirect closes the connections that are answered directly.
func (l *listener) cutDirect() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		if c.leave != nil {
			c.leave()
			_ = c.Close() // what is lost by it has been counted
		}
	}
}

// handover is a listener whose connections are handed over to net/http. It closes when
// net/http ends.
type handover struct {
	of     *listener
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// take hands a connection over, and says whether there is still somebody to take it.
func (h *handover) take(c net.Conn) bool {
	select {
	case h.conns <- c:
		return true
	case <-h.closed:
		return false
	}
}

// Accept implements net.Listener.
func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handover) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// Addr implements net.Listener.
func (h *handover) Addr() net.Addr { return h.of.Addr() }
