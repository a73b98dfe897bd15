// Package attack sends the lanes of a run with Vegeta and turns its results
// into samples: with the time at which each request was due, the retries that
// the transport hid, and every answer checked. What the samples amount to is
// package tally's, what is good enough package verdict's.
package attack

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"rollproof/loadtest/cases"
	"rollproof/loadtest/tally"
)

// Headers by which Rollproof's server says who answered; over gRPC they are metadata.
const (
	PodHeader     = "X-Rollproof-Pod"
	VersionHeader = "X-Rollproof-Version"
)

// Config describes one lane.
type Config struct {
	Name       string
	URL        string // the service's path is added
	Rate       float64
	KeepAlive  bool          // false: a new connection for each request
	Workers    int           // most requests under way at once
	Hold       time.Duration // for which a request is kept under way, in its header or before its last byte; closed loop only
	Timeout    time.Duration // for a whole request
	BatchRows  int           // rows a request
	Batches    int           // different bodies to rotate through
	ClosedLoop bool          // every worker sends again as soon as it is answered; Rate is ignored
	Protocol   Protocol      // HTTP1 if empty
	TLS        *tls.Config   // for https; nil: the system's authorities
	Header     http.Header   // sent besides the service's own
	// PodHeader and VersionHeader are those of answers that say who gave them;
	// empty: Rollproof's own.
	PodHeader, VersionHeader string
	// Stage names the run's phase at a time; nil: there are none.
	Stage func(time.Time) string
	// Losses gets each loss and each masked retry as a line of JSON, for the
	// explanations; nil: they are only counted.
	Losses io.Writer
}

// Check refuses what cannot be sent.
func (c Config) Check() error {
	switch {
	case !c.ClosedLoop && !(c.Rate > 0 && c.Rate <= 1e6):
		return fmt.Errorf("lane %s: rate %v: want more than 0 and at most 1,000,000 a second", c.Name, c.Rate)
	case c.Workers < 1:
		return fmt.Errorf("lane %s: %d workers: want 1 or more", c.Name, c.Workers)
	case c.Timeout <= 0:
		return fmt.Errorf("lane %s: timeout %v: want more than 0", c.Name, c.Timeout)
	case c.Protocol != "" && c.Protocol != HTTP1 && c.Protocol != HTTP2:
		return fmt.Errorf("lane %s: protocol %q: want %s or %s", c.Name, c.Protocol, HTTP1, HTTP2)
	case c.Hold < 0 || (c.Hold > 0 && !c.ClosedLoop):
		return fmt.Errorf("lane %s: hold %v: only a closed loop holds, and not less than 0", c.Name, c.Hold)
	}
	return nil
}

// firstWorkers is how many workers an open-loop lane starts with; Vegeta adds
// more, up to Config.Workers, when all are busy.
const firstWorkers = 16

// maxRequest bounds the write buffer of a held lane, which must hold a whole
// request (see heldConn).
const maxRequest = 2 << 20

// idleTimeout ends connections that the lane does not need, before a server's
// own idle time-out can close one just as it is used again: that race is no
// upgrade's doing.
const idleTimeout = 10 * time.Second

// maxBody bounds what is read of an answer, so that a mad server cannot fill
// the memory.
const maxBody = 16 << 20

// Lane is one lane, sending or done. Make it with NewLane, then call Run once.
type Lane struct {
	cfg       Config
	service   cases.Service
	request   cases.Request
	versions  *Versions
	clock     clock
	pacer     *pacer
	traced    *traced
	client    *http.Client
	transport *transport
	attacker  *vegeta.Attacker
	checker   *cases.Checker
	raw       io.Writer
	done      chan struct{}

	mu    sync.Mutex
	tally *tally.Lane
}

// NewLane prepares a lane: its bodies are encoded here, before the clock runs.
// origin is the run's start. A service over gRPC is sent over HTTP/2, whatever
// cfg says. Vegeta's results go to raw in Vegeta's own encoding.
func NewLane(cfg Config, service cases.Service, versions *Versions, origin time.Time, raw io.Writer) (*Lane, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	request := service.Request()
	if request.GRPC {
		cfg.Protocol = HTTP2
	}
	batches, err := service.Batches(cfg.BatchRows, cfg.Batches)
	if err != nil {
		return nil, fmt.Errorf("lane %s: %w", cfg.Name, err)
	}
	rate := cfg.Rate
	if cfg.ClosedLoop {
		rate = 0
	}
	l := &Lane{
		cfg: cfg, service: service, request: request, versions: versions, raw: raw,
		clock:   clock{origin},
		pacer:   &pacer{perSecond: rate, clock: clock{origin}},
		checker: cases.NewChecker(service),
		done:    make(chan struct{}),
		tally:   tally.NewLane(cfg.Name, origin.Round(0), !cfg.ClosedLoop, rate),
	}
	l.tally.MaxWorkers = cfg.Workers
	if cfg.ClosedLoop {
		l.tally.MaxWorkers = 0 // all workers are always busy: no sign of trouble
	}
	longest := longestOf(cfg.address(request), cfg.header(request), batches)
	if cfg.Hold > 0 && longest > maxRequest {
		return nil, fmt.Errorf("lane %s: a request of %d bytes cannot be held: want at most %d", cfg.Name, longest, maxRequest)
	}
	l.transport = newTransport(cfg, longest)
	l.traced = newTraced(cfg, l.transport, batches, versions)
	// The client comes last: Vegeta's transport options want a bare
	// *http.Transport, and there is none of them after it.
	l.client = &http.Client{Transport: l.traced}
	first := min(cfg.Workers, firstWorkers)
	if cfg.ClosedLoop {
		first = cfg.Workers
	}
	l.attacker = vegeta.NewAttacker(
		vegeta.Client(l.client),
		vegeta.Redirects(vegeta.NoFollow),
		vegeta.Workers(uint64(first)),
		vegeta.MaxWorkers(uint64(cfg.Workers)),
		vegeta.MaxBody(maxBody),
	)
	return l, nil
}

