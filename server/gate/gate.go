// Package gate bounds how much is computed at once and how much waits for it, so that
// a server with too much to do answers some requests at their usual speed and turns the
// rest away at once, instead of answering all of them too late. It knows no protocol.
package gate

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// ErrFull says that as many wait already as may.
var ErrFull = errors.New("as many requests wait as may")

// ErrWaited says that no place came free within the time that a request may wait.
var ErrWaited = errors.New("no place came free in time")

// Gate lets a bounded number in and a bounded number wait. Make one with New.
type Gate struct {
	places  chan struct{}
	queue   int64
	wait    time.Duration
	waiting atomic.Int64
	shed    atomic.Uint64
}

// New returns a gate of that many places (1 or more), before which at most queue wait
// (0 or more), each for at most wait.
func New(places, queue int, wait time.Duration) *Gate {
	return &Gate{places: make(chan struct{}, places), queue: int64(queue), wait: wait}
}

// Enter takes a place, which Leave gives back. It returns ErrFull at once, ErrWaited or
// the context's error after a wait; then there is no place to give back.
func (g *Gate) Enter(ctx context.Context) error {
	select {
	case g.places <- struct{}{}:
		return nil
	default:
	}
	if g.waiting.Add(1) > g.queue {
		g.waiting.Add(-1)
		g.shed.Add(1)
		return ErrFull
	}
	defer g.waiting.Add(-1)
	timer := time.NewTimer(g.wait)
	defer timer.Stop()
	select {
	case g.places <- struct{}{}:
		return nil
	case <-timer.C:
		g.shed.Add(1)
		return ErrWaited
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Leave gives back a place that Enter took.
func (g *Gate) Leave() { <-g.places }

// Inside is how many have a place now.
func (g *Gate) Inside() int { return len(g.places) }

// Waiting is how many wait for a place now.
func (g *Gate) Waiting() int { return int(g.waiting.Load()) }

// Shed is how many were turned away since the start.
func (g *Gate) Shed() uint64 { return g.shed.Load() }

// RetryAfter is when a caller that was turned away may well try again: whoever waits
// now has been let in or turned away by then. At least a second, the unit of HTTP's
// Retry-After.
func (g *Gate) RetryAfter() time.Duration {
	return max(time.Second, (g.wait + time.Second - 1).Truncate(time.Second))
}
