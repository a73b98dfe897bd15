package repository

import (
	"math"
	"sync"
	"sync/atomic"

	"rollproof/model"
)

// Entry is one loaded version of a model. Whoever acquired it releases it once.
type Entry struct {
	model.Model
	// uses counts who holds the entry: the repository while it serves it, and each
	// caller of Acquire until Release. From 0 it goes to freed, once, and never back.
	uses     atomic.Int64
	unload   func(*Entry) // called once, when it is freed; nil if nobody waits for it
	attached sync.Map
}

// freed is far enough below 0 that no number of late takers brings it back above.
const freed = math.MinInt64 / 2

// newEntry returns an entry that the caller holds.
func newEntry(m model.Model, unload func(*Entry)) *Entry {
	e := &Entry{Model: m, unload: unload}
	e.uses.Store(1)
	return e
}

// take holds the entry, unless it is freed. It costs one atomic addition: an addition
// that comes after the freeing leaves the number below 0, one that comes before it
// keeps the freeing from happening.
func (e *Entry) take() bool { return e.uses.Add(1) > 0 }

// Release says that the caller of Acquire is done with the entry. The last release of
// an entry that is served no more frees it.
func (e *Entry) Release() {
	if e.uses.Add(-1) == 0 && e.uses.CompareAndSwap(0, freed) {
		e.attached.Clear()
		if e.unload != nil {
			e.unload(e)
		}
	}
}

// Attach returns what is attached to the entry under the key, which is what newValue
// gives the first time. It lives as long as the entry: a place for what a protocol
// makes once for each model.
func (e *Entry) Attach(key any, newValue func() any) any {
	if v, ok := e.attached.Load(key); ok {
		return v
	}
	v, _ := e.attached.LoadOrStore(key, newValue())
	return v
}
