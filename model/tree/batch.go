package tree

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

const (
	// block is how many rows at most meet a tree before the next tree's turn: many, so
	// that the tree stays in the fastest memory, but few enough that the rows do, too.
	block = 64
	// blockKeys bounds a block's keys.
	blockKeys = 1 << 14
	// fewest rows for which a group of eight costs less than each row on its own.
	fewest = 6
	// share is how many levels to walk (layout.levels for each row) another goroutine
	// is woken for: about 0.2 ms.
	share = 1 << 17
)

// scratch is what one goroutine needs besides rows and scores.
type scratch struct {
	// keys of one row for words.
	keys [maxSlots]int32
	// many has the keys of a block: of words' groups of eight rows, interleaved, or of
	// wide nodes' rows one after another.
	many     []int32
	payloads [chunk]int32
	groups   [block / lanes][lanes * chunk]int32
}

// Scores reads rows (row-major, n x Columns) and writes scores (row-major,
// n x Ensemble.Scores); n is what both agree on, else ErrBuffer. A row's scores do not
// depend on the rows beside it. It allocates nothing for few rows, and uses several
// processors for very many. It ends early with the context's error.
func (v *Evaluator[F]) Scores(ctx context.Context, rows []F, scores []float64) error {
	n := len(rows) / v.Columns
	if len(rows) != n*v.Columns || len(scores) != n*v.Ensemble.Scores {
		return fmt.Errorf("%d values and %d scores, want a multiple of %d and of %d: %w",
			len(rows), len(scores), v.Columns, v.Ensemble.Scores, ErrBuffer)
	}
	size := v.layout.blockRows()
	if blocks := (n + size - 1) / size; blocks > 1 {
		if workers := min(blocks, n*v.layout.levels/share, runtime.GOMAXPROCS(0)); workers > 1 {
			return v.parallel(ctx, workers, size, rows, scores)
		}
	}
	s := v.scratch()
	defer v.pool.Put(s)
	for from := 0; from < n; from += size {
		if from > 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		to := min(from+size, n)
		v.block(s, rows[from*v.Columns:to*v.Columns], scores[from*v.Ensemble.Scores:to*v.Ensemble.Scores])
	}
	return nil
}

// parallel is Scores by several goroutines, of which this is one. Each takes the next
// block when it is done with one.
func (v *Evaluator[F]) parallel(ctx context.Context, workers, size int, rows []F, scores []float64) error {
	n := len(rows) / v.Columns
	var next atomic.Int64
	work := func() {
		s := v.scratch()
		defer v.pool.Put(s)
		for ctx.Err() == nil {
			from := int(next.Add(1)-1) * size
			if from >= n {
				return
			}
			to := min(from+size, n)
			v.block(s, rows[from*v.Columns:to*v.Columns], scores[from*v.Ensemble.Scores:to*v.Ensemble.Scores])
		}
	}
	var others sync.WaitGroup
	for range workers - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
	return ctx.Err()
}

// scratch takes one that is free.
func (v *Evaluator[F]) scratch() *scratch {
	if s, ok := v.pool.Get().(*scratch); ok {
		return s
	}
	return new(scratch)
}

// stride is the number of keys of a row.
func (l *layout) stride() int { return firstSlot + len(l.slots) }

// blockRows is how many rows a block has.
func (l *layout) blockRows() int {
	n := min(block, blockKeys/l.stride())
	if l.nodes != nil {
		return max(n/lanes, 1) * lanes
	}
	return max(n, 1)
}

// room makes scratch.many large enough for n keys.
func (s *scratch) room(n int) []int32 {
	if len(s.many) < n {
		s.many = make([]int32, n)
	}
	return s.many
}

// block computes the scores of one block's rows.
func (v *Evaluator[F]) block(s *scratch, rows []F, scores []float64) {
	v.start(scores)
	if v.layout.nodes == nil {
		v.wideRows(s, rows, scores)
	} else {
		n := len(rows) / v.Columns
		grouped := n / lanes * lanes
		if n-grouped >= fewest {
			grouped = n
		}
		if grouped > 0 {
			v.groupRows(s, rows[:grouped*v.Columns], scores[:grouped*v.Ensemble.Scores])
		}
		for i := grouped; i < n; i++ {
			v.row(s, rows[i*v.Columns:(i+1)*v.Columns], scores[i*v.Ensemble.Scores:(i+1)*v.Ensemble.Scores])
		}
	}
	v.finish(scores)
}

// row adds up one row's scores.
func (v *Evaluator[F]) row(s *scratch, row []F, scores []float64) {
	v.load(s.keys[:], 1, row)
	for from := 0; from < v.layout.trees; from += chunk {
		v.layout.walkRow(&s.keys, from, &s.payloads)
		v.payout.sum(&v.payout, s.payloads[:min(chunk, v.layout.trees-from)], from, scores)
	}
}

// groupRows adds up the scores of rows eight at a time, tree by tree. Lanes without a
// row walk with whatever keys there are, to no use and no harm: any keys end in a leaf.
func (v *Evaluator[F]) groupRows(s *scratch, rows []F, scores []float64) {
	n, size := len(rows)/v.Columns, v.layout.stride()*lanes
	groups := (n + lanes - 1) / lanes
	keys := s.room(groups*size + maxSlots*lanes)
	for i := range groups * lanes {
		lane := keys[i/lanes*size+i%lanes:]
		if i < n {
			v.load(lane, lanes, rows[i*v.Columns:(i+1)*v.Columns])
		} else {
			lane[slotRight*lanes], lane[slotLeft*lanes] = keyRight, keyLeft
		}
	}
	for from := 0; from < v.layout.trees; from += chunk {
		trees := min(chunk, v.layout.trees-from)
		for t := range trees {
			for g := range groups {
				v.layout.walkGroup((*[maxSlots * lanes]int32)(keys[g*size:]), from+t, &s.groups[g], uint(t))
			}
		}
		for i := range n {
			at := i % lanes * chunk
			v.payout.sum(&v.payout, s.groups[i/lanes][at:at+trees], from, scores[i*v.Ensemble.Scores:(i+1)*v.Ensemble.Scores])
		}
	}
}

// wideRows adds up the scores of rows for wide nodes.
func (v *Evaluator[F]) wideRows(s *scratch, rows []F, scores []float64) {
	n, stride := len(rows)/v.Columns, v.layout.stride()
	keys := s.room(n * stride)
	for i := range n {
		v.load(keys[i*stride:(i+1)*stride], 1, rows[i*v.Columns:(i+1)*v.Columns])
	}
	for from := 0; from < v.layout.trees; from += chunk {
		for i := range n {
			walkWide(&v.layout, keys[i*stride:(i+1)*stride], rows[i*v.Columns:(i+1)*v.Columns], from, &s.payloads)
			v.payout.sum(&v.payout, s.payloads[:min(chunk, v.layout.trees-from)], from, scores[i*v.Ensemble.Scores:(i+1)*v.Ensemble.Scores])
		}
	}
}
