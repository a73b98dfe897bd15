package tree

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
)

// shapes are forests that are laid out and summed in each of the ways that there are.
var shapes = []grown{
	{name: "bits", trees: 70, columns: 5, rows: 200, depth: 9, leafRows: 1, scores: 1},
	{name: "doubles", trees: 70, columns: 5, rows: 200, depth: 9, leafRows: 1, scores: 1, double: true},
	{name: "bits of a class each", trees: 66, columns: 5, rows: 200, depth: 4, leafRows: 1, scores: 3, each: true},
	{name: "doubles of a class each", trees: 66, columns: 5, rows: 200, depth: 4, leafRows: 1, scores: 3, each: true, double: true},
	{name: "dense", trees: 20, columns: 5, rows: 200, depth: 20, leafRows: 1, scores: 7},
	{name: "dense doubles", trees: 20, columns: 5, rows: 200, depth: 20, leafRows: 1, scores: 7, double: true},
	{name: "missing", trees: 70, columns: 5, rows: 200, depth: 6, leafRows: 1, scores: 1, missing: true},
	{name: "members", trees: 70, columns: 5, rows: 200, leaves: 31, depth: 90, leafRows: 1, scores: 1, double: true, members: true},
	{name: "many slots", trees: 300, columns: 2 * maxSlots, rows: 50, depth: 6, leafRows: 1, scores: 1},
	{name: "stumps", trees: 9, columns: 2, rows: 50, depth: 1, leafRows: 1, scores: 1},
	{name: "leaves", trees: 9, columns: 2, rows: 50, depth: 0, leafRows: 1, scores: 2},
}

// values draws rows like those a forest was grown on, with NaN among them.
func values[F Float](seed uint64, like []float64, n int) []F {
	r := rand.New(rand.NewPCG(seed, 2))
	rows := make([]F, n)
	for i := range rows {
		rows[i] = F(like[r.IntN(len(like))])
		if r.IntN(50) == 0 {
			rows[i] = F(math.NaN())
		}
	}
	return rows
}

func TestBatchesAreTheirRows(t *testing.T) {
	t.Parallel()
	for i, g := range shapes {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			e, rows := g.grow(uint64(i))
			for _, n := range []int{0, 1, 5, 6, 7, 8, 9, 63, 64, 65, 70, 127, 200} {
				same(t, e, values[float32](uint64(n), rows, n*g.columns))
				same(t, e, values[float64](uint64(n), rows, n*g.columns))
			}
		})
	}
}

// Rows beyond a thousand go to several goroutines: every score is still its row's.
func TestManyRowsAreTheirRows(t *testing.T) {
	t.Parallel()
	for i, g := range shapes {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			e, like := g.grow(uint64(i))
			v, err := Compile[float32](e)
			if err != nil {
				t.Fatal(err)
			}
			n := 2*share/max(v.layout.levels, 100) + 3*block + 3
			if g.columns > maxSlots {
				n = 200
			}
			rows := values[float32](7, like, n*g.columns)
			scores := make([]float64, n*g.scores)
			if err := v.parallel(context.Background(), 3, v.layout.blockRows(), rows, scores); err != nil {
				t.Fatal(err)
			}
			want := make([]float64, len(scores))
			if err := v.Scores(context.Background(), rows, want); err != nil {
				t.Fatal(err)
			}
			alone := make([]float64, g.scores)
			for i := range n {
				if err := v.Scores(context.Background(), rows[i*g.columns:(i+1)*g.columns], alone); err != nil {
					t.Fatal(err)
				}
				for j, x := range alone {
					at := i*g.scores + j
					if math.Float64bits(scores[at]) != math.Float64bits(x) || math.Float64bits(want[at]) != math.Float64bits(x) {
						t.Fatalf("row %d of %d: %v by several goroutines, %v at once, %v alone", i, n, scores[at], want[at], x)
					}
				}
			}
		})
	}
}

func TestLayouts(t *testing.T) {
	t.Parallel()
	for i, g := range shapes {
		e, _ := g.grow(uint64(i))
		v, err := Compile[float32](e)
		if err != nil {
			t.Fatal(err)
		}
		if wide := g.members || g.columns > maxSlots; wide != (v.layout.nodes == nil) {
			t.Errorf("%s: wide nodes %t, want %t", g.name, v.layout.nodes == nil, wide)
		}
	}
}

// A long chain of splits that share a child, and one split that is everywhere, take
// memory in proportion to the splits.
func TestSharedChildren(t *testing.T) {
	t.Parallel()
	const n = 5000
	e := valid()
	e.Splits = make([]Split, n)
	for i := range e.Splits {
		e.Splits[i] = Split{Threshold: float64(n - i), Feature: 1, Left: int32(i + 1), Right: int32(i + 1)}
	}
	e.Splits[n-1].Left, e.Splits[n-1].Right = ^0, ^1
	e.Roots = []int32{0, 0, n - 1, 17}
	same(t, e, []float32{0, 0, 0, 1, 0, 2})
	v, err := Compile[float64](e)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(v.layout.nodes); got != lanes+2*n {
		t.Errorf("%d nodes, want %d", got, lanes+2*n)
	}
}

func TestScoresAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget")
	}
	for i, g := range shapes {
		e, like := g.grow(uint64(i))
		v, err := Compile[float32](e)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 5, 20, 100} {
			rows := values[float32](1, like, n*g.columns)
			scores := make([]float64, n*g.scores)
			run := func() {
				if err := v.Scores(context.Background(), rows, scores); err != nil {
					t.Fatal(err)
				}
			}
			run()
			// 100 calls: a collection that empties the pool in between is no allocation of each call.
			if got := testing.AllocsPerRun(100, run); got != 0 {
				t.Errorf("%s, %d rows: %v allocations, want none", g.name, n, got)
			}
		}
	}
}

// slowly is a context that is cancelled once it was asked so often.
type slowly struct {
	context.Context
	asks int
}

func (s *slowly) Err() error {
	if s.asks--; s.asks < 0 {
		return context.Canceled
	}
	return nil
}

func TestScoresEndWithTheContext(t *testing.T) {
	t.Parallel()
	e, like := shapes[0].grow(1)
	v, err := Compile[float32](e)
	if err != nil {
		t.Fatal(err)
	}
	const n = 6 * block
	rows := values[float32](1, like, n*e.Columns)
	scores := make([]float64, n)
	for i := range scores {
		scores[i] = math.NaN()
	}
	// A context is asked before each block but the first: two more are done.
	if err := v.Scores(&slowly{context.Background(), 2}, rows[:n*e.Columns], scores); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	for i, s := range scores {
		if done := i < 3*block; done == math.IsNaN(s) {
			t.Fatalf("row %d done %t, want %t", i, !math.IsNaN(s), done)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := v.parallel(ctx, 2, block, rows, scores); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v of several goroutines, want context.Canceled", err)
	}
}

// A batch that would take long ends soon after the context does.
func TestHugeBatchesEndSoon(t *testing.T) {
	t.Parallel()
	e, like := shapes[0].grow(1)
	v, err := Compile[float32](e)
	if err != nil {
		t.Fatal(err)
	}
	const n = 1 << 20
	rows, scores := values[float32](1, like, n*e.Columns), make([]float64, n)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(5*time.Millisecond, cancel)
	begin := time.Now()
	err = v.Scores(ctx, rows, scores)
	if took := time.Since(begin); err == nil {
		t.Skipf("done in %v with %d processors, before the context", took, runtime.GOMAXPROCS(0))
	} else if !errors.Is(err, context.Canceled) || took > time.Second {
		t.Errorf("error %v after %v, want context.Canceled within a second", err, took)
	}
}
