package attack

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"rollproof/loadtest/cases"
)

// Protocol is how requests go over a connection.
type Protocol string

// The protocols. HTTP/2 is agreed on by ALPN where the URL is https, and
// otherwise taken as known beforehand (h2c). gRPC goes over it.
const (
	HTTP1 Protocol = "http1"
	HTTP2 Protocol = "http2"
)

// spread is how many connections an open-loop lane keeps over HTTP/2, where an
// ordinary client has one: a Service balances connections, so that one alone
// would meet one pod.
const spread = 16

// transport is what sends a lane's requests: one transport, or over HTTP/2 as
// many as the lane keeps connections, since each puts all its requests on one.
type transport struct {
	all  []*http.Transport
	free chan *http.Transport   // closed loop: each carries one request at a time
	once func() *http.Transport // new connections over HTTP/2: one for each request
}

// newTransport returns the transport of one lane, whose longest request has that
// many bytes. It uses no proxy: a probe must reach what it names.
func newTransport(cfg Config, longest int) *transport {
	dialer := &net.Dialer{Timeout: cfg.Timeout, KeepAlive: 30 * time.Second}
	if !cfg.KeepAlive {
		dialer.KeepAlive = -1 // a connection of one request needs none, and is cheaper without
	}
	dial := tracking(dialer.DialContext)
	if cfg.Protocol != HTTP2 {
		return &transport{all: []*http.Transport{newHTTP1(cfg, dial, longest)}}
	}
	// A transport whose connections are used once lets its requests take each
	// other's, and dials more than there are requests.
	if !cfg.KeepAlive {
		return &transport{once: func() *http.Transport { return newHTTP2(cfg, dial) }}
	}
	n := spread
	if cfg.ClosedLoop {
		n = cfg.Workers
	}
	t := &transport{}
	for range n {
		t.all = append(t.all, newHTTP2(cfg, dial))
	}
	if cfg.ClosedLoop {
		t.free = make(chan *http.Transport, n)
		for _, one := range t.all {
			t.free <- one
		}
	}
	return t
}

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// The buffers of a connection: a request in one write, as far as that is worth it.
// A lane of new connections makes them for each request.
const (
	leastBuffer = 4 << 10
	mostBuffer  = 64 << 10
)

// longestOf returns the bytes of the longest of a lane's requests, its header included.
func longestOf(url string, header http.Header, batches []*cases.Batch) int {
	size := 1<<10 + len(url) // with what Vegeta and the transport add
	for name, values := range header {
		for _, v := range values {
			size += len(name) + len(v) + 4
		}
	}
	body := 0
	for _, b := range batches {
		body = max(body, len(b.Body))
	}
	return size + body
}

func newHTTP1(cfg Config, dial dialFunc, longest int) *http.Transport {
	tr := &http.Transport{
		DialContext:         dial,
		TLSClientConfig:     cfg.TLS.Clone(),
		TLSHandshakeTimeout: cfg.Timeout,
		DisableKeepAlives:   !cfg.KeepAlive,
		DisableCompression:  true,
		MaxIdleConnsPerHost: cfg.Workers, // every connection is kept: none is closed for want of room
		IdleConnTimeout:     idleTimeout,
		WriteBufferSize:     min(max(longest, leastBuffer), mostBuffer),
		ReadBufferSize:      min(max(longest/4, leastBuffer), mostBuffer),
		Protocols:           protocols(func(p *http.Protocols) { p.SetHTTP1(true) }),
	}
	if cfg.ClosedLoop {
		tr.MaxConnsPerHost = cfg.Workers
	}
	if cfg.Hold > 0 {
		tr.WriteBufferSize = longest // see heldConn
		tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &heldConn{Conn: conn, hold: cfg.Hold, inHeader: trackedOf(conn).id%2 == 0}, nil
		}
	}
	return tr
}

func newHTTP2(cfg Config, dial dialFunc) *http.Transport {
	return &http.Transport{
		DialContext:         dial,
		TLSClientConfig:     cfg.TLS.Clone(),
		TLSHandshakeTimeout: cfg.Timeout,
		DisableKeepAlives:   !cfg.KeepAlive,
		DisableCompression:  true,
		IdleConnTimeout:     idleTimeout,
		Protocols: protocols(func(p *http.Protocols) {
			p.SetHTTP2(true)
			p.SetUnencryptedHTTP2(true)
		}),
	}
}

func protocols(set func(*http.Protocols)) *http.Protocols {
	p := &http.Protocols{}
	set(p)
	return p
}

// send sends one request. What it returns beside the answer gives the connection
// back, and must be called once the answer has been read.
func (t *transport) send(req *http.Request, seq uint64) (*http.Response, func(), error) {
	if t.once != nil {
		one := t.once()
		resp, err := one.RoundTrip(req)
		if err != nil {
			one.CloseIdleConnections()
		}
		return resp, one.CloseIdleConnections, err
	}
	if t.free == nil {
		resp, err := t.all[seq%uint64(len(t.all))].RoundTrip(req)
		return resp, func() {}, err
	}
	select {
	case one := <-t.free:
		give := sync.OnceFunc(func() { t.free <- one })
		resp, err := one.RoundTrip(req)
		if err != nil {
			give()
		}
		return resp, give, err
	case <-req.Context().Done():
		return nil, func() {}, req.Context().Err()
	}
}

// CloseIdleConnections closes the connections that carry nothing.
func (t *transport) CloseIdleConnections() {
	for _, one := range t.all {
		one.CloseIdleConnections()
	}
}

// heldConn sends each write in two parts, with a pause between them: a request is
// under way on the connection for that long. Every second connection waits in the
// middle of the header, the others before the last byte. A server that closes its
// kept connections loses the requests whose header it has not read to its end, and
// one that ends without waiting those that it has begun to answer: held at one of
// the two places only, the other loss would have to fall into the moment between an
// answer and the next request. The transport's write buffer is larger than any
// request of a held lane: one write is one request. Under TLS it is a record that is
// held, with the same effect.
type heldConn struct {
	net.Conn
	hold     time.Duration
	inHeader bool
}

// Write implements net.Conn.
func (c *heldConn) Write(p []byte) (int, error) {
	first := len(p) - 1
	if c.inHeader {
		first = headerPart(p)
	}
	if first < 1 {
		return c.Conn.Write(p)
	}
	n, err := c.Conn.Write(p[:first])
	if err != nil {
		return n, err
	}
	time.Sleep(c.hold)
	m, err := c.Conn.Write(p[first:])
	return n + m, err
}

// headerPart returns a place in the middle of a request's header: after its first
// line, or halfway where there are no lines, as under TLS.
func headerPart(p []byte) int {
	if i := bytes.Index(p, []byte("\r\n")); i >= 0 {
		return i + len("\r\n")
	}
	return len(p) / 2
}

// body is a request's body. Over HTTP/2 a held lane holds its last byte back
// here, and not in the connection's writes: the stream is open for that long,
// and the connection's other frames go on.
type body struct {
	rest []byte
	hold time.Duration
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	switch {
	case len(b.rest) == 0:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	end := len(b.rest)
	if b.hold > 0 {
		if end > 1 {
			end--
		} else {
			time.Sleep(b.hold)
		}
	}
	n := copy(p, b.rest[:end])
	b.rest = b.rest[n:]
	return n, nil
}

// Close implements io.Closer.
func (b *body) Close() error { return nil }
