package run

import (
	"context"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

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
	mu    sync.Mutex
	lags  []verdict.Lag
	beats *hdrhistogram.Histogram // microseconds by which each was late
}

// Bounds of the beats' histogram: a microsecond to ten minutes.
const (
	beatMin    = 1
	beatMax    = 600_000_000
	beatDigits = 2
)

func newHeart() *heart { return &heart{beats: hdrhistogram.New(beatMin, beatMax, beatDigits)} }

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
		h.take(last, now.Sub(last)-beatEvery)
		last = now
	}
}

// take counts a beat that came so much later after the last one than it was to.
func (h *heart) take(last time.Time, lag time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	// Clamped to the bounds, so that it cannot fail.
	if err := h.beats.RecordValue(min(max(lag.Microseconds(), beatMin), beatMax)); err != nil {
		panic("run: a clamped lag does not fit its histogram: " + err.Error())
	}
	if lag > lagAfter {
		h.lags = append(h.lags, verdict.Lag{From: last, Length: objectives.Duration(lag)})
	}
}

// late returns the 99th percentile and the most by which a beat was late.
func (h *heart) late() (p99, most objectives.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	us := func(v int64) objectives.Duration { return objectives.Duration(time.Duration(v) * time.Microsecond) }
	return us(h.beats.ValueAtQuantile(99)), us(h.beats.Max())
}

// seen returns the lags so far.
func (h *heart) seen() []verdict.Lag {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]verdict.Lag{}, h.lags...)
}
