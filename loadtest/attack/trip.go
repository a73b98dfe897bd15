package attack

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"rollproof/loadtest/cases"
)

// trip is what the round tripper saw of one request. Vegeta's result does not
// carry it: a transport error leaves neither headers nor status there.
type trip struct {
	batch    *cases.Batch
	allowed  []string       // versions that might answer when it was sent
	resp     *http.Response // nil without an answer; its trailers come with the body's end
	status   int
	pod      string
	version  string
	hooks    httptrace.ClientTrace
	http2    bool
	tls      bool
	attempts int
	err      error // the first error, of the round trip or of reading the body

	first    try // what is known of the first connection when there was a second
	last     try // and of the last
	progress progress
	dialed   atomic.Pointer[string] // the address that was last dialed for it
}

// trace returns the hooks by which the transport tells of the request's way.
func (tr *trip) trace() *httptrace.ClientTrace {
	t := &tr.hooks
	*t = httptrace.ClientTrace{
		GetConn: func(string) { tr.progress.reach(stepConnect) },
		ConnectStart: func(_, addr string) {
			tr.dialed.Store(&addr)
		},
		// The transport calls GotConn from within RoundTrip, never after it.
		GotConn: func(info httptrace.GotConnInfo) {
			// Over HTTP/2 a connection can turn out to be closing before anything is
			// sent on it: that is found out without a loss to any client.
			if !tr.http2 || tr.attempts == 0 || tr.progress.begun() {
				tr.attempts++
			}
			if tr.last.phase != "" {
				tr.last.end(tr.progress.phase())
			}
			if tr.attempts == 2 && tr.first.phase == "" {
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
	if tr.tls {
		t.TLSHandshakeStart = func() { tr.progress.reach(stepHandshake) }
	}
	if tr.http2 {
		t.WroteHeaders = func() { tr.progress.reach(stepHeaders) }
	}
	return t
}

// remote returns the address that the request went to, or was to go to.
func (tr *trip) remote() string {
	if tr.last.conn != nil {
		return tr.last.conn.RemoteAddr().String()
	}
	if addr := tr.dialed.Load(); addr != nil {
		return *addr
	}
	return ""
}

// sender is what a lane's requests go through: its transport.
type sender interface {
	// send sends a request; the function that it returns must be called once the
	// answer has been read.
	send(req *http.Request, seq uint64) (*http.Response, func(), error)
}

// traced is the round tripper around a lane's transport. It gives each request
// its body, counts the connections that it took, and keeps what it saw until
// the lane asks for it by the request's number.
type traced struct {
	base     sender
	batches  []*cases.Batch
	versions *Versions
	pod      string // the header that names the pod
	version  string // and the version
	http2    bool
	timeout  time.Duration // for a whole request, its answer's body included
	hold     time.Duration // of a body's last byte, over HTTP/2
	backoff  time.Duration // after an error, so that a closed loop does not spin on a refused port

	inFlight atomic.Int64
	peak     atomic.Int64

	mu    sync.Mutex
	trips map[uint64]*trip
}

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
	tr := &trip{
		batch: t.batches[seq%uint64(len(t.batches))], allowed: t.versions.snapshot(),
		http2: t.http2, tls: req.URL.Scheme == "https",
	}
	t.mu.Lock()
	t.trips[seq] = tr
	t.mu.Unlock()

	// Here and not by the client's time-out, which starts a goroutine and a timer for
	// each request of a round tripper that net/http does not know.
	ctx, cancel := context.WithTimeout(req.Context(), t.timeout)
	resp, done, err := t.base.send(t.prepared(ctx, req, tr), seq)
	tr.last.end(tr.progress.phase())
	if err != nil {
		defer cancel()
		tr.err = err
		if t.backoff > 0 {
			select {
			case <-time.After(t.backoff):
			case <-ctx.Done():
			}
		}
		return nil, err
	}
	tr.resp, tr.status = resp, resp.StatusCode
	tr.pod = resp.Header.Get(t.pod)
	tr.version = resp.Header.Get(t.version)
	if tr.last.conn != nil {
		tr.last.conn.answered(tr.pod)
	}
	resp.Body = &watchedBody{ReadCloser: resp.Body, trip: tr, done: done, cancel: cancel}
	return resp, nil
}

// prepared returns the request with its body and its trace, bound to ctx.
func (t *traced) prepared(ctx context.Context, req *http.Request, tr *trip) *http.Request {
	sent := req.WithContext(httptrace.WithClientTrace(ctx, tr.trace()))
	content, hold := tr.batch.Body, t.hold
	open := func() io.ReadCloser {
		if hold > 0 {
			return &body{rest: content, hold: hold}
		}
		// A reader that the transport knows: it writes header and body at once, and of
		// any other it would send the header by itself.
		return io.NopCloser(bytes.NewReader(content))
	}
	sent.Body = open()
	// As an ordinary client's: with it the transport may send again what it is
	// sure was not written, which is counted as a masked retry.
	sent.GetBody = func() (io.ReadCloser, error) { return open(), nil }
	sent.ContentLength = int64(len(content))
	return sent
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

// watchedBody keeps the error that reading the body ended with.
type watchedBody struct {
	io.ReadCloser
	trip   *trip
	done   func()
	cancel context.CancelFunc
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF && b.trip.err == nil {
		b.trip.err = err
	}
	return n, err
}

// Close implements io.Closer.
func (b *watchedBody) Close() error {
	err := b.ReadCloser.Close()
	b.done()
	b.cancel()
	return err
}
