// Package verdict judges a run: the lanes' tallies, the cluster's timeline and
// the run's own moments in, a verdict with its reasons out. It is pure: it reads
// no clock, no file and no network.
//
// A FAIL is never taken back by a lack of evidence, and a lack of evidence is
// never a PASS.
package verdict

import (
	"maps"
	"slices"
	"time"

	"rollproof/loadtest/objectives"
	"rollproof/loadtest/tally"
	"rollproof/loadtest/timeline"
)

// Outcome is one of the three verdicts.
type Outcome string

// The verdicts, from best to worst.
const (
	Pass         Outcome = "PASS"
	Inconclusive Outcome = "INCONCLUSIVE"
	Fail         Outcome = "FAIL"
)

// Verdict is the judgement of a run.
type Verdict struct {
	Outcome Outcome `json:"outcome"`
	// Reasons says why, one sentence each; those that make it FAIL come first.
	Reasons []Reason `json:"reasons"`

	Requests    uint64  `json:"requests"`
	Lost        uint64  `json:"lost"`
	Masked      uint64  `json:"masked"`
	SecondsDown float64 `json:"seconds_down"`

	// LossRateUpper is the 95 % upper bound on the share of requests that are
	// lost: UpperBound, rounded up to four digits. OutageSeen is the length in seconds of the shortest outage
	// that the lanes would have shown: ShortestOutage.
	LossRateUpper float64 `json:"loss_rate_upper_95"`
	OutageSeen    float64 `json:"shortest_outage_seconds"`
}

// Reason is one thing that keeps a run from PASS.
type Reason struct {
	Outcome Outcome `json:"outcome"` // Fail or Inconclusive
	Rule    Rule    `json:"rule"`    // what was asked
	Text    string  `json:"text"`
}

// Rule names one question of the judgement, for programs: reports tell of each,
// also where it was met.
type Rule string

// The rules, in the order in which they are asked.
const (
	Losses       Rule = "losses"
	Stall        Rule = "stall"
	Latency      Rule = "latency"
	Evidence     Rule = "evidence"
	SamplerRule  Rule = "sampler"
	Watch        Rule = "watch"
	Command      Rule = "command"
	Rollout      Rule = "rollout"
	Scaling      Rule = "scaling"
	Interruption Rule = "interruption"
)

// question is one rule with how it is judged.
type question struct {
	rule  Rule
	judge func(*judgement)
}

// questions returns what a run is asked; an upgrade more than a steady load.
func questions(upgrade bool) []question {
	out := []question{
		{Losses, (*judgement).losses},
		{Stall, (*judgement).stalls},
		{Latency, (*judgement).percentiles},
		{Evidence, (*judgement).evidence},
		{SamplerRule, (*judgement).sampler},
		{Watch, (*judgement).watches},
	}
	if upgrade {
		out = append(out, question{Command, (*judgement).command}, question{Rollout, (*judgement).rollout}, question{Scaling, (*judgement).scaling})
	}
	return append(out, question{Interruption, (*judgement).interruption})
}

// Rules returns the rules that a run was judged by.
func Rules(upgrade bool) []Rule {
	var out []Rule
	for _, q := range questions(upgrade) {
		out = append(out, q.rule)
	}
	return out
}

// Run holds what the run itself did and when. Moments that did not come are zero.
type Run struct {
	Upgrade     bool   `json:"upgrade"`
	From        string `json:"from_version"`
	To          string `json:"to_version,omitempty"` // empty for a steady load
	Interrupted bool   `json:"interrupted"`

	Start        time.Time `json:"start"`
	CommandStart time.Time `json:"command_start,omitzero"`
	CommandEnd   time.Time `json:"command_end,omitzero"`
	CommandError string    `json:"command_error,omitempty"` // "exit status 3"; empty when it succeeded
	StepStart    time.Time `json:"step_start,omitzero"`
	StepEnd      time.Time `json:"step_end,omitzero"`
	RolledOut    time.Time `json:"rolled_out,omitzero"` // the last old pod was gone
	Settled      time.Time `json:"settled,omitzero"`    // the replicas were back at the minimum
	End          time.Time `json:"end"`

	Stages []Stage `json:"stages,omitempty"` // the phases in which requests were due, in order

	OldTemplate string `json:"old_template,omitempty"` // pod-template-hash before the command
	NewTemplate string `json:"new_template,omitempty"` // and after the rollout

	Lags    []Lag    `json:"sampler_lags"` // the times in which the harness itself stood still
	Sampler Sampler  `json:"sampler"`
	Control *Control `json:"control,omitempty"` // nil without a control lane
	Errors  []string `json:"errors"`            // of keeping results, not of requests
	// Warnings are what a person must know to trust the run. They change no verdict.
	Warnings []string `json:"warnings,omitempty"`
}

