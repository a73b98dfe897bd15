package report

import (
	"time"

	"rollproof/loadtest/timeline"
)

// Phase is one phase of the run. They follow each other without a gap.
type Phase struct {
	Name     string
	From, To time.Time
}

// Phases returns the phases of the run while it sent, from its start to its end.
func (r *Report) Phases() []Phase {
	var out []Phase
	for _, s := range r.Run.Stages {
		if !s.Entered.Before(r.Run.End) {
			continue
		}
		if n := len(out); n > 0 {
			out[n-1].To = s.Entered
		}
		out = append(out, Phase{Name: s.Name, From: s.Entered})
	}
	if len(out) == 0 {
		name := "load"
		if r.Run.Upgrade {
			name = "upgrade"
		}
		out = []Phase{{Name: name}}
	}
	out[0].From = r.Run.Start
	out[len(out)-1].To = r.Run.End
	return out
}

// Timeline returns what the cluster did; nil where none was watched.
func (r *Report) Timeline() *timeline.Timeline { return r.timeline }

// After returns a moment as seconds after the run's start.
func (r *Report) After(t time.Time) float64 { return t.Sub(r.Run.Start).Seconds() }
