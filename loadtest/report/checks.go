package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rollproof/loadtest/objectives"
	"rollproof/loadtest/verdict"
)

// Check is one rule of the judgement as reports show it: what was wanted, what
// was seen, and how it came out.
type Check struct {
	Rule    verdict.Rule
	Wanted  string
	Seen    string
	Judged  bool // false: nothing was wanted, and it is only reported
	Outcome verdict.Outcome
	Reasons []string // of what it came out, if it is not PASS
}

// Checks returns every rule that the run was judged by, in order.
func (r *Report) Checks() []Check {
	var out []Check
	for _, rule := range verdict.Rules(r.Run.Upgrade) {
		c := r.check(rule)
		c.Rule, c.Outcome = rule, verdict.Pass
		for _, reason := range r.Verdict.Reasons {
			if reason.Rule != rule {
				continue
			}
			c.Judged = true
			c.Reasons = append(c.Reasons, reason.Text)
			if c.Outcome != verdict.Fail {
				c.Outcome = reason.Outcome
			}
		}
		out = append(out, c)
	}
	return out
}

// check says what a rule wanted and what was seen.
func (r *Report) check(rule verdict.Rule) Check {
	o, v := r.Objectives, r.Verdict
	c := Check{Judged: true}
	switch rule {
	case verdict.Losses:
		c.Wanted = fmt.Sprintf("at most %d lost and %d masked", o.Lost, o.Masked)
		c.Seen = fmt.Sprintf("%d lost and %d masked of %d requests", v.Lost, v.Masked, v.Requests)
	case verdict.Stall:
		c.Wanted = "no open-loop lane without a right answer for longer than " + o.Stall.String()
		c.Seen = r.stalls()
	case verdict.Latency:
		c.Judged, c.Wanted, c.Seen = r.latencies()
	case verdict.Evidence:
		e := o.Evidence
		c.Wanted = fmt.Sprintf("%d right answers, %.0f %% of each lane's rate, at most %.0f %% sent late",
			e.Requests, 100*e.Achieved, 100*e.Late)
		c.Seen = fmt.Sprintf("%d right answers", r.right())
	case verdict.SamplerRule:
		c.Wanted = fmt.Sprintf("the harness never stands still for longer than %s, and has files, ports and processors left", o.Evidence.SamplerLag)
		c.Seen = "it did not stand still"
		if lag := r.worstLag(); lag > 0 {
			c.Seen = fmt.Sprintf("it stood still for %s at the longest", ms(lag))
		}
		if words := r.harness(); words != "" {
			c.Seen += "; " + words
		}
	case verdict.Watch:
		c.Judged = r.timeline != nil || r.Run.Upgrade
		c.Wanted = "the cluster never out of sight for longer than " + o.Evidence.WatchGap.String()
		c.Seen = r.gaps()
	case verdict.Command:
		c.Wanted = "it succeeds"
		c.Seen = r.commandWords()
	case verdict.Rollout:
		c.Wanted = "the new version in the place of the old, every old pod gone"
		if o.Rollout > 0 {
			c.Wanted += " within " + o.Rollout.String()
		}
		// Where it was not to be seen, the reason is told by another rule.
		c.Seen, c.Judged = "not complete", !r.Run.RolledOut.IsZero()
		if r.Upgrade != nil && r.Upgrade.Rollout != nil {
			c.Seen = "complete after " + took(r.Upgrade.Rollout)
		}
	case verdict.Scaling:
		c.Wanted = "every pod that was ready answers"
		if o.Scaling {
			c.Wanted += "; the autoscaler raises the replicas, and they come back"
		}
		c.Seen, c.Judged = "no change of the replicas", !r.Run.CommandStart.IsZero()
		if u := r.Upgrade; u != nil && u.ScaleUp != nil {
			c.Seen = fmt.Sprintf("raised to %d after %s, back after %s", u.PeakReplicas, took(u.ScaleUp), took(u.Settle))
		}
	case verdict.Interruption:
		c.Wanted, c.Seen = "the run comes to its end", "it did"
		if r.Run.Interrupted {
			c.Seen = "it was interrupted"
		}
	}
	return c
}

func (r *Report) stalls() string {
	var parts []string
	for _, l := range r.Lanes {
		if l.OpenLoop && l.Requests > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", l.Name, ms(l.Stall)))
		}
	}
	if len(parts) == 0 {
		return "no open-loop lane has sent"
	}
	return "the longest: " + strings.Join(parts, ", ")
}

// latencies says what latency was wanted, if any, and what it was.
func (r *Report) latencies() (judged bool, wanted, seen string) {
	var bounds, figures []string
	for _, l := range r.Lanes {
		bounds = append(bounds, boundWords("p99 of "+l.Name, r.Objectives.P99[l.Name])...)
		bounds = append(bounds, boundWords("p99.9 of "+l.Name, r.Objectives.P999[l.Name])...)
		if l.OpenLoop {
			figures = append(figures, fmt.Sprintf("%s %s", l.Name, ms(l.P99)))
		}
	}
	wanted = "nothing: it is only reported"
	if len(bounds) > 0 {
		wanted = strings.Join(bounds, ", ")
	}
	if len(figures) == 0 {
		figures = []string{"none"}
	}
	return len(bounds) > 0, wanted, "99th percentile: " + strings.Join(figures, ", ")
}

// boundWords says what bounds there are of one percentile: of the whole run, and
// of its phases.
func boundWords(what string, b objectives.Bound) []string {
	var out []string
	if b.All > 0 {
		out = append(out, fmt.Sprintf("%s at most %s", what, b.All))
	}
	for _, phase := range slices.Sorted(maps.Keys(b.Phases)) {
		out = append(out, fmt.Sprintf("%s in %s at most %s", what, phase, b.Phases[phase]))
	}
	return out
}

// right returns how many requests were answered right.
func (r *Report) right() uint64 {
	var n uint64
	for _, l := range r.Lanes {
		n += l.OK
	}
	return n
}

// worstLag returns the longest time for which the harness stood still, in seconds.
func (r *Report) worstLag() float64 {
	worst := 0.0
	for _, lag := range r.Run.Lags {
		worst = max(worst, lag.Length.D().Seconds())
	}
	return worst
}

func (r *Report) gaps() string {
	if r.timeline == nil {
		return "no cluster was watched"
	}
	var worst time.Duration
	for _, g := range r.timeline.Gaps {
		worst = max(worst, g.Length(r.Run.End))
	}
	if worst == 0 {
		return "it never was"
	}
	return "for " + ms(worst.Seconds()) + " at the longest"
}

func (r *Report) commandWords() string {
	switch {
	case r.Run.CommandStart.IsZero():
		return "it was not started"
	case r.Run.CommandError != "":
		return r.Run.CommandError
	case r.Run.CommandEnd.IsZero():
		return "its end was not seen"
	}
	return fmt.Sprintf("it did, in %.1f s", r.Run.CommandEnd.Sub(r.Run.CommandStart).Seconds())
}
