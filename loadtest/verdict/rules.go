package verdict

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"rollproof/loadtest/objectives"
	"rollproof/loadtest/tally"
)

// podGrace is how long a pod must have been ready for its silence to mean
// something: with fewer seconds it may just not have had its turn.
const podGrace = 3 * time.Second

type judgement struct {
	Input
	rule    Rule // the one that is being asked
	failed  []Reason
	lacking []Reason
}

func (j *judgement) fail(format string, args ...any) {
	j.failed = append(j.failed, Reason{Fail, j.rule, fmt.Sprintf(format, args...)})
}

func (j *judgement) lack(format string, args ...any) {
	j.lacking = append(j.lacking, Reason{Inconclusive, j.rule, fmt.Sprintf(format, args...)})
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
	switch {
	case lost > j.Objectives.Lost && j.ownLosses():
		j.lack("%d %s lost, each while the control lane, which stays within the harness, lost requests or stood still too: the fault may be the harness's own",
			lost, plural(lost, "request was", "requests were"))
	case lost > j.Objectives.Lost:
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

// witnesses is how many requests of a lane must have waited together for their
// silence to be a stall: one that waits alone is a slow answer, which latency
// tells. A SYN that was lost once is answered 1 s late (RFC 6298, 2.1), with the
// service in perfect order.
const witnesses = 3

func (j *judgement) stalls() {
	for _, l := range j.Lanes {
		if !l.OpenLoop || l.Requests == 0 {
			continue
		}
		limit := j.stallLimit(l)
		start, length := l.Stall()
		if length <= limit {
			continue
		}
		at := l.Origin.Add(start)
		if own := j.lagWithin(at, at.Add(length)); length-own <= limit {
			j.lack("lane %s had no right answer for %s, of which the harness itself stood still for %s", l.Name, secs(length), secs(own))
			continue
		}
		if l.MaxWorkers < witnesses && outOfWorkers(l) {
			j.lack("lane %s had no right answer for %s, in which no more than %d %s waited: too few to tell a stall from a slow answer",
				l.Name, secs(length), l.MaxWorkers, plural(uint64(l.MaxWorkers), "request", "requests"))
			continue
		}
		allowed := secs(j.Objectives.Stall.D())
		if limit > j.Objectives.Stall.D() {
			allowed += ", and so slow a lane shows " + secs(limit)
		}
		j.fail("lane %s had no right answer for %s, %s after the start; the objective allows %s",
			l.Name, secs(length), secs(at.Sub(j.Run.Start)), allowed)
	}
}

// stallLimit returns how long a lane may be without a right answer: as long as
// the objective says, or, if its rate is too low to show that, as long as the
// fewest requests take to come due that show a stall.
func (j *judgement) stallLimit(l *tally.Lane) time.Duration {
	limit := j.Objectives.Stall.D()
	if l.Target <= 0 {
		return limit
	}
	return max(limit, time.Duration(witnesses/l.Target*float64(time.Second)))
}

// outOfWorkers tells whether a lane could not send what was due, because all who
// might have sent it were waiting for answers.
func outOfWorkers(l *tally.Lane) bool {
	return l.MaxWorkers > 0 && l.PeakInFlight >= l.MaxWorkers
}

// lagWithin returns for how long the harness itself stood still between two
// times, by its heart or by its control lane.
func (j *judgement) lagWithin(from, to time.Time) time.Duration {
	var own []tally.Interval
	lags := j.Run.Lags
	if j.Run.Control != nil {
		lags = slices.Concat(lags, j.Run.Control.Outages)
	}
	for _, lag := range lags {
		a, b := max(lag.From.Sub(from), 0), min(lag.From.Add(lag.Length.D()).Sub(from), to.Sub(from))
		if b > a {
			own = append(own, tally.Interval{From: a, To: b})
		}
	}
	var total time.Duration
	for _, i := range tally.Join(own) {
		total += i.To - i.From
	}
	return total
}

// ownSlack is how long before the control lane's outage a request may have been
// due that was lost in it.
const ownSlack = 100 * time.Millisecond

// ownLosses tells whether every loss was due while the control lane lost requests
// too, or had no answer for longer than the harness may stand still.
func (j *judgement) ownLosses() bool {
	if j.Run.Control == nil {
		return false
	}
	found := false
	for _, l := range j.Lanes {
		if l.LostTotal() == 0 {
			continue
		}
		var own []tally.Interval
		for _, o := range j.Run.Control.Own(j.Objectives.Evidence.SamplerLag.D()) {
			from := o.From.Sub(l.Origin)
			own = append(own, tally.Interval{From: from - ownSlack, To: from + o.Length.D()})
		}
		if !l.Bad.Within(own) {
			return false
		}
		found = true
	}
	return found
}

// The share of the machine's files, ports and processors from which on the
// harness has too little of them to tell its own faults from a service's.
const (
	usedUp = 0.9
	busy   = 0.95
)

// sampler judges what the harness saw of itself.
func (j *judgement) sampler() {
	s := j.Run.Sampler
	if s.FileLimit > 0 && float64(s.Files) >= usedUp*float64(s.FileLimit) {
		j.lack("the harness had %d files open of the %d that it may: raise the limit (ulimit -n)", s.Files, s.FileLimit)
	}
	if s.PortLimit > 0 && float64(s.Ports) >= usedUp*float64(s.PortLimit) {
		j.lack("%d of the machine's %d local ports were taken: lower the rate of lanes with new connections, or widen net.ipv4.ip_local_port_range", s.Ports, s.PortLimit)
	}
	if s.CPULimit > 0 && s.CPU >= busy*s.CPULimit {
		j.lack("the harness used %.2f of %.0f processors over the whole run: it had too few to send in time", s.CPU, s.CPULimit)
	}
	c := j.Run.Control
	if c == nil {
		return
	}
	if c.Lost > 0 {
		j.lack("the control lane, which stays within the harness, lost %d of %d requests", c.Lost, c.Requests)
	}
	if c.Requests == 0 {
		j.lack("the control lane sent nothing")
	}
	var worst time.Duration
	for _, o := range c.Outages {
		worst = max(worst, o.Length.D())
	}
	if worst > j.Objectives.Evidence.SamplerLag.D() {
		j.lack("the control lane, which stays within the harness, had no answer for %s; more than %s hides an outage",
			secs(worst), secs(j.Objectives.Evidence.SamplerLag.D()))
	}
}

func (j *judgement) percentiles() {
	own, further := time.Duration(0), time.Duration(0)
	if c := j.Run.Control; c != nil {
		own, further = c.P99.D(), c.P999.D()
	}
	j.quantile(quantile{"99th", 99, own}, j.Objectives.P99)
	j.quantile(quantile{"99.9th", 99.9, further}, j.Objectives.P999)
}

// quantile is one percentile.
type quantile struct {
	name string
	q    float64
	own  time.Duration // the control lane's
}

// quantile holds one percentile of each lane to its bounds, over the whole run
// and in each phase.
func (j *judgement) quantile(q quantile, bounds objectives.Bounds) {
	for _, lane := range slices.Sorted(maps.Keys(bounds)) {
		bound := bounds[lane]
		for _, l := range j.Lanes {
			if l.Name != lane {
				continue
			}
			j.bound(fmt.Sprintf("lane %s", lane), q, l.Latency, l.LostTotal(), bound.All.D())
			for _, phase := range slices.Sorted(maps.Keys(bound.Phases)) {
				if s := l.Stages[phase]; s != nil {
					j.bound(fmt.Sprintf("lane %s in phase %s", lane, phase), q, s.Latency, s.Lost, bound.Phases[phase].D())
				}
			}
		}
	}
}

// bound holds one percentile to its limit. A loss counts as slower than any
// answer: so that one more never makes a percentile better.
func (j *judgement) bound(where string, q quantile, latency *hdrhistogram.Histogram, lost uint64, limit time.Duration) {
	right := float64(latency.TotalCount())
	if limit <= 0 || right+float64(lost) == 0 {
		return
	}
	rank := q.q * (right + float64(lost)) / 100
	if rank > right {
		j.fail("%s: so many requests were lost (%d of %.0f) that the %s percentile of latency has no value; the objective allows %s",
			where, lost, right+float64(lost), q.name, secs(limit))
		return
	}
	got := time.Duration(latency.ValueAtQuantile(min(100*rank/right, 100))) * time.Microsecond
	switch {
	case got <= limit:
	case q.own > limit:
		j.lack("%s: the %s percentile of latency is %s; the objective allows %s, but the control lane's, which stays within the harness, is %s",
			where, q.name, secs(got), secs(limit), secs(q.own))
	default:
		j.fail("%s: the %s percentile of latency is %s; the objective allows %s", where, q.name, secs(got), secs(limit))
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
	if !IsStep(l.Name) && !IsSlow(l.Name) && rate < need.Achieved*need.Rate {
		j.lack("lane %s got %.1f right answers a second; the objective wants %.0f", l.Name, rate, need.Rate)
	}
	if outOfWorkers(l) {
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
