package attack

import (
	"math"
	"sync/atomic"
	"time"
)

// pacer is a Vegeta pacer that knows when each request was due. Request k of an
// open loop is due at began + k/rate; a closed loop has a rate of 0 and its
// requests are due when a worker is free.
type pacer struct {
	perSecond float64
	clock     clock
	began     atomic.Pointer[time.Time]
	stopped   atomic.Bool
	sent      atomic.Uint64
}

// Pace implements vegeta.Pacer. Vegeta calls it from one goroutine.
func (p *pacer) Pace(elapsed time.Duration, hits uint64) (time.Duration, bool) {
	if p.began.Load() == nil {
		// Vegeta keeps its own start to itself; elapsed gives it away.
		began := p.clock.at(time.Now().Add(-elapsed))
		p.began.Store(&began)
	}
	p.sent.Store(hits)
	if p.stopped.Load() {
		return 0, true
	}
	if p.perSecond == 0 {
		return 0, false
	}
	return max(p.due(hits)-elapsed, 0), false
}

// Rate implements vegeta.Pacer.
func (p *pacer) Rate(time.Duration) float64 {
	if p.perSecond == 0 {
		return math.Inf(1)
	}
	return p.perSecond
}

// due returns when request seq is due, after the start.
func (p *pacer) due(seq uint64) time.Duration {
	return time.Duration(float64(seq) / p.perSecond * float64(time.Second))
}

// intended returns when request seq was due; picked is when a worker took it.
func (p *pacer) intended(seq uint64, picked time.Time) time.Time {
	began := p.began.Load()
	if p.perSecond == 0 || began == nil {
		return picked
	}
	return Due(*began, p.perSecond, seq, picked)
}

// Due returns when request seq of an open loop was due that began at began and
// sends so many requests a second; picked is when a worker took it.
func Due(began time.Time, perSecond float64, seq uint64, picked time.Time) time.Time {
	p := pacer{perSecond: perSecond}
	if due := began.Add(p.due(seq)); due.Before(picked) {
		return due
	}
	// A worker cannot run ahead of the pacer by more than the clock's grain.
	return picked
}

// dropped returns how many requests were due by end and never sent.
func (p *pacer) dropped(end time.Time, sent uint64) uint64 {
	began := p.began.Load()
	if p.perSecond == 0 || began == nil {
		return 0
	}
	due := uint64(end.Sub(*began).Seconds() * p.perSecond)
	if due <= sent {
		return 0
	}
	return due - sent
}
