package gate

import (
	"sync"
	"sync/atomic"
	"testing"
)

func TestBudget(t *testing.T) {
	t.Parallel()
	b := NewBudget(10)
	for i, step := range []struct {
		n    int64
		want bool
	}{{6, true}, {5, false}, {4, true}, {1, false}} {
		if got := b.Reserve(step.n); got != step.want {
			t.Errorf("step %d: reserving %d gives %t, want %t", i, step.n, got, step.want)
		}
	}
	b.Release(6)
	b.Release(4)
	if !b.Reserve(99) {
		t.Error("a request larger than the budget is not let in alone")
	}
	if b.Reserve(1) {
		t.Error("another is let in beside it")
	}
	b.Release(99)
	if b.Used() != 0 {
		t.Errorf("%d bytes used, want 0", b.Used())
	}
}

func TestBudgetIsNeverExceeded(t *testing.T) {
	t.Parallel()
	b := NewBudget(100)
	var held, most atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 2000 {
				if b.Reserve(30) {
					now := held.Add(30)
					for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
					}
					held.Add(-30)
					b.Release(30)
				}
			}
		})
	}
	group.Wait()
	if most.Load() > 100 || b.Used() != 0 {
		t.Errorf("%d bytes held at once, %d left over; want at most 100, and 0", most.Load(), b.Used())
	}
}
