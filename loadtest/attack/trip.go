package attack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"rollproof/loadtest/cases"
	"rollproof/loadtest/tally"
)

// trip is what the round tripper saw of one request. Vegeta's result does not
// carry it: a transport error leaves neither headers nor status there.
type trip struct {
	batch    *cases.Batch
	allowed  []string // versions that might answer when it was sent
	status   int
	pod      string
	version  string
	attempts int
	err      error // the first error, of the round trip or of reading the body

	first    try // what is known of the first connection when there was a second
	last     try // and of the last
	progress progress
	dialed   atomic.Pointer[string] // the address that was last dialed for it
}

// trace returns the hooks by which the transport tells of the request's way.
func (tr *trip) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { tr.progress.reach(stepConnect) },
		ConnectStart: func(_, addr string) {
			tr.dialed.Store(&addr)
		},
		TLSHandshakeStart: func() { tr.progress.reach(stepHandshake) },
		// The transport calls GotConn from within RoundTrip, never after it.
		GotConn: func(info httptrace.GotConnInfo) {
			tr.attempts++
			if tr.attempts > 1 {
				tr.last.end(tr.progress.phase())
			}
			if tr.attempts == 2 {
				tr.first = tr.last
			}
			tr.last = newTry(info)
			tr.progress.restart()
		},
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err == nil {
				tr.progress.reach(stepWait)
			}
		},
		GotFirstResponseByte: func() { tr.progress.reach(stepAnswer) },
	}
}

// remote returns the address that the request went to, or was to go to.
func (tr *trip) remote() string {
	if tr.last.conn != nil {
		return tr.last.conn.remote
	}
	if addr := tr.dialed.Load(); addr != nil {
		return *addr
	}
	return ""
}

// traced is the round tripper around a lane's transport. It gives each request
// its body, counts the connections that it took, and keeps what it saw until
// the lane asks for it by the request's number.
type traced struct {
	base     http.RoundTripper
	batches  []*cases.Batch
	versions *Versions
	backoff  time.Duration // after an error, so that a closed loop does not spin on a refused port

	inFlight atomic.Int64
	peak     atomic.Int64

	mu    sync.Mutex
	trips map[uint64]*trip
}

// errNoDeadline is a fault of this package: its client has a time-out, and
// net/http gives every request of such a client a deadline.
var errNoDeadline = errors.New("a request without a deadline")

// RoundTrip implements http.RoundTripper.
func (t *traced) RoundTrip(req *http.Request) (*http.Response, error) {
	seq, err := strconv.ParseUint(req.Header.Get("X-Vegeta-Seq"), 10, 64)
	if err != nil {
		return nil, err
	}
	now := t.inFlight.Add(1) // until take: a worker is busy for that long
	for peak := t.peak.Load(); now > peak && !t.peak.CompareAndSwap(peak, now); peak = t.peak.Load() {
	}

	// Chosen by number and not by Vegeta's targeter, which does not know it: so
	// the answer is held against the very rows that this request carried.
	tr := &trip{batch: t.batches[seq%uint64(len(t.batches))], allowed: t.versions.snapshot()}
	t.mu.Lock()
	t.trips[seq] = tr
	t.mu.Unlock()

	sent := req.WithContext(httptrace.WithClientTrace(req.Context(), tr.trace()))
	sent.Body = io.NopCloser(bytes.NewReader(tr.batch.Body))
	// As an ordinary client's: with it the transport may send again what it is
	// sure was not written, which is counted as a masked retry.
	sent.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(tr.batch.Body)), nil }
	sent.ContentLength = int64(len(tr.batch.Body))

	deadline, ok := req.Context().Deadline()
	if !ok {
		return nil, errNoDeadline
	}
	resp, err := t.base.RoundTrip(sent)
	tr.last.end(tr.progress.phase())
	if err != nil {
		tr.err = timedOut(deadline, err)
		if t.backoff > 0 {
			select {
			case <-time.After(t.backoff):
			case <-req.Context().Done():
			}
		}
		return nil, err
	}
	tr.status = resp.StatusCode
	tr.pod = resp.Header.Get(PodHeader)
	tr.version = resp.Header.Get(VersionHeader)
	if tr.last.conn != nil {
		tr.last.conn.answered(tr.pod)
	}
	resp.Body = &watchedBody{ReadCloser: resp.Body, failed: func(err error) {
		if tr.err == nil {
			tr.err = timedOut(deadline, err)
		}
	}}
	return resp, nil
}

// take returns and forgets what was seen of a request; nil if it never got here.
func (t *traced) take(seq uint64) *trip {
	t.mu.Lock()
	defer t.mu.Unlock()
	tr := t.trips[seq]
	if tr == nil {
		return nil
	}
	t.inFlight.Add(-1)
	delete(t.trips, seq)
	return tr
}

// timedOut marks an error that has no name and came after the request's
// deadline: the client only says "request canceled" of it.
func timedOut(deadline time.Time, err error) error {
	if !time.Now().Before(deadline) && classify(err) == tally.Other {
		return fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	}
	return err
}

// watchedBody tells of the error that reading the body ended with.
type watchedBody struct {
	io.ReadCloser
	failed func(error)
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		b.failed(err)
	}
	return n, err
}

// heldConn holds back the last byte of each write for a while, so that a
// request is under way on the connection for that long. The transport's write
// buffer is larger than any request of a held lane: one write is one request.
type heldConn struct {
	net.Conn
	hold time.Duration
}

// Write implements net.Conn.
func (c *heldConn) Write(p []byte) (int, error) {
	if len(p) < 2 {
		return c.Conn.Write(p)
	}
	n, err := c.Conn.Write(p[:len(p)-1])
	if err != nil {
		return n, err
	}
	time.Sleep(c.hold)
	m, err := c.Conn.Write(p[len(p)-1:])
	return n + m, err
}
