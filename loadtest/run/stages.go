package run

import (
	"slices"
	"sync/atomic"
	"time"

	"rollproof/loadtest/verdict"
)

// stages knows which phase of the run each moment belongs to. Lanes ask it of
// many requests, and it changes a few times.
type stages struct {
	entered atomic.Pointer[[]verdict.Stage]
}

// enter begins a phase. It is called from one goroutine.
func (s *stages) enter(name string, at time.Time) {
	// By the wall clock, as report.json tells it: from there each request comes to
	// the same phase.
	s.entered.Store(ptr(append(slices.Clone(s.list()), verdict.Stage{Name: name, Entered: at.Round(0)})))
}

func ptr[T any](v T) *T { return &v }

// list returns the phases so far.
func (s *stages) list() []verdict.Stage {
	if held := s.entered.Load(); held != nil {
		return *held
	}
	return nil
}

// at returns the phase of a moment: the first one of those before it, too.
func (s *stages) at(t time.Time) string { return verdict.StageAt(s.list(), t) }
