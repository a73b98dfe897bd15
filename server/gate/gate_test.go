package gate

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestGateBoundsPlacesAndQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(2, 3, time.Second)
		var inside, most atomic.Int64
		results := make([]error, 10)
		var group sync.WaitGroup
		for i := range results {
			group.Go(func() {
				if results[i] = g.Enter(t.Context()); results[i] != nil {
					return
				}
				most.Store(max(most.Load(), inside.Add(1)))
				time.Sleep(600 * time.Millisecond)
				inside.Add(-1)
				g.Leave()
			})
			synctest.Wait()
		}
		if got := g.Waiting(); got != 3 {
			t.Errorf("%d wait, want 3", got)
		}
		group.Wait()
		// Two enter at once, two at 0.6 s, the fifth has waited its second by then.
		for i, err := range results {
			var want error
			switch {
			case i == 4:
				want = ErrWaited
			case i > 4:
				want = ErrFull
			}
			if !errors.Is(err, want) {
				t.Errorf("request %d: %v, want %v", i, err, want)
			}
		}
		if most.Load() != 2 || g.Inside() != 0 || g.Waiting() != 0 || g.Shed() != 6 {
			t.Errorf("%d at once, %d inside, %d wait, %d shed; want 2, 0, 0, 6",
				most.Load(), g.Inside(), g.Waiting(), g.Shed())
		}
	})
}

func TestEnterEndsWithItsContext(t *testing.T) {
	t.Parallel()
	g := New(1, 1, time.Minute)
	if err := g.Enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if err := g.Enter(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the context's", err)
	}
	g.Leave()
	if err := g.Enter(t.Context()); err != nil {
		t.Errorf("the place that came free: %v", err)
	}
	if g.Shed() != 0 {
		t.Errorf("%d shed, want 0: the caller left by itself", g.Shed())
	}
}

func TestRetryAfterIsWholeSeconds(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]time.Duration{
		0: time.Second, 10 * time.Millisecond: time.Second, 1500 * time.Millisecond: 2 * time.Second,
	} {
		if got := New(1, 1, wait).RetryAfter(); got != want {
			t.Errorf("wait %s: %s, want %s", wait, got, want)
		}
	}
}

func TestEnterAllocatesNothingWhereThereIsRoom(t *testing.T) {
	g := New(1, 0, 0)
	if n := testing.AllocsPerRun(100, func() {
		if err := g.Enter(t.Context()); err == nil {
			g.Leave()
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
