// Package attack sends the lanes of a run with Vegeta and turns its results
// into samples: with the time at which each request was due, the retries that
// the transport hid, and every answer checked. What the samples amount to is
// package tally's, what is good enough package verdict's.
package attack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"rollproof/loadtest/cases"
	"rollproof/loadtest/tally"
)

// Headers by which the server says who answered.
const (
	PodHeader     = "X-Rollproof-Pod"
	VersionHeader = "X-Rollproof-Version"
)

// Config describes one lane.
type Config struct {
	Name       string
	URL        string // without a path; the set's path is added
	Rate       float64
	KeepAlive  bool          // false: a new connection for each request
	Workers    int           // most requests under way at once
	Hold       time.Duration // of each request's last byte; closed loop only
	Timeout    time.Duration // for a whole request
	BatchRows  int           // rows a request
	Batches    int           // different bodies to rotate through
	ClosedLoop bool          // every worker sends again as soon as it is answered; Rate is ignored
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
const maxRequest = 1 << 20

// idleTimeout ends connections that the lane does not need, before a server's
// own idle time-out can close one just as it is used again: that race is no
// upgrade's doing.
const idleTimeout = 10 * time.Second

// maxBody bounds what is read of an answer, so that a mad server cannot fill
// the memory.
const maxBody = 16 << 20

// Lane is one lane, sending or done. Make it with NewLane, then call Run once.
type Lane struct {
	cfg      Config
	set      *cases.Set
	versions *Versions
	pacer    *pacer
	traced   *traced
	client   *http.Client
	attacker *vegeta.Attacker
	checker  *cases.Checker
	raw      io.Writer
	done     chan struct{}

	mu    sync.Mutex
	tally *tally.Lane
}

// NewLane prepares a lane: its bodies are encoded here, before the clock runs.
// origin is the run's start. Vegeta's results go to raw in Vegeta's own encoding.
func NewLane(cfg Config, set *cases.Set, versions *Versions, origin time.Time, raw io.Writer) (*Lane, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	batches, err := set.Batches(cfg.BatchRows, cfg.Batches)
	if err != nil {
		return nil, fmt.Errorf("lane %s: %w", cfg.Name, err)
	}
	rate := cfg.Rate
	if cfg.ClosedLoop {
		rate = 0
	}
	l := &Lane{
		cfg: cfg, set: set, versions: versions, raw: raw,
		pacer:   &pacer{perSecond: rate},
		checker: cases.NewChecker(set),
		done:    make(chan struct{}),
		tally:   tally.NewLane(cfg.Name, origin, !cfg.ClosedLoop, rate),
	}
	l.tally.MaxWorkers = cfg.Workers
	if cfg.ClosedLoop {
		l.tally.MaxWorkers = 0 // all workers are always busy: no sign of trouble
	}
	l.traced = &traced{
		base: newTransport(cfg), batches: batches, versions: versions,
		backoff: cfg.Hold, trips: map[uint64]*trip{},
	}
	// The client comes last: Vegeta's transport options want a bare
	// *http.Transport, and there is none of them after it.
	l.client = &http.Client{Transport: l.traced, Timeout: cfg.Timeout}
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

// newTransport returns the transport of one lane. It uses no proxy: a probe
// must reach what it names.
func newTransport(cfg Config) *http.Transport {
	dialer := &net.Dialer{Timeout: cfg.Timeout, KeepAlive: 30 * time.Second}
	dial := tracking(dialer.DialContext)
	tr := &http.Transport{
		DialContext:         dial,
		DisableKeepAlives:   !cfg.KeepAlive,
		DisableCompression:  true,
		MaxIdleConnsPerHost: cfg.Workers, // every connection is kept: none is closed for want of room
		IdleConnTimeout:     idleTimeout,
		WriteBufferSize:     64 << 10,
		ReadBufferSize:      16 << 10,
	}
	if cfg.ClosedLoop {
		tr.MaxConnsPerHost = cfg.Workers
	}
	if cfg.Hold > 0 {
		tr.WriteBufferSize = maxRequest
		tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &heldConn{Conn: conn, hold: cfg.Hold}, nil
		}
	}
	return tr
}

// Run sends until ctx ends or Stop is called, waits for the answers under way
// (at most the lane's time-out), and returns the first error of keeping the raw
// results. Losses are not errors.
func (l *Lane) Run(ctx context.Context) error {
	defer close(l.done)
	defer l.client.CloseIdleConnections()
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
	l.end(time.Now())
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
	url := strings.TrimSuffix(l.cfg.URL, "/") + l.set.Path()
	header := http.Header{"Content-Type": {"application/json"}}
	return func(t *vegeta.Target) error {
		t.Method, t.URL, t.Header = http.MethodPost, url, header
		return nil
	}
}

// Stop ends the sending at once. Requests under way are still waited for by Run.
func (l *Lane) Stop() {
	l.mu.Lock()
	if !l.pacer.stopped.Swap(true) {
		l.tally.Ended = time.Now()
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
		c.Ended = time.Now()
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
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begin()
	l.tally.Add(s)
	// A worker can begin its next request before its last result got here.
	l.tally.PeakInFlight = min(int(l.traced.peak.Load()), l.cfg.Workers)
	return s
}

func (l *Lane) sample(r *vegeta.Result) tally.Sample {
	s := tally.Sample{
		Lane: l.cfg.Name, Seq: r.Seq, Sent: r.Timestamp, Status: int(r.Code),
		Intended: l.pacer.intended(r.Seq, r.Timestamp), Rows: l.cfg.BatchRows,
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
	s.Pod, s.Version, s.Remote, s.Attempts, s.Status = tr.pod, tr.version, tr.remote(), tr.attempts, tr.status
	s.Class, s.Detail = l.judge(r, tr)
	use := tr.last
	if s.Class == tally.OK && s.Attempts > 1 {
		use = tr.first
	}
	s.Reused, s.Idle, s.Written, s.LastPod, s.Phase = use.reused, use.idle, uint64(max(use.written, 0)), use.lastPod, use.phase
	if use.conn == nil {
		s.Phase = tr.progress.phase() // it never got a connection
	} else {
		s.Conn, s.Local = use.conn.id, use.conn.local
	}
	return s
}

// judge returns what became of a request, with the reason if it was lost.
func (l *Lane) judge(r *vegeta.Result, tr *trip) (tally.Class, string) {
	switch {
	case tr.err != nil && tr.status != 0 && classify(tr.err) == tally.EOF:
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
	if err := l.checker.Check(tr.batch, tr.version, r.Body); err != nil {
		return classifyAnswer(err), err.Error()
	}
	if atEnd := l.versions.snapshot(); !right(tr.version, tr.allowed, atEnd) {
		return tally.WrongVersion, fmt.Sprintf("version %s answered while only %s might", tr.version, strings.Join(atEnd, ", "))
	}
	return tally.OK, ""
}
