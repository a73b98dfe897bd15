package lifecycle

import (
	"context"
	"net"
	"net/http"
)

// connKey is the key of a request's conn among its context's values.
type connKey struct{}

// withConn is an http.Server's ConnContext: that before, and the conn among the values.
func withConn(before func(context.Context, net.Conn) context.Context) func(context.Context, net.Conn) context.Context {
	return func(ctx context.Context, c net.Conn) context.Context {
		if before != nil {
			ctx = before(ctx, c)
		}
		return context.WithValue(ctx, connKey{}, tracked(c))
	}
}

// Wrap counts requests in flight and puts Connection: close on the answer that is to be
// the last of its connection: when a limit of the connection is reached and, from
// Draining on, on every answer, also on those whose request came before. A busy client
// then opens its next connection elsewhere, and no request can meet a connection that is
// being closed: http.Server.Shutdown drops, unanswered, a request that arrives on a
// reused connection after it began (https://github.com/golang/go/issues/75591).
func (d *Drainer) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.inFlight.Add(1)
		defer d.inFlight.Add(-1)
		c, _ := r.Context().Value(connKey{}).(*conn)
		if c == nil { // not served by Run
			c = &conn{}
		}
		c.begin()
		c.requests++
		// One request at a time is answered on a connection: its writer is used again.
		closing := &c.writer
		*closing = closingWriter{ResponseWriter: w, drainer: d, conn: c}
		if c.limit.beyond {
			d.Limits.full(closing, r)
		} else {
			next.ServeHTTP(closing, r)
		}
		if !closing.written {
			closing.WriteHeader(http.StatusOK)
		}
		*closing = closingWriter{} // an idle connection is not to hold its last request
	})
}

// closingWriter looks at the state as late as possible: when the header is written.
type closingWriter struct {
	http.ResponseWriter
	drainer *Drainer
	conn    *conn
	written bool
}

func (w *closingWriter) WriteHeader(status int) {
	if !w.written {
		w.written = status >= 200 // 1xx answers are followed by the real one
		if why := w.last(); why != Other {
			w.conn.why = why
			w.Header().Set("Connection", "close")
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// last says why the answer is to be the last of its connection, Other if it is not.
func (w *closingWriter) last() Reason {
	if s := w.drainer.State(); s == Draining || (s == Stopping && w.drainer.Drain) {
		return Drain
	}
	return w.conn.limit.reached(w.conn.requests)
}

func (w *closingWriter) Write(b []byte) (int, error) {
	if !w.written {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

// FlushError is what http.ResponseController flushes by: without it, it would find the
// writer beneath, and a header that is flushed would lack what belongs into it.
func (w *closingWriter) FlushError() error {
	if !w.written {
		w.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap lets http.ResponseController find the writer beneath.
func (w *closingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