// Run sends until ctx ends or Stop is called, waits for the answers under way
// (at most the lane's time-out), and returns the first error of keeping the raw
// results. Losses are not errors.
func (l *Lane) Run(ctx context.Context) error {
	defer close(l.done)
	defer l.transport.CloseIdleConnections()
	stop := context.AfterFunc(ctx, l.Stop)
	defer stop()

	buffered := bufio.NewWriterSize(l.raw, 256<<10)
	encode := vegeta.NewEncoder(buffered)
	losses := bufio.NewWriter(io.Discard)
	if l.cfg.Losses != nil {
		losses.Reset(l.cfg.Losses)
	}
	keepLoss := tally.WriteLosses(losses)
	target := l.targeter()
	results := l.attacker.Attack(target, l.pacer, 0, l.cfg.Name)
	// Only the first error of each is kept, and the lane goes on, so that the
	// verdict is still had.
	var rawErr, lossErr error
	for r := range results {
		s := l.collect(r)
		if rawErr == nil {
			rawErr = encode(r)
		}
		if s.Troubled() && lossErr == nil {
			lossErr = keepLoss(s.Loss())
		}
	}
	l.end(l.clock.at(time.Now()))
	if rawErr == nil {
		rawErr = buffered.Flush()
	}
	if lossErr == nil {
		lossErr = losses.Flush()
	}
	var errs []error
	if rawErr != nil {
		errs = append(errs, fmt.Errorf("lane %s: raw results: %w", l.cfg.Name, rawErr))
	}
	if lossErr != nil {
		errs = append(errs, fmt.Errorf("lane %s: losses: %w", l.cfg.Name, lossErr))
	}
	return errors.Join(errs...)
}

// targeter gives Vegeta the method, address and headers; the body is chosen by
// the round tripper, which knows the request's number.
func (l *Lane) targeter() vegeta.Targeter {
	url, header := l.cfg.address(l.request), l.cfg.header(l.request)
	return func(t *vegeta.Target) error {
		t.Method, t.URL, t.Header = l.request.Method, url, header
		return nil
	}
}

// address returns where requests go.
func (c Config) address(r cases.Request) string { return strings.TrimSuffix(c.URL, "/") + r.Path }

// header returns what each request carries: the service's header, and over it the lane's.
func (c Config) header(r cases.Request) http.Header {
	h := r.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	for name, values := range c.Header {
		h[name] = values
	}
	return h
}

// newTraced returns the round tripper of a lane.
func newTraced(cfg Config, base sender, batches []*cases.Batch, versions *Versions) *traced {
	t := &traced{
		base: base, batches: batches, versions: versions, http2: cfg.Protocol == HTTP2,
		pod: cmp.Or(cfg.PodHeader, PodHeader), version: cmp.Or(cfg.VersionHeader, VersionHeader),
		timeout: cfg.Timeout, backoff: cfg.Hold, trips: map[uint64]*trip{},
	}
	if t.http2 {
		t.hold = cfg.Hold
	}
	return t
}

// Stop ends the sending at once. Requests under way are still waited for by Run.
func (l *Lane) Stop() {
	l.mu.Lock()
	if !l.pacer.stopped.Swap(true) {
		l.tally.Ended = l.clock.at(time.Now())
	}
	l.mu.Unlock()
	l.attacker.Stop()
}

// Done is closed when Run has returned.
func (l *Lane) Done() <-chan struct{} { return l.done }

// Name returns the lane's name.
func (l *Lane) Name() string { return l.cfg.Name }

// begin fixes the lane's start as soon as it is known; l.mu is held.
func (l *Lane) begin() {
	if began := l.pacer.began.Load(); began != nil {
		l.tally.Began = *began
	}
}

// end fixes the lane's end and what was due by then and not sent.
func (l *Lane) end(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begin()
	if l.tally.Ended.IsZero() {
		l.tally.Ended = now
	}
	l.tally.Dropped = l.pacer.dropped(l.tally.Ended, l.tally.Requests)
}

