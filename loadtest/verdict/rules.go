package verdict

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"rollproof/loadtest/tally"
)

// podGrace is how long a pod must have been ready for its silence to mean
// something: with fewer seconds it may just not have had its turn.
const podGrace = 3 * time.Second

type judgement struct {
	Input
	failed  []Reason
	lacking []Reason
}

func (j *judgement) fail(format string, args ...any) {
	j.failed = append(j.failed, Reason{Fail, fmt.Sprintf(format, args...)})
}

func (j *judgement) lack(format string, args ...any) {
	j.lacking = append(j.lacking, Reason{Inconclusive, fmt.Sprintf(format, args...)})
}

func (j *judgement) losses() {
	var lost, masked uint64
	classes := map[tally.Class]uint64{}
	for _, l := range j.Lanes {
		lost += l.LostTotal()
		masked += l.Masked
		for c, n := range l.Lost {
			classes[c] += n
		}
	}
	if lost > j.Objectives.Lost {
		var parts []string
		for _, c := range tally.Classes() {
			if n := classes[c]; n > 0 {
				parts = append(parts, fmt.Sprintf("%s %d", c, n))
			}
		}
		j.fail("%d %s lost (%s); the objective allows %d",
			lost, plural(lost, "request was", "requests were"), strings.Join(parts, ", "), j.Objectives.Lost)
	}
	if masked > j.Objectives.Masked {
		j.fail("%d right %s took a retry that the transport hid (masked losses); the objective allows %d",
			masked, plural(masked, "answer", "answers"), j.Objectives.Masked)
	}
}

func (j *judgement) stalls() {
	limit := j.Objectives.Stall.D()
	for _, l := range j.Lanes {
		if !l.OpenLoop || l.Requests == 0 {
			continue
		}
		start, length := l.Stall()
		if length <= limit {
			continue
		}
		at := l.Origin.Add(start)
		if own := j.lagWithin(at, at.Add(length)); length-own <= limit {
			j.lack("lane %s had no right answer for %s, of which the harness itself stood still for %s", l.Name, secs(length), secs(own))
			continue
		}
		j.fail("lane %s had no right answer for %s, %s after the start; the objective allows %s",
			l.Name, secs(length), secs(at.Sub(j.Run.Start)), secs(limit))
	}
}

// lagWithin returns for how long the harness itself stood still between two times.
func (j *judgement) lagWithin(from, to time.Time) time.Duration {
	var total time.Duration
	for _, lag := range j.Run.Lags {
		a, b := lag.From, lag.From.Add(lag.Length.D())
		if a.Before(from) {
			a = from
		}
		if b.After(to) {
			b = to
		}
		if b.After(a) {
			total += b.Sub(a)
		}
	}
	return total
}

func (j *judgement) percentiles() {
	names := make([]string, 0, len(j.Objectives.P99))
	for name := range j.Objectives.P99 {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		limit := j.Objectives.P99[name].D()
		for _, l := range j.Lanes {
			if l.Name != name || l.OK == 0 {
				continue
			}
			if got := time.Duration(l.Latency.ValueAtQuantile(99)) * time.Microsecond; got > limit {
				j.fail("lane %s: the 99th percentile of latency is %s; the objective allows %s", name, secs(got), secs(limit))
			}
		}
	}
}

// evidence counts right answers only: a loss is no evidence, so that one more
// loss never makes a run count.
func (j *judgement) evidence() {
	need := j.Objectives.Evidence
	var right uint64
	for _, l := range j.Lanes {
		right += l.OK
		j.laneEvidence(l)
	}
	if right < need.Requests {
		j.lack("%d requests were answered right; the objective wants %d", right, need.Requests)
	}
	if len(j.Lanes) == 0 {
		j.lack("no lane has sent anything")
	}
	var worst time.Duration
	for _, lag := range j.Run.Lags {
		worst = max(worst, lag.Length.D())
	}
	if worst > need.SamplerLag.D() {
		j.lack("the harness itself stood still for %s; more than %s hides an outage", secs(worst), secs(need.SamplerLag.D()))
	}
	for _, e := range j.Run.Errors {
		j.lack("%s", e)
	}
}

func (j *judgement) laneEvidence(l *tally.Lane) {
	need := j.Objectives.Evidence
	if l.OK == 0 {
		j.lack("lane %s got no right answer to %d requests", l.Name, l.Requests)
		return
	}
	rate := l.OKRate()
	if l.OpenLoop && rate < need.Achieved*l.Target {
		j.lack("lane %s got %.1f right answers a second, less than %.0f %% of the %.0f that it was to send; %d requests were due and not sent",
			l.Name, rate, 100*need.Achieved, l.Target, l.Dropped)
	}
	if !IsStep(l.Name) && rate < need.Achieved*need.Rate {
		j.lack("lane %s got %.1f right answers a second; the objective wants %.0f", l.Name, rate, need.Rate)
	}
	if l.MaxWorkers > 0 && l.PeakInFlight >= l.MaxWorkers {
		j.lack("lane %s ran out of workers: all %d were waiting for answers", l.Name, l.MaxWorkers)
	}
	if share := float64(l.Late) / float64(l.OK); share > need.Late {
		j.lack("lane %s sent %.1f %% of its requests more than %s after they were due; the objective allows %.1f %%",
			l.Name, 100*share, tally.LateAfter, 100*need.Late)
	}
}

func (j *judgement) watches() {
	if j.Timeline == nil {
		if j.Run.Upgrade {
			j.lack("the cluster was not watched")
		}
		return
	}
	for _, g := range j.Timeline.Gaps {
		if length := g.Length(j.Run.End); length > j.Objectives.Evidence.WatchGap.D() {
			j.lack("the watch of %s was broken for %s: %s", g.Resource, secs(length), g.Error)
		}
	}
}

func (j *judgement) interruption() {
	if j.Run.Interrupted {
		j.lack("the run was interrupted after %s", secs(j.Run.End.Sub(j.Run.Start)))
	}
}

func plural(n uint64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// secs writes a duration with the digits that matter.
func secs(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
