package lifecycle

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// What the kernel holds is asked for by two small interfaces, which connections and
// listeners of tests implement too. Those of the net package are asked by their
// descriptor.

// looker is a connection that gives what has arrived on it, without waiting: 0 and no
// error if nothing has.
type looker interface {
	Look(b []byte) (int, error)
}

// control calls f with the descriptor of a connection or listener of the net package; ok
// is false if it has none. Unlike reading it does not ask for the deadline first.
func control(of any, f func(fd int)) (ok bool, err error) {
	raw, ok := of.(syscall.Conn)
	if !ok {
		return false, nil
	}
	descriptor, err := raw.SyscallConn()
	if err != nil {
		return true, err
	}
	return true, descriptor.Control(func(fd uintptr) { f(int(fd)) })
}

// look reads what has arrived on a connection, without waiting and whatever its
// deadline.
func look(c net.Conn, b []byte) (int, error) {
	if l, ok := c.(looker); ok {
		return l.Look(b)
	}
	if len(b) == 0 {
		return 0, nil
	}
	n := 0
	var failed error
	_, err := control(c, func(fd int) {
		for {
			if n, failed = unix.Read(fd, b); !errors.Is(failed, unix.EINTR) {
				return
			}
		}
	})
	if errors.Is(failed, unix.EAGAIN) {
		failed = nil
	}
	return max(n, 0), errors.Join(err, failed)
}

// left says whether a connection's peer has ended it, as far as that can be told without
// reading: behind bytes that were not read it cannot.
func left(c net.Conn) bool {
	n := 0
	var failed error
	ok, err := control(c, func(fd int) {
		var one [1]byte
		n, _, failed = unix.Recvfrom(fd, one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	})
	switch {
	case !ok:
		return false
	case err != nil:
		return true // closed here
	case failed != nil:
		return !errors.Is(failed, unix.EAGAIN) && !errors.Is(failed, unix.EINTR)
	}
	return n == 0
}

// queue is a listener that says whether a connection waits to be accepted.
type queue interface{ Waiting() bool }

// queued says whether a connection waits to be accepted; false where that cannot be
// told. An Accept that timed out does not say it: its deadline may have passed before
// it looked.
func queued(l net.Listener) bool {
	if q, ok := l.(queue); ok {
		return q.Waiting()
	}
	n := 0
	_, err := control(l, func(fd int) {
		n, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0) // not told is not known
	})
	return err == nil && n > 0
}

// errNothing ends a look that found nothing.
var errNothing = errors.New("nothing has arrived")

// wire is the network of a connection. While it is looked at it does not wait, except
// for the rest of a TLS record that has begun to arrive.
type wire struct {
	net.Conn
	looking bool
	secure  bool
	record  record
	// held is what was read already.
	held []byte
}

// Read implements net.Conn.
func (w *wire) Read(b []byte) (n int, err error) {
	switch {
	case len(w.held) > 0:
		n = copy(b, w.held)
		if w.held = w.held[n:]; len(w.held) == 0 {
			w.held = nil // its memory is not needed as long as the connection
		}
	case w.looking:
		n, err = look(w.Conn, b)
		switch {
		case n > 0 || err != nil:
		case !w.record.open():
			return 0, errNothing
		default:
			n, err = w.Conn.Read(b)
		}
	default:
		n, err = w.Conn.Read(b)
	}
	if w.secure {
		w.record.pass(b[:n])
	}
	return n, err
}

// CloseWrite closes the half that is written to.
func (w *wire) CloseWrite() error { return closeWrite(w.Conn) }

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// record follows where in TLS's records a stream of bytes is: each has a header of five
// bytes, of which the last two are the length of what follows (RFC 8446, 5.1).
type record struct {
	header int // how many bytes of the header have passed
	length uint16
	left   int // how many bytes of what follows have not
}

// pass takes the next bytes of the stream.
func (r *record) pass(b []byte) {
	for len(b) > 0 {
		if r.left > 0 {
			n := min(r.left, len(b))
			r.left -= n
			b = b[n:]
			continue
		}
		r.length = r.length<<8 | uint16(b[0])
		r.header++
		b = b[1:]
		if r.header == 5 {
			*r = record{left: int(r.length)}
		}
	}
}

// open says whether a record has begun and not ended.
func (r *record) open() bool { return r.header > 0 || r.left > 0 }
