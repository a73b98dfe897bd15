package run

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"rollproof/loadtest/tally"
	"rollproof/loadtest/timeline"
	"rollproof/loadtest/verdict"
)

// Upgrade proves an upgrade: a steady load, the command under it, the rollout,
// the scaling, the way back and a tail. ctx ends a run early and in order; hard
// ends the command at once. An error that is ErrCouldNotRun means that the
// command was not started; an interruption is not an error.
func Upgrade(ctx, hard context.Context, cfg Config, console Console) (*Result, error) {
	if err := cfg.CheckUpgrade(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCouldNotRun, err)
	}
	s, err := newSession(ctx, cfg, console)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCouldNotRun, err)
	}
	defer s.close()
	u := &upgrade{session: s}
	s.run.Upgrade, s.run.From, s.run.To = true, cfg.FromVersion, cfg.ToVersion
	if cfg.Objectives.Scaling && s.observer.State().HPA == nil {
		return nil, fmt.Errorf("%w: no HorizontalPodAutoscaler scales %s, and the objectives want scaling seen", ErrCouldNotRun, cfg.Cluster)
	}
	_, err = s.preflight(ctx, u.deployed)
	switch {
	case errors.Is(err, context.Canceled):
		return s.finish(true), nil
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrCouldNotRun, err)
	}
	s.versions.Allow(cfg.FromVersion)
	s.run.OldTemplate = s.observer.State().Newest
	s.stages.enter(tally.StageSteady, time.Now()) // before the first request is due
	lanes, err := s.begin(ctx)
	if err != nil {
		s.finish(false)
		return nil, fmt.Errorf("%w: %w", ErrCouldNotRun, err)
	}
	s.phase(tally.StageSteady)
	if !sleep(ctx, cfg.Steady.D()) {
		return s.finish(true), nil
	}
	if err := u.start(ctx, hard, lanes); err != nil {
		s.run.CommandEnd, s.run.CommandError = time.Now(), err.Error()
		return s.finish(false), nil
	}
	u.follow(ctx)
	u.endStep()
	if ctx.Err() != nil {
		// The load ends now; the command has its grace.
		s.stopLoad()
	}
	u.awaitCommand()
	r := s.finish(ctx.Err() != nil)
	r.CommandTail = u.command.tail()
	return r, nil
}

// upgrade is a session whose command is or was under way.
type upgrade struct {
	*session
	command *command
	stop    context.CancelFunc // of the step lanes
	stepCtx context.Context    // theirs: a further one may start later
}

// deployed is nil when the Deployment is complete and its replicas are at the
// autoscaler's minimum, and otherwise says what is missing.
func (u *upgrade) deployed() error {
	s := u.observer.State()
	d := s.Deployment
	switch {
	case !d.Complete():
		return fmt.Errorf("%s is not complete: generation %d (observed %d), %d replicas of %d, %d updated, %d available",
			u.cfg.Cluster, d.Generation, d.Observed, d.Replicas, d.Spec, d.Updated, d.Available)
	case !s.AtMinimum() && s.HPA != nil:
		return fmt.Errorf("%s has %d pods, want the autoscaler's minimum of %d",
			u.cfg.Cluster, s.NewestPods.All+s.OtherPods.All, s.HPA.Min)
	case !s.AtMinimum():
		return fmt.Errorf("%s has %d pods, want %d",
			u.cfg.Cluster, s.NewestPods.All+s.OtherPods.All, d.Spec)
	}
	return nil
}

// start starts the command and, with it, the step, whose lane ends when lanes
// does or with endStep.
func (u *upgrade) start(ctx, hard, lanes context.Context) error {
	u.enter(tally.StageRollout)
	// Before the command: its first new pod must not be taken for a wrong one.
	u.versions.Allow(u.cfg.FromVersion, u.cfg.ToVersion)
	u.run.CommandStart = time.Now()
	var err error
	u.command, err = startCommand(ctx, hard, u.cfg.Command, u.cfg.Out, u.cfg.CommandGrace.D(), func(line string) {
		u.console.CommandLine(line)
		u.observer.CommandLine(line)
	})
	if err != nil {
		return err
	}
	u.observer.Note("command", "started")
	stepCtx, stop := context.WithCancel(lanes)
	u.stop = stop
	if u.cfg.StepRate > 0 {
		u.run.StepStart = time.Now()
		u.step(stepCtx, 1)
	}
	u.stepCtx = stepCtx
	return nil
}

// step starts the n-th step lane, from 1.
func (u *upgrade) step(ctx context.Context, n int) {
	u.keep(u.startLane(ctx, u.cfg.stepLane(n)))
}

