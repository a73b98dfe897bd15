package gate

import "sync/atomic"

// Budget bounds bytes that are held at once, whoever holds them: request bodies take
// memory before their turn to be computed comes, and a crowd of large ones must be
// turned away before it is read.
type Budget struct {
	limit int64
	used  atomic.Int64
}

// NewBudget returns a budget of that many bytes, 1 or more.
func NewBudget(limit int64) *Budget {
	return &Budget{limit: limit}
}

// Reserve takes n bytes, which Release gives back, and tells whether there were as many.
// A request that alone is larger than the budget is let in while nothing else is held:
// it could never be answered otherwise.
func (b *Budget) Reserve(n int64) bool {
	used := b.used.Add(n)
	if used <= b.limit || used == n {
		return true
	}
	b.used.Add(-n)
	return false
}

// Release gives back n bytes that Reserve took.
func (b *Budget) Release(n int64) { b.used.Add(-n) }

// Used is how many bytes are held now.
func (b *Budget) Used() int64 { return b.used.Load() }
