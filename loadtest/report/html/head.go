package html

import (
	"fmt"

	"rollproof/loadtest/report"
	"rollproof/loadtest/verdict"
)

// Figure is one number of the page's head.
type Figure struct {
	Name, Value, Note string
	Bad               bool
}

// Reason is one reason of the verdict.
type Reason struct {
	Mark string // fail or lacking
	Text string
}

// Check is one rule with how it came out.
type Check struct {
	Rule, Wanted, Seen, Outcome, Class string
}

// what names the run.
func what(r *report.Report) string {
	target := r.Settings.URL
	if c := r.Settings.Cluster; c != nil && c.Deployment != "" {
		target = c.Deployment
		if c.Namespace != "" {
			target = c.Namespace + "/" + c.Deployment
		}
	}
	target = clip(target, 120)
	if !r.Run.Upgrade {
		return "load on " + target + ", version " + clip(r.Run.From, 40)
	}
	return fmt.Sprintf("upgrade of %s from version %s to %s", target, clip(r.Run.From, 40), clip(r.Run.To, 40))
}

// meaning says in one sentence what the verdict says.
func meaning(v verdict.Verdict) string {
	switch v.Outcome {
	case verdict.Pass:
		if v.Lost == 0 && v.Masked == 0 {
			return "Every request got the right answer, and every objective was met."
		}
		return "Every objective was met."
	case verdict.Fail:
		if v.Lost > 0 {
			return fmt.Sprintf("%s of %s requests did not get the right answer.", count(v.Lost), count(v.Requests))
		}
		return "An objective was not met."
	}
	return "Nothing that was seen speaks against it, and there is too little to say that all is well."
}

func figures(r *report.Report) []Figure {
	v := r.Verdict
	out := []Figure{
		{Name: "requests", Value: count(v.Requests)},
		{Name: "lost", Value: count(v.Lost), Bad: v.Lost > r.Objectives.Lost, Note: fmt.Sprintf("fewer than %s of all, with 95 %% certainty", rateBound(v.LossRateUpper))},
		{Name: "masked", Value: count(v.Masked), Bad: v.Masked > r.Objectives.Masked, Note: "answered by a retry that the client hid"},
		{Name: "down", Value: long(v.SecondsDown), Bad: v.SecondsDown > 0, Note: "from a loss to the next right answer, all lanes together"},
	}
	var stall float64
	var lane string
	for _, l := range r.Lanes {
		if l.OpenLoop && l.Stall > stall {
			stall, lane = l.Stall, l.Name
		}
	}
	if lane != "" {
		out = append(out, Figure{Name: "longest stall", Value: long(stall), Bad: stall > r.Objectives.Stall.D().Seconds(), Note: "without a right answer, on lane " + lane})
	}
	if v.OutageSeen > 0 {
		out = append(out, Figure{Name: "shortest outage shown", Value: long(v.OutageSeen), Note: "a longer one would have met a request, wherever it fell"})
	}
	if u := r.Upgrade; u != nil && u.Rollout != nil {
		limit := r.Objectives.Rollout.D().Seconds()
		out = append(out, Figure{Name: "rollout", Value: long(*u.Rollout), Bad: limit > 0 && *u.Rollout > limit, Note: "from the command's start until the last old pod was gone"})
	}
	return out
}

// ruleNames says what the rules ask, in words.
var ruleNames = map[verdict.Rule]string{
	verdict.SamplerRule: "Harness", verdict.Losses: "Losses", verdict.Stall: "Stall", verdict.Latency: "Latency", verdict.Evidence: "Evidence", verdict.Watch: "Watch",
	verdict.Command: "Command", verdict.Rollout: "Rollout", verdict.Scaling: "Scaling", verdict.Interruption: "To its end",
}

func newCheck(c report.Check) Check {
	out := Check{Rule: ruleNames[c.Rule], Wanted: clip(c.Wanted, maxText), Seen: clip(c.Seen, maxText), Outcome: "met", Class: "pass"}
	if out.Rule == "" {
		out.Rule = string(c.Rule)
	}
	switch {
	case c.Outcome == verdict.Fail:
		out.Outcome, out.Class = "not met", "fail"
	case c.Outcome == verdict.Inconclusive:
		out.Outcome, out.Class = "not shown", "lacking"
	case !c.Judged:
		out.Outcome, out.Class = "not judged", "none"
	}
	return out
}