// Stage is one phase of a run, which lasts until the next one.
type Stage struct {
	Name    string    `json:"name"`
	Entered time.Time `json:"entered"`
}

// StageAt returns the name of the stage of a moment: of one before the first it is
// the first, and empty where there is none.
func StageAt(stages []Stage, at time.Time) string {
	for _, s := range slices.Backward(stages) {
		if !at.Before(s.Entered) {
			return s.Name
		}
	}
	if len(stages) > 0 {
		return stages[0].Name
	}
	return ""
}

// Sampler is what the harness saw of itself and of its machine. A limit of 0 is
// one that could not be read.
type Sampler struct {
	LagP99    objectives.Duration `json:"lag_p99"` // of its heart, which beats every 20 ms
	LagMax    objectives.Duration `json:"lag_max"`
	Files     uint64              `json:"open_files"` // the most at once
	FileLimit uint64              `json:"open_files_limit"`
	Ports     uint64              `json:"ports"` // the most TCP sockets in use at once on the machine, each with a port
	PortLimit uint64              `json:"ports_limit"`
	// PortsWaiting are the most that have just ended and still hold one (TIME-WAIT).
	PortsWaiting uint64  `json:"ports_waiting"`
	CPU          float64 `json:"cpu"`      // processors that it used, over the whole run
	CPUPeak      float64 `json:"cpu_peak"` // and in its busiest second
	CPULimit     float64 `json:"cpu_limit"`
}

// Control is what became of the control lane: requests to an endpoint within the
// harness itself, which no service can lose.
type Control struct {
	Requests uint64                 `json:"requests"`
	Lost     uint64                 `json:"lost"`
	Classes  map[tally.Class]uint64 `json:"classes,omitempty"` // of what was lost
	P99      objectives.Duration    `json:"p99"`
	P999     objectives.Duration    `json:"p99.9"`
	Max      objectives.Duration    `json:"max"`
	// Outages are the times in which it lost requests or had no answer.
	Outages []Lag `json:"outages"`
}

// Own returns the outages that tell that the harness was at fault: all of them if
// requests were lost, and otherwise those longer than longest.
func (c *Control) Own(longest time.Duration) []Lag {
	if c.Lost > 0 {
		return c.Outages
	}
	return slices.DeleteFunc(slices.Clone(c.Outages), func(o Lag) bool { return o.Length.D() <= longest })
}

// controlStall is the shortest time without an answer on the control lane that
// is one of its outages.
const controlStall = 250 * time.Millisecond

// NewControl returns what became of the lane.
func NewControl(l *tally.Lane) *Control {
	c := &Control{Requests: l.Requests, Lost: l.LostTotal(), Outages: []Lag{}}
	if c.Lost > 0 {
		c.Classes = maps.Clone(l.Lost)
	}
	micros := func(us int64) objectives.Duration { return objectives.Duration(time.Duration(us) * time.Microsecond) }
	c.P99, c.P999, c.Max = micros(l.Latency.ValueAtQuantile(99)), micros(l.Latency.ValueAtQuantile(99.9)), micros(l.Latency.Max())
	stalls := l.Answered.Gaps(l.Began.Sub(l.Origin), l.Ended.Sub(l.Origin), controlStall)
	for _, i := range tally.Join(append(l.Outages(), stalls...)) {
		c.Outages = append(c.Outages, Lag{From: l.Origin.Add(i.From), Length: objectives.Duration(i.To - i.From)})
	}
	return c
}

// Lag is a time in which the harness itself did not run.
type Lag struct {
	From   time.Time           `json:"from"`
	Length objectives.Duration `json:"length"`
}

// Input is all that a verdict rests on.
type Input struct {
	Objectives objectives.Objectives
	Lanes      []*tally.Lane
	Timeline   *timeline.Timeline // nil when no cluster was watched
	Run        Run
}

// Judge returns the verdict on a run.
func Judge(in Input) Verdict {
	j := &judgement{Input: in}
	for _, q := range questions(in.Run.Upgrade) {
		j.rule = q.rule
		q.judge(j)
	}

	v := Verdict{Outcome: Pass, SecondsDown: tally.SecondsDown(in.Lanes)}
	for _, l := range in.Lanes {
		v.Requests += l.Requests
		v.Lost += l.LostTotal()
		v.Masked += l.Masked
	}
	v.LossRateUpper = roundUp(UpperBound(v.Lost, v.Requests))
	v.OutageSeen = ShortestOutage(in.Lanes).Seconds()
	v.Reasons = append(append([]Reason{}, j.failed...), j.lacking...)
	if len(j.lacking) > 0 {
		v.Outcome = Inconclusive
	}
	if len(j.failed) > 0 {
		v.Outcome = Fail
	}
	return v
}
