package run

import (
	"context"
	"sync"
	"time"

	"rollproof/loadtest/objectives"
	"rollproof/loadtest/verdict"
)

// The heart beats this often; a beat that comes later than this is written down.
const (
	beatEvery = 20 * time.Millisecond
	lagAfter  = 100 * time.Millisecond
)

// heart watches the harness itself: when its beats are late, so were the lanes,
// and what looks like an outage may be the harness's own.
type heart struct {
	mu   sync.Mutex
	lags []verdict.Lag
}

// beat runs until ctx ends.
func (h *heart) beat(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		if lag := now.Sub(last) - beatEvery; lag > lagAfter {
			h.mu.Lock()
			h.lags = append(h.lags, verdict.Lag{From: last, Length: objectives.Duration(lag)})
			h.mu.Unlock()
		}
		last = now
	}
}

// seen returns the lags so far.
func (h *heart) seen() []verdict.Lag {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]verdict.Lag{}, h.lags...)
}
