package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"rollproof/loadtest/attack"
	"rollproof/loadtest/observe"
	"rollproof/loadtest/timeline"
	"rollproof/loadtest/verdict"
)

// RawDir is the folder under the run's that keeps Vegeta's results and what is
// known of each loss, a file of each a lane.
const RawDir = "raw"

// ErrCouldNotRun marks an error that kept the run from starting.
var ErrCouldNotRun = errors.New("could not run")

// Console is told what a person at the terminal wants to see. Its methods may
// be called at the same time.
type Console interface {
	Phase(name string)
	Wait(why string)          // the phase waits for this
	CommandLine(line string)  // a line of the upgrade command's output
	Progress(status Progress) // called often; shows what it likes
}

// Warner is a Console that is told of warnings at the run's start; the report has
// them in any case.
type Warner interface{ Warn(why string) }

// Progress is the state of a run under way.
type Progress struct {
	Lanes []LaneProgress
	State *timeline.State // nil without a cluster
}

// LaneProgress is the state of one lane.
type LaneProgress struct {
	Name string
	Count
}

// Count is how many requests there were.
type Count struct {
	Requests, Lost, Masked uint64
}

// All returns the lanes' counts together.
func (p Progress) All() Count {
	var all Count
	for _, l := range p.Lanes {
		all.Requests += l.Requests
		all.Lost += l.Lost
		all.Masked += l.Masked
	}
	return all
}

// Result is all that a run saw.
type Result struct {
	Input       verdict.Input
	CommandTail []string // the command's last lines
}

// session is a run under way.
type session struct {
	cfg      Config
	console  Console
	observer *observe.Observer // nil without a cluster
	versions *attack.Versions
	heart    *heart
	meter    meter
	stages   stages
	control  *control // nil before the load
	run      verdict.Run

	endLanes   context.CancelFunc
	background sync.WaitGroup

	mu    sync.Mutex
	lanes []*attack.Lane
	errs  []string
}

// newSession prepares the folder and, where there is a cluster, the observer.
// close must be called at its end.
func newSession(ctx context.Context, cfg Config, console Console) (*session, error) {
	if err := os.MkdirAll(filepath.Join(cfg.Out, RawDir), 0o755); err != nil {
		return nil, fmt.Errorf("--out: %w", err)
	}
	if by := forwarded(cfg.URL); by != "" {
		cfg.Warnings = append(slices.Clone(cfg.Warnings), fmt.Sprintf(
			"%s is forwarded to one pod (%s): what the Service does with the others is not seen, and the forward ends with its pod; use a NodePort, a LoadBalancer or an Ingress", cfg.URL, by))
	}
	if c, ok := console.(Warner); ok {
		for _, w := range cfg.Warnings {
			c.Warn(w)
		}
	}
	s := &session{cfg: cfg, console: console, versions: attack.NewVersions(), heart: newHeart()}
	if cfg.Cluster != nil {
		var err error
		// A context of its own: an interrupted run still looks until its lanes end.
		s.observer, err = cfg.Cluster.Start(context.WithoutCancel(ctx), cfg.Client, cfg.Namespace)
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// begin starts the clock, the heartbeat, the progress and the lanes that run
// throughout. It returns the context of the lanes, which an interruption does
// not end by itself: stopLoad does.
func (s *session) begin(ctx context.Context) (context.Context, error) {
	lanes, end := context.WithCancel(context.WithoutCancel(ctx))
	s.endLanes = end
	s.run.Start = time.Now()
	s.background.Go(func() { s.heart.beat(lanes) })
	s.background.Go(func() { s.progress(lanes) })
	s.background.Go(func() { s.meter.watch(lanes) })
	var err error
	if s.control, err = startControl(s.cfg.Out, s.cfg.Timeout.D(), s.run.Start, s.stages.at); err != nil {
		return nil, err
	}
	s.background.Go(func() { s.keep(s.control.run(lanes)) })
	for _, cfg := range s.cfg.lanes() {
		if err := s.startLane(lanes, cfg); err != nil {
			return nil, err
		}
	}
	return lanes, nil
}

// startLane starts one lane, which sends until ctx ends.
func (s *session) startLane(ctx context.Context, cfg attack.Config) error {
	file, err := os.Create(filepath.Join(s.cfg.Out, RawDir, cfg.Name+".gob"))
	if err != nil {
		return fmt.Errorf("lane %s: %w", cfg.Name, err)
	}
	losses, err := os.Create(filepath.Join(s.cfg.Out, RawDir, lossFile(cfg.Name)))
	if err != nil {
		return errors.Join(fmt.Errorf("lane %s: %w", cfg.Name, err), file.Close())
	}
	cfg.Losses, cfg.Stage = losses, s.stages.at
	lane, err := attack.NewLane(cfg, s.cfg.Service, s.versions, s.run.Start, file)
	if err != nil {
		return errors.Join(err, file.Close(), losses.Close())
	}
	s.mu.Lock()
	s.lanes = append(s.lanes, lane)
	s.mu.Unlock()
	s.background.Go(func() {
		err := lane.Run(ctx)
		if closeErr := errors.Join(file.Close(), losses.Close()); closeErr != nil {
			err = errors.Join(err, fmt.Errorf("lane %s: raw results: %w", cfg.Name, closeErr))
		}
		s.keep(err)
	})
	return nil
}

// keep remembers an error of keeping results, if it is one.
func (s *session) keep(err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, err.Error())
}

// started returns the lanes so far.
func (s *session) started() []*attack.Lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*attack.Lane{}, s.lanes...)
}

