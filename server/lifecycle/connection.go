package lifecycle

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// http.Server.Shutdown loses requests. From the moment it is called net/http drops,
// unanswered, every request whose header it has not yet finished reading, on reused
// and on new connections alike (conn.serve returns if shuttingDown after readRequest).
// On a busy or throttled machine requests wait unread in the kernel for a tenth of a
// second and more. So the end is made here instead: each connection is closed by the
// goroutine that reads it, after one last look at what the kernel holds for it.

// The phases of a connection.
const (
	// busy: a part of a request has been read, or it is being answered.
	busy int32 = iota
	// waiting: nothing has been read of what comes next, be it a request or, before
	// the first, TLS's handshake.
	waiting
	// retired: was waiting when it was told to end; what has arrived is still read.
	retired
	// ended: was retired, and nothing had arrived.
	ended
)

// conn is a connection that ends, once retired, where it would wait for a request.
type conn struct {
	// Conn is what requests are read from: the wire, or TLS over it.
	net.Conn
	wire  wire
	of    *listener
	phase atomic.Int32
	// since is when the connection was accepted or last answered, on the listener's
	// clock.
	since atomic.Int64
	// deadline is the server's own for reading, in Unix nanoseconds; 0 is none.
	deadline atomic.Int64
	// mu makes one of becoming retired and what interrupts a Read for it.
	mu sync.Mutex
	// ahead: the first byte of the next request was read before this one was answered.
	ahead bool
	// leave ends the context of the connection's requests while it is answered directly;
	// the listener's lock guards it.
	leave context.CancelFunc

	// What follows belongs to the goroutine that serves the connection.
	requests int // answered, and being answered
	direct   bool
	limit    limit
	first    first
	why      Reason
	writer   closingWriter
}

// idle says that the connection waits for what comes next.
func (c *conn) idle() { c.idleSince(time.Now()) }

// idleSince is idle when the time is known.
func (c *conn) idleSince(now time.Time) {
	c.since.Store(int64(now.Sub(c.of.start)))
	if c.ahead {
		c.ahead = false // it does not wait: it has a part already
		return
	}
	c.phase.Store(waiting)
}

// begin says that a request has begun: from here on, until it is answered, the
// connection is not retired.
func (c *conn) begin() {
	switch c.phase.Load() {
	case busy:
	case waiting:
		if c.phase.CompareAndSwap(waiting, busy) {
			return
		}
		fallthrough // retired meanwhile
	default:
		c.revive()
	}
}

// revive takes a retirement back: what comes next had begun to arrive.
func (c *conn) revive() {
	c.uninterrupt()
	c.phase.Store(busy)
}

// retire interrupts a Read that waits for a request. One that began before the phase
// changed is woken by the deadline, a later one sees the phase. A Read that has just
// got something takes the deadline back, and must not do so before it is set: it would
// end the request, or cancel its context, that it has just begun.
func (c *conn) retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase.CompareAndSwap(waiting, retired) {
		_ = c.Conn.SetReadDeadline(time.Unix(1, 0)) // fails only if it is closed already
	}
}

// uninterrupt sets the server's own deadline again, after retire has set its one.
func (c *conn) uninterrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	var t time.Time
	if own := c.deadline.Load(); own != 0 {
		t = time.Unix(0, own)
	}
	_ = c.Conn.SetReadDeadline(t) // fails only if it is closed already
}

// SetReadDeadline implements net.Conn. It is net/http's, but for the first request.
func (c *conn) SetReadDeadline(t time.Time) error {
	return c.bound(c.first.deadline(t, c.of.idle))
}

// bound sets the deadline for reading and remembers it.
func (c *conn) bound(t time.Time) error {
	var own int64
	if !t.IsZero() {
		own = t.UnixNano()
	}
	c.deadline.Store(own)
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// CloseWrite tells the client that nothing follows, where that can be told; net/http
// does so before it closes a connection whose request it has not read to its end.
func (c *conn) CloseWrite() error { return closeWrite(c.Conn) }

// Read reads. A retired connection that waits for a request gives what has arrived, and
// that request is still answered; if nothing has, it gives io.EOF and the server ends it.
func (c *conn) Read(b []byte) (int, error) { return c.read(c.Conn, b) }

// read is Read from TLS or, before its handshake, from the wire.
func (c *conn) read(from io.Reader, b []byte) (int, error) {
	switch c.phase.Load() {
	case ended:
		return 0, io.EOF
	case retired:
		return c.last(from, b)
	}
	n, err := from.Read(b)
	if c.phase.Load() == busy {
		// net/http reads one byte, and only one, while a request is answered, to see
		// its client go (connReader.backgroundRead).
		c.ahead = !c.direct && n == 1 && len(b) == 1
		return n, err
	}
	switch {
	case n > 0:
		c.begin()
		if t, ok := c.first.arrived(); ok {
			return n, errors.Join(err, c.bound(t))
		}
	case errors.Is(err, os.ErrDeadlineExceeded):
		if c.phase.Load() == retired {
			return c.last(from, b)
		}
		c.why = Idle
	}
	return n, err
}

// last reads what has arrived, without waiting.
func (c *conn) last(from io.Reader, b []byte) (int, error) {
	c.uninterrupt()
	c.wire.looking = true
	n, _ := from.Read(b) // an error is as good as nothing: the client is gone
	c.wire.looking = false
	if n == 0 {
		c.phase.Store(ended)
		c.why = Drain
		return 0, io.EOF
	}
	c.phase.Store(busy)
	if t, ok := c.first.arrived(); ok {
		return n, c.bound(t)
	}
	return n, nil
}
