package verdict

import (
	"slices"
	"strings"
	"time"

	"rollproof/loadtest/tally"
	"rollproof/loadtest/timeline"
)

// StepLane is the name of the lane that makes the autoscaler act. It runs for a
// part of the upgrade only. Where one is not enough for the machine, more of its
// rate join it, whose names begin with it: step-2 and so on.
const StepLane = "step"

// IsStep tells whether a lane of that name is StepLane or joined it.
func IsStep(lane string) bool {
	return lane == StepLane || strings.HasPrefix(lane, StepLane+"-")
}

// slowPrefix begins the names of the lanes whose requests the server makes long.
const slowPrefix = "slow-"

// The slow lanes' names.
const (
	SlowNew    = slowPrefix + "new"
	SlowReused = slowPrefix + "reused"
)

// IsSlow tells whether a lane of that name is one of slow requests, which has a
// rate of its own.
func IsSlow(lane string) bool { return strings.HasPrefix(lane, slowPrefix) }

func (j *judgement) command() {
	switch {
	case j.Run.CommandStart.IsZero():
		j.lack("the command was not started")
	case j.Run.Interrupted && j.Run.CommandEnd.After(j.Run.End):
		// It was still under way when the load stopped: we ended it.
	case j.Run.CommandError != "":
		j.fail("the command failed after %s: %s", secs(j.Run.CommandEnd.Sub(j.Run.CommandStart)), j.Run.CommandError)
	}
}

func (j *judgement) rollout() {
	if j.Run.CommandStart.IsZero() {
		return
	}
	versions := map[string]uint64{}
	for _, l := range j.Lanes {
		for v, n := range l.Versions() {
			versions[v] += n
		}
	}
	// A service whose answers tell no version has neither.
	if j.Run.From != "" && versions[j.Run.From] == 0 {
		j.lack("version %s never answered", j.Run.From)
	}
	if j.Run.To != "" && versions[j.Run.To] == 0 {
		j.lack("version %s never answered: the version did not change", j.Run.To)
	}
	if j.Timeline == nil || j.Run.CommandError != "" {
		return
	}
	switch {
	case j.Run.NewTemplate == "" || j.Run.NewTemplate == j.Run.OldTemplate:
		j.lack("the command changed no pod template: nothing was rolled out")
	case j.Run.RolledOut.IsZero() && !j.Run.Interrupted:
		j.incomplete(j.Run.End.Sub(j.Run.CommandStart))
	}
	if !j.Run.RolledOut.IsZero() {
		if !j.oldServed() {
			j.lack("no old pod answered between the command's start and the rollout's end: the load did not meet the change")
		}
		took := j.Run.RolledOut.Sub(j.Run.CommandStart)
		if limit := j.Objectives.Rollout.D(); limit > 0 && took > limit {
			j.fail("the rollout took %s; the objective allows %s", secs(took), secs(limit))
		}
	}
}

// incomplete judges a rollout that was not complete when the load ended. Where only
// old pods were still ending, nothing is known to be wrong: their end was not seen.
func (j *judgement) incomplete(after time.Duration) {
	if limit := j.Objectives.Rollout.D(); limit > 0 && after > limit {
		j.fail("the rollout was not complete after %s; the objective allows %s", secs(after), secs(limit))
		return
	}
	if j.onlyEnding() {
		j.lack("the load ended before the old pods did, %s after the command's start: %s", secs(after), j.left())
		return
	}
	j.fail("the rollout was not complete %s after the command's start: %s", secs(after), j.left())
}

// onlyEnding tells whether all that the rollout still waited for was the end of old
// pods that had been told to end.
func (j *judgement) onlyEnding() bool {
	ready, ending := int32(0), 0
	for _, p := range j.Timeline.Pods {
		switch {
		case !p.Gone.IsZero():
		case p.Template == j.Run.NewTemplate && p.Terminating.IsZero():
			if p.ReadyNow {
				ready++
			}
		case p.Terminating.IsZero():
			return false
		default:
			ending++
		}
	}
	want := int32(1)
	if n := len(j.Timeline.Scales); n > 0 {
		want = max(want, j.Timeline.Scales[n-1].Spec)
	}
	return ending > 0 && ready >= want
}

// left says which old pods are still there.
func (j *judgement) left() string {
	var names []string
	for _, p := range j.Timeline.Pods {
		if p.Template == j.Run.OldTemplate && p.Gone.IsZero() {
			names = append(names, p.Name)
		}
	}
	if len(names) == 0 {
		return "the new pods are not all ready"
	}
	return "still there: " + strings.Join(names, ", ")
}

// oldServed tells whether an old pod answered after the command's start. Where
// answers do not name their pods, it is one that came before any new pod was ready.
func (j *judgement) oldServed() bool {
	pods := tally.Pods(j.Lanes)
	if len(pods) == 0 {
		return j.answeredBetween(j.Run.CommandStart, j.firstNew())
	}
	for _, p := range j.Timeline.Pods {
		if p.Template != j.Run.OldTemplate {
			continue
		}
		if t := pods[p.Name]; t != nil && !t.Last.Before(j.Run.CommandStart) {
			return true
		}
	}
	return false
}

// firstNew returns when the first pod of the new template was ready, or when the
// rollout ended if none was seen to be.
func (j *judgement) firstNew() time.Time {
	first := j.Run.RolledOut
	for _, p := range j.Timeline.Pods {
		if p.Template == j.Run.NewTemplate && !p.Ready.IsZero() && p.Ready.Before(first) {
			first = p.Ready
		}
	}
	return first
}

// answeredBetween tells whether a right answer came between two times.
func (j *judgement) answeredBetween(from, to time.Time) bool {
	return slices.ContainsFunc(j.Lanes, func(l *tally.Lane) bool {
		return l.Answered.Between(from.Sub(l.Origin), to.Sub(l.Origin))
	})
}

func (j *judgement) scaling() {
	if j.Timeline == nil || j.Run.CommandStart.IsZero() {
		return
	}
	j.silentPods()
	if !j.Objectives.Scaling || j.Run.CommandError != "" {
		return
	}
	// Up to the step's end: what comes later is not the step's doing.
	raised := j.Timeline.Raised(j.Run.CommandStart)
	if raised.IsZero() {
		j.lack("the autoscaler did not raise the replicas above its minimum: scaling under load was not seen")
		return
	}
	if j.Run.Settled.IsZero() && !j.Run.Interrupted {
		last := timeline.Scale{}
		if n := len(j.Timeline.Scales); n > 0 {
			last = j.Timeline.Scales[n-1]
		}
		j.fail("the replicas did not come back to the minimum of %d in %s after the load fell: %d asked for, %d ready",
			last.Min, secs(j.Run.End.Sub(j.Run.StepEnd)), last.Spec, last.Ready)
	}
}

// silentPods fails pods that were ready for long enough and never answered.
func (j *judgement) silentPods() {
	answered := tally.Pods(j.Lanes)
	if !slices.ContainsFunc(j.Lanes, func(l *tally.Lane) bool { return l.OK > 0 }) {
		return // nobody answered: that is said elsewhere
	}
	if len(answered) == 0 {
		return // answers do not name their pods
	}
	for _, p := range j.Timeline.Pods {
		ready := p.ReadyFor(j.Run.Start, j.Run.End)
		if ready < podGrace {
			continue
		}
		if t := answered[p.Name]; t == nil || t.Requests == t.Lost {
			j.fail("pod %s was ready for %s and gave no right answer", p.Name, secs(ready))
		}
	}
}
