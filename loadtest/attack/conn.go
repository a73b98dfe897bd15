package attack

import (
	"context"
	"net"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"rollproof/loadtest/tally"
)

// tracked is a connection that knows its number in the lane, how much was
// written to it, and which pod last answered on it: when it breaks, that pod is
// the one that held it, since a Service balances connections and not requests.
type tracked struct {
	net.Conn
	id      uint64
	written atomic.Int64
	failed  atomic.Bool // a write did: what was to go out did not all
	lastPod atomic.Pointer[string]
}

// Write implements net.Conn.
func (c *tracked) Write(p []byte) (int, error) {
	// Before the write: an answer may be here before this goroutine goes on.
	c.written.Add(int64(len(p)))
	n, err := c.Conn.Write(p)
	if err != nil {
		c.written.Add(int64(n - len(p)))
		c.failed.Store(true)
	}
	return n, err
}

// answered remembers who answered on the connection.
func (c *tracked) answered(pod string) {
	if pod != "" {
		c.lastPod.Store(&pod)
	}
}

// last returns the pod that last answered on the connection; empty if none did.
func (c *tracked) last() string {
	if pod := c.lastPod.Load(); pod != nil {
		return *pod
	}
	return ""
}

// tracking makes dial return tracked connections, numbered from 1.
func tracking(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	var dialed atomic.Uint64
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &tracked{Conn: conn, id: dialed.Add(1)}, nil
	}
}

// trackedOf finds the tracked connection under what the transport made of it;
// nil if there is none.
func trackedOf(conn net.Conn) *tracked {
	for {
		switch c := conn.(type) {
		case *tracked:
			return c
		case *heldConn:
			conn = c.Conn
		case interface{ NetConn() net.Conn }: // TLS
			conn = c.NetConn()
		default:
			return nil
		}
	}
}

// try is a request's use of one connection.
type try struct {
	conn    *tracked // nil before there is one
	reused  bool
	idle    time.Duration
	lastPod string // before this request
	written int64  // at first what had been written before it, after end what was written for it
	phase   tally.Phase
}

// newTry is the use of the connection that the transport has just got.
func newTry(info httptrace.GotConnInfo) try {
	t := try{conn: trackedOf(info.Conn), reused: info.Reused, idle: info.IdleTime, phase: tally.Write}
	if t.conn != nil {
		t.lastPod, t.written = t.conn.last(), t.conn.written.Load()
	}
	return t
}

// end closes the use: what the connection carries from here on is another
// request's. On a connection that several requests share at once the bytes of
// all of them are counted.
func (t *try) end(phase tally.Phase) {
	t.phase = phase
	if t.conn == nil {
		return
	}
	t.written = t.conn.written.Load() - t.written
	// The transport calls a request written when it is in its buffer.
	if phase == tally.Wait && (t.written == 0 || t.conn.failed.Load()) {
		t.phase = tally.Write
	}
}

// progress is how far a request has come on its present connection. The
// transport tells of it from several goroutines, and of a dial that was given
// up even after the request has ended.
type progress struct{ step atomic.Int32 }

// steps are the phases in the order in which a request comes through them.
var steps = [...]tally.Phase{"", tally.Connect, tally.Handshake, tally.Write, tally.Write, tally.Wait, tally.Answer}

const (
	stepConnect = iota + 1
	stepHandshake
	stepWrite
	stepHeaders
	stepWait
	stepAnswer
)

// reach moves on to a step, never back.
func (p *progress) reach(step int32) {
	for now := p.step.Load(); now < step && !p.step.CompareAndSwap(now, step); now = p.step.Load() {
	}
}

// restart puts it at the beginning of a request on a new-found connection.
func (p *progress) restart() { p.step.Store(stepWrite) }

// begun tells whether a part of the request was sent on the connection.
func (p *progress) begun() bool { return p.step.Load() >= stepHeaders }

// phase returns how far it is.
func (p *progress) phase() tally.Phase { return steps[p.step.Load()] }