// Tally returns a copy of what was counted so far.
func (l *Lane) Tally() *tally.Lane {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begin()
	c := l.tally.Clone()
	if c.Ended.IsZero() {
		c.Ended = l.clock.at(time.Now())
	}
	return c
}

// Counts returns the requests, losses and masked retries so far: cheap, for a
// progress line.
func (l *Lane) Counts() (requests, lost, masked uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tally.Requests, l.tally.LostTotal(), l.tally.Masked
}

// NamesPods tells whether an answer on this lane has named its pod.
func (l *Lane) NamesPods() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.tally.Pods) > 0
}

// Answered tells whether pod has given a right answer on this lane.
func (l *Lane) Answered(pod string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.tally.Pods[pod]
	return p != nil && p.Requests > p.Lost
}

// collect judges one result, counts it, and makes it fit for the raw file: what
// is a loss has an error there too, and a right answer's body is left out.
func (l *Lane) collect(r *vegeta.Result) tally.Sample {
	s := l.sample(r)
	if s.Class == tally.OK {
		r.Body = nil
	} else if r.Error == "" || r.Code == http.StatusOK {
		r.Error = string(s.Class) + ": " + s.Detail
	}
	if s.Class == tally.OK {
		// Kept results must tell who answered, wherever the answer said so.
		keepHeader(r, PodHeader, s.Pod)
		keepHeader(r, VersionHeader, s.Version)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begin()
	l.tally.Add(s)
	// A worker can begin its next request before its last result got here.
	l.tally.PeakInFlight = min(int(l.traced.peak.Load()), l.cfg.Workers)
	return s
}

// keepHeader puts a header into a result that lacks it.
func keepHeader(r *vegeta.Result, name, value string) {
	if value == "" || r.Headers.Get(name) == value {
		return
	}
	if r.Headers == nil {
		r.Headers = http.Header{}
	}
	r.Headers.Set(name, value)
}

func (l *Lane) sample(r *vegeta.Result) tally.Sample {
	r.Timestamp = l.clock.at(r.Timestamp) // in the raw file, too
	s := tally.Sample{
		Lane: l.cfg.Name, Seq: r.Seq, Sent: r.Timestamp, Status: int(r.Code),
		Intended: l.pacer.intended(r.Seq, r.Timestamp), Rows: l.cfg.BatchRows,
	}
	if l.cfg.Stage != nil {
		s.Stage = l.cfg.Stage(s.Intended)
	}
	s.Latency = r.End().Sub(s.Intended)
	tr := l.traced.take(r.Seq)
	if tr == nil {
		s.Class, s.Detail = tally.Other, "not sent: "+r.Error
		return s
	}
	if r.BytesOut == 0 {
		r.BytesOut = uint64(len(tr.batch.Body))
	}
	s.Class, s.Detail = l.judge(r, tr)
	s.Pod, s.Version, s.Attempts, s.Status = tr.pod, tr.version, tr.attempts, tr.status
	if !s.Troubled() {
		s.Reused = tr.last.reused
		return s // nobody asks for the rest
	}
	s.Remote = tr.remote()
	use := tr.last
	if s.Class == tally.OK && s.Attempts > 1 {
		use = tr.first
	}
	s.Reused, s.Idle, s.Written, s.LastPod, s.Phase = use.reused, use.idle, uint64(max(use.written, 0)), use.lastPod, use.phase
	if use.conn == nil {
		s.Phase = tr.progress.phase() // it never got a connection
	} else {
		s.Conn, s.Local = use.conn.id, use.conn.LocalAddr().String()
	}
	if s.Class == tally.Reset && s.Written == 0 {
		s.Class = tally.ResetUnsent
	}
	return s
}

// judge returns what became of a request, with the reason if it was lost. It also
// takes the version and, over gRPC, the status from where an answer has them.
func (l *Lane) judge(r *vegeta.Result, tr *trip) (tally.Class, string) {
	switch {
	case tr.err != nil && tr.status != 0 && (classify(tr.err) == tally.EOF || streamReset(tr.err)):
		return tally.ShortBody, fmt.Sprintf("the answer ends after %d bytes: %v", len(r.Body), tr.err)
	case tr.err != nil:
		return classify(tr.err), tr.err.Error()
	case tr.status == 0:
		return tally.Other, r.Error
	case tr.status != http.StatusOK:
		return tally.WrongStatus, fmt.Sprintf("status %d: %.200s", tr.status, r.Body)
	case r.Code == 0:
		// Status and headers came, the rest did not, and no read said why.
		return tally.ShortBody, r.Error
	}
	if l.request.GRPC {
		if class, detail := tr.grpcEnd(); class != tally.OK {
			return class, detail
		}
	}
	version, err := l.checker.Check(tr.batch, tr.version, r.Body)
	tr.version = version
	if err != nil {
		return classifyAnswer(err), err.Error()
	}
	if atEnd := l.versions.snapshot(); l.service.TellsVersion() && !right(tr.version, tr.allowed, atEnd) {
		return tally.WrongVersion, fmt.Sprintf("version %s answered while only %s might", tr.version, strings.Join(atEnd, ", "))
	}
	return tally.OK, ""
}