// finish stops all that runs, waits for the answers under way, and returns what
// was seen.
func (s *session) finish(interrupted bool) *Result {
	s.run.Interrupted = interrupted
	if s.endLanes != nil {
		s.stopLoad()
		s.background.Wait()
	} else {
		s.run.Start = time.Now()
		s.run.End = s.run.Start
	}
	r := &Result{Input: verdict.Input{Objectives: s.cfg.Objectives}}
	for _, l := range s.started() {
		r.Input.Lanes = append(r.Input.Lanes, l.Tally())
	}
	if s.observer != nil {
		r.Input.Timeline = s.observer.Timeline()
	}
	s.run.Lags = s.heart.seen()
	s.run.Sampler = s.meter.sampler()
	s.run.Sampler.LagP99, s.run.Sampler.LagMax = s.heart.late()
	if s.control != nil {
		s.run.Control = s.control.seen()
	}
	s.run.Warnings = slices.Clone(s.cfg.Warnings)
	if w := onePod(r.Input.Lanes, r.Input.Timeline, s.run.Start, s.run.End); w != "" {
		s.run.Warnings = append(s.run.Warnings, w)
	}
	s.run.Errors = append([]string{}, s.errs...)
	s.run.Stages = s.stages.list()
	r.Input.Run = aligned(s.run.Start, s.run)
	r.Input.Timeline = aligned(s.run.Start, r.Input.Timeline)
	return r
}

// stopLoad ends the sending, once; the answers under way are not waited for.
func (s *session) stopLoad() {
	if s.run.End.IsZero() {
		s.phase("stopping")
		s.run.End = time.Now()
		s.endLanes()
	}
}

// close ends the observer.
func (s *session) close() {
	if s.observer != nil {
		s.observer.Stop()
	}
}

// enter begins a phase in which requests are due.
func (s *session) enter(name string) {
	s.stages.enter(name, time.Now())
	s.phase(name)
}

// phase tells the console and the timeline of a new phase.
func (s *session) phase(name string) {
	s.console.Phase(name)
	if s.observer != nil {
		s.observer.Note("phase", name)
	}
}

// progress tells the console how it stands, until ctx ends.
func (s *session) progress(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var p Progress
		for _, l := range s.started() {
			requests, lost, masked := l.Counts()
			p.Lanes = append(p.Lanes, LaneProgress{l.Name(), Count{requests, lost, masked}})
		}
		if s.observer != nil {
			state := s.observer.State()
			p.State = &state
		}
		s.console.Progress(p)
	}
}

// sleep waits for d, and tells whether it was not interrupted.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// pollEvery bounds how late a condition that no watch announces is noticed.
const pollEvery = 200 * time.Millisecond

// until waits until cond holds, and tells whether it did before the time-out,
// and the interruption.
func (s *session) until(ctx context.Context, timeout time.Duration, cond func(timeline.State) bool) bool {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		changed := s.observer.Changed()
		if cond(s.observer.State()) {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-deadline.C:
			return false
		case <-changed:
		case <-poll.C:
		}
	}
}

// answered tells whether every one of the pods has given a right answer. Where
// answers do not name their pods nobody can tell, and nobody is waited for.
func (s *session) answered(pods []string) bool {
	lanes := s.started()
	if !slices.ContainsFunc(lanes, (*attack.Lane).NamesPods) {
		return true
	}
	for _, pod := range pods {
		found := false
		for _, l := range lanes {
			found = found || l.Answered(pod)
		}
		if !found {
			return false
		}
	}
	return true
}

// answeredAs tells whether a right answer of the version has come.
func (s *session) answeredAs(version string) bool {
	return slices.ContainsFunc(s.started(), func(l *attack.Lane) bool { return l.Tally().Versions()[version] > 0 })
}
