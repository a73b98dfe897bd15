package tree

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"unsafe"

	"rollproof/model"
)

// Float is the element type of rows. Which one an ensemble is compiled for is how
// exactly its inputs are compared: float32 as XGBoost and ONNX's float inputs are,
// float64 as LightGBM's.
type Float interface{ float32 | float64 }

// Evaluator computes the scores of rows by a checked Ensemble. It holds no state
// between calls and may be used by many goroutines.
type Evaluator[F Float] struct {
	// Ensemble is what was compiled, without its trees.
	Ensemble
	layout layout
	payout payout
	// load fills in a row's keys.
	load func(keys []int32, stride int, row []F)
	// summary has the counts and the memory.
	summary model.Summary
	pool    sync.Pool // of *scratch
}

// ErrBuffer says that a buffer handed to Scores has the wrong length.
var ErrBuffer = errors.New("buffer has the wrong length")

// Compile checks the ensemble, so that evaluating it needs no checks, and returns the
// evaluator. The evaluator may keep the ensemble's lists, which must not be changed
// afterwards. Time and memory are a multiple of the ensemble's size.
func Compile[F Float](e Ensemble) (*Evaluator[F], error) {
	if err := e.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEnsemble, err)
	}
	if e.Divisor == 0 {
		e.Divisor = 1
	}
	v := &Evaluator[F]{Ensemble: e}
	v.Roots, v.Splits, v.Leaves, v.Weights, v.Sets = nil, nil, nil, nil, nil
	numbers := v.layout.number(e.Splits)
	var keys []int32
	switch v := any(v).(type) {
	case *Evaluator[float32]:
		keys = v.layout.keys32(e.Splits, numbers)
		v.load = v.layout.load32
	case *Evaluator[float64]:
		keys = v.layout.keys64(e.Splits, numbers)
		v.load = v.layout.load64
	}
	s := survey(&e)
	var payload func(int32) int32
	v.payout, payload = choose(&e, s)
	v.layout.build(&e, s, numbers, keys, payload)
	v.summarise(&e, s)
	return v, nil
}

// start sets scores to what they are before the first tree.
func (v *Evaluator[F]) start(scores []float64) {
	first := 0.0
	switch {
	case v.Aggregate == Min:
		first = math.Inf(1)
	case v.Aggregate == Max:
		first = math.Inf(-1)
	case !v.BaseLast && len(v.Base) > 0:
		for i := 0; i < len(scores); i += copy(scores[i:], v.Base) {
		}
		return
	}
	for i := range scores {
		scores[i] = first
	}
}

// finish makes of the aggregates of all trees the scores.
func (v *Evaluator[F]) finish(scores []float64) {
	if v.Aggregate != Sum {
		for i, s := range scores {
			if math.IsInf(s, 0) {
				scores[i] = 0 // no leaf gave it a weight
			}
		}
	}
	if v.Divisor != 1 {
		for i := range scores {
			scores[i] /= v.Divisor
		}
	}
	if len(v.Base) > 0 && (v.BaseLast || v.Aggregate != Sum) {
		for i := 0; i < len(scores); i += len(v.Base) {
			for j, b := range v.Base {
				scores[i+j] += b
			}
		}
	}
}

// Summarise adds the ensemble's counts, and the memory held for it, to a summary.
func (v *Evaluator[F]) Summarise(s *model.Summary) {
	s.Trees += v.summary.Trees
	s.Splits += v.summary.Splits
	s.Leaves += v.summary.Leaves
	s.Depth = max(s.Depth, v.summary.Depth)
	s.Bytes += v.summary.Bytes
}

// summarise fills the summary.
func (v *Evaluator[F]) summarise(e *Ensemble, s *shape) {
	l, p := &v.layout, &v.payout
	deepest := int32(0)
	for _, root := range e.Roots {
		depth, _, _ := s.of(e, root)
		deepest = max(deepest, depth)
	}
	v.summary = model.Summary{
		Trees: len(e.Roots), Splits: len(e.Splits), Leaves: len(e.Leaves) - 1, Depth: int(deepest),
		Bytes: int64(unsafe.Sizeof(*v)) +
			l.bytes() + p.bytes() + bytes(v.Base),
	}
}

// bytes of memory that the layout holds.
func (l *layout) bytes() int64 {
	return bytes(l.nodes) + bytes(l.wide) + bytes(l.sure) + bytes(l.specials) + bytes(l.sets) +
		bytes(l.slots) + bytes(l.cuts) + bytes(l.searches)
}

// bytes of memory that the payout holds.
func (p *payout) bytes() int64 {
	return bytes(p.score) + bytes(p.floats) + bytes(p.doubles) + bytes(p.starts) + bytes(p.weights)
}

// bytes is the size of a list in memory.
func bytes[T any](list []T) int64 {
	var t T
	return int64(cap(list)) * int64(unsafe.Sizeof(t))
}