// raise starts further step lanes until the autoscaler has acted or there are StepLanes
// of them: how much work a pod's CPU request is good for is the machine's own. Each lane
// is given StepRaise, the first from the rollout's end: before it the autoscaler counts
// pods that have no measure yet as idle. Another joins only when too little to act was
// measured: on a machine that is slow to tell, more load would only break it.
func (u *upgrade) raise(ctx context.Context) {
	for n := 2; n <= u.cfg.StepLanes && u.cfg.Objectives.Scaling; n++ {
		if !sleep(ctx, u.cfg.StepRaise.D()) {
			return
		}
		acted := func() bool { return !u.observer.Timeline().Raised(u.run.CommandStart).IsZero() }
		u.until(ctx, u.cfg.StepTimeout.D(), func(s timeline.State) bool {
			return acted() || s.HPA == nil || s.HPA.Short
		})
		if s := u.observer.State(); ctx.Err() != nil || acted() || s.HPA == nil || !s.HPA.Short {
			return
		}
		u.observer.Note("step", fmt.Sprintf("the autoscaler has not acted: raised to %d times %g/s", n, u.cfg.StepRate))
		u.step(ctx, n)
	}
}

// follow goes through the phases after the command's start, as far as they come.
func (u *upgrade) follow(ctx context.Context) {
	if !u.rolledOut(ctx) {
		// What failed is known; a tail still shows whether the old version serves.
		if ctx.Err() == nil {
			u.endStep()
			u.tail(ctx)
		}
		return
	}
	u.enter(tally.StageScaling)
	var raising sync.WaitGroup
	if u.cfg.StepRate > 0 {
		raising.Go(func() { u.raise(u.stepCtx) })
	}
	u.scaled(ctx)
	u.stop()
	raising.Wait()
	u.endStep()
	if ctx.Err() != nil {
		return
	}
	u.enter(tally.StageSettle)
	if u.until(ctx, u.cfg.SettleTimeout.D(), func(s timeline.State) bool { return s.AtMinimum() }) {
		u.run.Settled = time.Now()
	}
	u.tail(ctx)
}

// rolledOut waits until the command has ended, the new template is complete and
// the last old pod is gone.
func (u *upgrade) rolledOut(ctx context.Context) bool {
	select {
	case <-u.command.done:
	case <-ctx.Done():
		return false
	}
	u.commandEnded()
	if u.run.CommandError != "" {
		return false
	}
	old := u.run.OldTemplate
	changed := u.until(ctx, u.cfg.ChangeTimeout.D(), func(s timeline.State) bool { return s.Newest != old })
	u.run.NewTemplate = u.observer.State().Newest
	if !changed || !u.until(ctx, u.cfg.RolloutTimeout.D(), func(s timeline.State) bool { return s.RolledOut(old) }) {
		return false
	}
	// From here on an answer of the old version is a loss. Where the new one does not
	// answer at all, the version did not change: that is for the verdict to say, and
	// the old one's right answers are no losses.
	u.until(ctx, newVersionWithin, func(timeline.State) bool { return u.answeredAs(u.cfg.ToVersion) })
	if u.answeredAs(u.cfg.ToVersion) {
		u.versions.Allow(u.cfg.ToVersion)
	}
	s := u.observer.State()
	u.run.NewTemplate = s.Newest
	for _, p := range s.Pods {
		if p.Template != s.Newest && p.Gone.After(u.run.RolledOut) {
			u.run.RolledOut = p.Gone
		}
	}
	u.observer.Note("rollout", "complete: the last old pod is gone")
	return true
}

// newVersionWithin is how long after a rollout the new version may take to its first
// answer.
const newVersionWithin = 2 * time.Second

// scaled waits until the autoscaler has raised the replicas, all that it asked
// for are ready, and every pod that became ready has answered; bounded by the
// step's time-out.
func (u *upgrade) scaled(ctx context.Context) {
	since := u.run.CommandStart
	left := u.cfg.StepTimeout.D() - time.Since(u.run.StepStart)
	u.until(ctx, max(left, time.Second), func(s timeline.State) bool {
		raised := s.HPA == nil || !u.cfg.Objectives.Scaling || !u.observer.Timeline().Raised(since).IsZero()
		return raised && s.Deployment.Complete() && u.answered(s.ReadySince(since))
	})
}

// endStep ends the step lane, once, and waits for its answers under way.
func (u *upgrade) endStep() {
	if !u.run.StepEnd.IsZero() {
		return
	}
	u.run.StepEnd = time.Now()
	u.stop()
	u.observer.Note("step", "ended")
	for _, l := range u.started() {
		if verdict.IsStep(l.Name()) {
			<-l.Done()
		}
	}
}

// tail keeps the load on for a while after everything has happened.
func (u *upgrade) tail(ctx context.Context) {
	u.enter(tally.StageTail)
	sleep(ctx, u.cfg.Tail.D())
}

// awaitCommand waits for a command that an interruption left behind; its
// grace bounds the wait.
func (u *upgrade) awaitCommand() {
	<-u.command.done
	u.commandEnded()
}

// commandEnded takes the command's end, once.
func (u *upgrade) commandEnded() {
	if !u.run.CommandEnd.IsZero() {
		return
	}
	u.run.CommandEnd = time.Now()
	if err := u.command.err; err != nil {
		u.run.CommandError = err.Error()
	}
	u.observer.Note("command", fmt.Sprintf("ended: %v", u.command.cmd.ProcessState))
}
