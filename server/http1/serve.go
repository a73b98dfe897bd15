// Package http1 answers plain HTTP/1.1 requests on a connection: a small one with a
// length and a path that needs no decoding, one after the other. Most requests of those
// who predict are plain, and net/http spends more on each than a model does. What is not
// plain is not judged here: the connection is given back with the bytes that were read,
// for net/http to go on with. So there is no error of HTTP that this package answers,
// and nothing that it takes for a request which net/http would read otherwise.
//
// It does not accept, close or time connections; that is lifecycle's.
package http1

import (
	"bytes"
	"context"
	"log"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"time"
)

const (
	// firstBuffer is a connection's memory for requests, and maxRequest what it may
	// become: a larger request is not plain.
	firstBuffer = 4 << 10
	maxRequest  = 16 << 10
)

// Conn is a connection that requests come on.
type Conn interface {
	net.Conn
	// Idle is called after an answer when nothing of another request has been read, with
	// the time.
	Idle(now time.Time)
}

// Server answers plain requests. It must not be copied.
type Server struct {
	// Handler answers. It must not change its request's header, and must be done with
	// the request, all that hangs on it and the http.ResponseWriter when it returns:
	// they are used again. The context ends with the connection. What is written is
	// sent when the handler returns, all at once: there is no flushing and no hijacking,
	// and no information (1xx) or trailer is sent.
	Handler http.Handler
	// Patience is how long the rest of a request may take, more than 0. One that takes
	// longer is not plain: time-outs and what they say are net/http's. Many clients
	// send header and body apart.
	Patience time.Duration
	// IdleTimeout ends a connection on which nothing came for as long; it may come an
	// eighth later, since not every request sets a clock. 0 is never.
	IdleTimeout time.Duration
	// Log is told of handlers that panic.
	Log *log.Logger

	memories memories
}

// serving is a connection while it is served.
type serving struct {
	*Server
	conn     Conn
	requests requests
	response response
	// buffer[from:to] has been read and not been answered.
	buffer   []byte
	from, to int
	// deadline for reading that is set.
	deadline time.Time
	// now is when the connection became idle, if it has just done so.
	now time.Time
}

// Serve answers requests on the connection until it ends, which gives nil, or until a
// request is not plain: that gives what was read of it and of what follows, and how long
// ago it began; the connection is as it was but for those bytes. ctx is that of the
// requests.
func (s *Server) Serve(ctx context.Context, c Conn) (rest []byte, age time.Duration) {
	v := &serving{Server: s, conn: c, buffer: make([]byte, firstBuffer)}
	v.requests.of(ctx, c)
	v.response.header = http.Header{}
	for {
		size, found := v.requests.read(v.buffer[v.from:v.to])
		switch found {
		case whole:
			v.from += size
			if !v.answer() {
				return nil, 0
			}
			if v.from == v.to {
				v.from, v.to = 0, 0
				v.now = time.Now()
				c.Idle(v.now)
			}
		case partial:
			if err := v.read(); err == nil {
				continue
			}
			if v.from == v.to {
				return nil, 0 // nobody lost anything
			}
			return v.rest()
		case foreign:
			return v.rest()
		}
	}
}

// rest takes back the deadline and returns what was not answered, and how old it is.
func (v *serving) rest() (rest []byte, age time.Duration) {
	if !v.deadline.IsZero() {
		_ = v.conn.SetReadDeadline(time.Time{}) // a connection that is closed is found out next
	}
	if !v.requests.since.IsZero() {
		age = time.Since(v.requests.since)
	}
	return bytes.Clone(v.buffer[v.from:v.to]), age
}

// read waits for more bytes and reads them.
func (v *serving) read() error {
	if err := v.bound(); err != nil {
		return err
	}
	if v.from > 0 {
		v.to = copy(v.buffer, v.buffer[v.from:v.to])
		v.from = 0
	}
	if v.to == len(v.buffer) {
		// requests.read calls nothing larger than maxRequest partial.
		v.buffer = append(v.buffer, make([]byte, min(len(v.buffer), maxRequest-len(v.buffer)))...)
	}
	n, err := v.conn.Read(v.buffer[v.to:])
	v.to += n
	if n > 0 {
		return nil // what else there was will come again
	}
	return err
}

// bound sets the deadline for what is read next.
func (v *serving) bound() error {
	now := v.now
	if now.IsZero() {
		now = time.Now()
	}
	v.now = time.Time{}
	switch {
	case v.from < v.to && v.requests.since.IsZero():
		v.requests.since = now
		v.deadline = now.Add(v.Patience)
	case v.from < v.to:
		if now.Sub(v.requests.since) >= v.Patience {
			return os.ErrDeadlineExceeded
		}
		return nil
	case v.IdleTimeout <= 0:
		if v.deadline.IsZero() {
			return nil
		}
		v.deadline = time.Time{}
	case v.deadline.Sub(now) >= v.IdleTimeout:
		return nil
	default:
		v.deadline = now.Add(v.IdleTimeout + v.IdleTimeout/8)
	}
	return v.conn.SetReadDeadline(v.deadline)
}

// answer answers the request that was read. It says whether another may follow.
func (v *serving) answer() (more bool) {
	defer func() {
		if p := recover(); p != nil {
			more = false
			if p != http.ErrAbortHandler { //nolint:errorlint // it is the very value that net/http compares with, too
				v.Log.Printf("http: panic serving %s: %v\n%s", v.conn.RemoteAddr(), p, debug.Stack())
			}
		}
	}()
	m := v.memories.get()
	v.response.begin(m)
	v.Handler.ServeHTTP(&v.response, v.requests.request)
	more = v.response.send(v.conn)
	v.response.memory = nil
	v.memories.put(m)
	return more
}
