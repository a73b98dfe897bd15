// Package verdict judges a run: the lanes' tallies, the cluster's timeline and
// the run's own moments in, a verdict with its reasons out. It is pure: it reads
// no clock, no file and no network.
//
// A FAIL is never taken back by a lack of evidence, and a lack of evidence is
// never a PASS.
package verdict

import (
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
	Text    string  `json:"text"`
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

	OldTemplate string `json:"old_template,omitempty"` // pod-template-hash before the command
	NewTemplate string `json:"new_template,omitempty"` // and after the rollout

	Lags   []Lag    `json:"sampler_lags"` // the times in which the harness itself stood still
	Errors []string `json:"errors"`       // of keeping results, not of requests
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
	j.losses()
	j.stalls()
	j.percentiles()
	j.evidence()
	j.watches()
	if in.Run.Upgrade {
		j.command()
		j.rollout()
		j.scaling()
	}
	j.interruption()

	v := Verdict{Outcome: Pass, SecondsDown: tally.SecondsDown(in.Lanes)}
	for _, l := range in.Lanes {
		v.Requests += l.Requests
		v.Lost += l.LostTotal()
		v.Masked += l.Masked
	}
	v.LossRateUpper = roundUp(UpperBound(v.Lost, v.Requests))
	v.OutageSeen = ShortestOutage(in.Lanes).Seconds()
	v.Reasons = slices.Concat([]Reason{}, j.failed, j.lacking)
	if len(j.lacking) > 0 {
		v.Outcome = Inconclusive
	}
	if len(j.failed) > 0 {
		v.Outcome = Fail
	}
	return v
}
