package lifecycle

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// The network of this file is in memory, so that its time can be synctest's. It does
// what a kernel does, as far as the end of a server can tell: bytes take their time, wait
// unread, and can be looked at; connections wait to be accepted and are reset when their
// listener closes; a connection that is closed with bytes unread, or that gets more of
// them, is reset, and what its peer has not read by then is lost.

// latency is how long anything takes from one end to the other. Schedules are in whole
// milliseconds, so nothing arrives in the very instant in which a server looks: whether
// it finds that would be chance.
const latency = 900 * time.Microsecond

// link is a connection: two ends under one lock.
type link struct {
	mu   sync.Mutex
	wake *sync.Cond
	ends [2]end
}

// end is one side of a link. It implements net.Conn.
type end struct {
	*link
	peer   *end
	on     *memoryListener
	queue  []arrival // what is on its way here
	buffer []byte    // what has arrived and was not read
	fin    bool      // the peer's end has arrived
	reset  bool
	closed bool
	// deadline of reading.
	deadline time.Time
	timer    *time.Timer
}

// arrival is a segment on its way.
type arrival struct {
	at   time.Time
	data []byte
	fin  bool
	rst  bool
}

func newLink(on *memoryListener) (client, server *end) {
	l := &link{}
	l.wake = sync.NewCond(&l.mu)
	for i := range l.ends {
		l.ends[i] = end{link: l, peer: &l.ends[1-i], on: on}
	}
	return &l.ends[0], &l.ends[1]
}

// send puts a segment on its way to the end; the lock is held.
func (e *end) send(a arrival) {
	a.at = time.Now().Add(latency)
	e.queue = append(e.queue, a)
	time.AfterFunc(latency, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.deliver()
	})
}

// deliver takes what has arrived by now, in order; the lock is held.
func (e *end) deliver() {
	for len(e.queue) > 0 && !e.queue[0].at.After(time.Now()) {
		a := e.queue[0]
		e.queue = e.queue[1:]
		switch {
		case a.rst:
			e.reset, e.buffer = true, nil
		case e.closed && len(a.data) > 0:
			e.peer.send(arrival{rst: true})
		case a.fin:
			e.fin = true
		default:
			e.buffer = append(e.buffer, a.data...)
		}
	}
	e.wake.Broadcast()
}

// Read implements net.Conn. Like the net package's it asks for the deadline first.
func (e *end) Read(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		switch {
		case e.closed:
			return 0, net.ErrClosed
		case !e.deadline.IsZero() && !time.Now().Before(e.deadline):
			return 0, os.ErrDeadlineExceeded
		case len(e.buffer) > 0:
			return e.take(b), nil
		case e.reset:
			return 0, syscall.ECONNRESET
		case e.fin:
			return 0, io.EOF
		}
		e.wake.Wait()
	}
}

func (e *end) take(b []byte) int {
	n := copy(b, e.buffer)
	e.buffer = e.buffer[n:]
	return n
}

// Look implements looker.
func (e *end) Look(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return 0, net.ErrClosed
	}
	return e.take(b), nil
}

// Write implements net.Conn; it never waits.
func (e *end) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return 0, net.ErrClosed
	case e.reset:
		return 0, syscall.EPIPE
	}
	e.peer.send(arrival{data: append([]byte(nil), b...)})
	return len(b), nil
}

// Close implements net.Conn.
func (e *end) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return net.ErrClosed
	}
	e.closed = true
	e.peer.send(arrival{fin: true, rst: len(e.buffer) > 0})
	e.wake.Broadcast()
	if e == &e.ends[1] {
		e.on.tell("the server closes the connection")
	}
	return nil
}

// gone says whether the peer's end, or a reset, has arrived.
func (e *end) gone() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.reset || e.fin
}

// SetReadDeadline implements net.Conn.
func (e *end) SetReadDeadline(t time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return net.ErrClosed
	}
	e.deadline = t
	if e.timer != nil {
		e.timer.Stop()
		e.timer = nil
	}
	if !t.IsZero() {
		e.timer = time.AfterFunc(time.Until(t), func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.wake.Broadcast()
		})
	}
	e.wake.Broadcast()
	return nil
}

// SetWriteDeadline implements net.Conn.
func (e *end) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline implements net.Conn.
func (e *end) SetDeadline(t time.Time) error { return e.SetReadDeadline(t) }

// LocalAddr implements net.Conn.
func (e *end) LocalAddr() net.Addr { return e.on.Addr() }

// RemoteAddr implements net.Conn.
func (e *end) RemoteAddr() net.Addr { return e.on.Addr() }

// memoryListener is a listener and its kernel.
type memoryListener struct {
	mu       sync.Mutex
	wake     *sync.Cond
	waiting  []*end
	closed   bool
	deadline time.Time
	// tell is told of what the server closes.
	tell func(what string)
}

func newMemoryListener() *memoryListener {
	l := &memoryListener{tell: func(string) {}}
	l.wake = sync.NewCond(&l.mu)
	return l
}

// Dial connects. A client's connection stands a round trip after it was asked for; the
// server can accept it when the client's word of that has come, too.
func (l *memoryListener) Dial() (*end, error) {
	time.Sleep(latency)
	l.mu.Lock()
	refused := l.closed
	l.mu.Unlock()
	time.Sleep(latency)
	if refused {
		return nil, syscall.ECONNREFUSED
	}
	client, server := newLink(l)
	time.AfterFunc(latency, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.closed {
			server.refuse()
			return
		}
		l.waiting = append(l.waiting, server)
		l.wake.Broadcast()
	})
	return client, nil
}

// refuse resets a connection that nobody will accept.
func (e *end) refuse() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	e.peer.send(arrival{rst: true})
}

// Accept implements net.Listener. Like the net package's it asks for the deadline first.
func (l *memoryListener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.closed:
			return nil, net.ErrClosed
		case !l.deadline.IsZero() && !time.Now().Before(l.deadline):
			return nil, os.ErrDeadlineExceeded
		case len(l.waiting) > 0:
			c := l.waiting[0]
			l.waiting = l.waiting[1:]
			return c, nil
		}
		l.wake.Wait()
	}
}

// Waiting implements queue.
func (l *memoryListener) Waiting() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting) > 0
}

// SetDeadline implements deadliner.
func (l *memoryListener) SetDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deadline = t
	l.wake.Broadcast()
	if !t.IsZero() {
		time.AfterFunc(time.Until(t), func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.wake.Broadcast()
		})
	}
	return nil
}

// Close implements net.Listener.
func (l *memoryListener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return net.ErrClosed
	}
	l.closed = true
	for _, c := range l.waiting {
		c.refuse()
	}
	l.waiting = nil
	l.wake.Broadcast()
	l.tell("the server stops listening")
	return nil
}

// Addr implements net.Listener.
func (l *memoryListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 8080} }
