package tree

import (
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"rollproof/model"
)

// forest draws a random ensemble: every tree a random shape, children after parents.
func forest(t *rapid.T) Ensemble {
	e := Ensemble{
		Columns:   rapid.IntRange(1, 4).Draw(t, "columns"),
		Labels:    rapid.SliceOfN(rapid.Int64Range(-5, 5), 2, 4).Draw(t, "labels"),
		Transform: Transform(rapid.IntRange(0, 2).Draw(t, "transform")),
		Leaves:    []uint32{0},
	}
	e.Scores = len(e.Labels)
	if e.Scores == 2 && e.Transform != Softmax && rapid.Bool().Draw(t, "one score") {
		e.Scores = 1
	}
	if rapid.Bool().Draw(t, "with base") {
		e.Base = rapid.SliceOfN(rapid.Float64Range(-2, 2), e.Scores, e.Scores).Draw(t, "base")
	}
	var grow func(depth int) int32
	grow = func(depth int) int32 {
		if depth == 0 || rapid.Bool().Draw(t, "leaf") {
			for range rapid.IntRange(0, 2).Draw(t, "weights") {
				e.Weights = append(e.Weights, Weight{
					Value: rapid.Float64Range(-1, 1).Draw(t, "weight"),
					Class: uint32(rapid.IntRange(0, e.Scores-1).Draw(t, "class")),
				})
			}
			e.Leaves = append(e.Leaves, uint32(len(e.Weights)))
			return ^int32(len(e.Leaves) - 2)
		}
		at := len(e.Nodes)
		e.Nodes = append(e.Nodes, Node{
			Threshold: float32(rapid.IntRange(-3, 3).Draw(t, "threshold")),
			Feature:   uint32(rapid.IntRange(0, e.Columns-1).Draw(t, "feature")),
		})
		left := grow(depth - 1)
		right := grow(depth - 1)
		e.Nodes[at].Left, e.Nodes[at].Right = left, right
		return int32(at)
	}
	for range rapid.IntRange(1, 5).Draw(t, "trees") {
		e.Roots = append(e.Roots, grow(4))
	}
	return e
}

// plain evaluates one row in the most obvious way.
func plain(e *Ensemble, row []float32) (int64, []float64) {
	sums := make([]float64, e.Scores)
	copy(sums, e.Base)
	for _, at := range e.Roots {
		for at >= 0 {
			if row[e.Nodes[at].Feature] <= e.Nodes[at].Threshold {
				at = e.Nodes[at].Left
			} else {
				at = e.Nodes[at].Right
			}
		}
		for _, w := range e.Weights[e.Leaves[^at]:e.Leaves[^at+1]] {
			sums[w.Class] += w.Value
		}
	}
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	if e.Scores == 1 {
		p, label := sums[0], e.Labels[0]
		if e.Transform == Logistic {
			p = sigmoid(p)
		}
		if p > 0.5 {
			label = e.Labels[1]
		}
		return label, []float64{1 - p, p}
	}
	best, total := 0, 0.0
	for i, s := range sums {
		if s > sums[best] {
			best = i
		}
		total += math.Exp(s)
	}
	for i, s := range sums {
		switch e.Transform {
		case Logistic:
			sums[i] = sigmoid(s)
		case Softmax:
			sums[i] = math.Exp(s) / total
		}
	}
	return e.Labels[best], sums
}

func TestPredictIsThePlainWalk(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := forest(t)
		v, err := Compile(e)
		if err != nil {
			t.Fatal(err)
		}
		n := rapid.IntRange(0, 5).Draw(t, "rows")
		value := rapid.Map(rapid.IntRange(-8, 9), func(i int) float32 {
			if i > 8 {
				return float32(math.NaN())
			}
			return float32(i) / 2
		})
		rows := rapid.SliceOfN(value, n*e.Columns, n*e.Columns).Draw(t, "values")
		labels := make([]int64, n)
		probabilities := make([]float32, n*v.Classes())
		if err := v.Predict(rows, labels, probabilities); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			label, want := plain(&e, rows[i*e.Columns:(i+1)*e.Columns])
			for c, p := range want {
				got := probabilities[i*v.Classes()+c]
				if math.Abs(float64(got)-p) > 1e-6 {
					t.Fatalf("row %d class %d: %v, want %v", i, c, got, p)
				}
			}
			if labels[i] != label && !(e.Scores == 1 && math.Abs(want[1]-0.5) < 1e-12) {
				t.Fatalf("row %d: label %d, want %d", i, labels[i], label)
			}
		}
	})
}

// valid is one split with two leaves, two classes and a sum for each.
func valid() Ensemble {
	return Ensemble{
		Columns: 2, Labels: []int64{0, 1}, Scores: 2, Roots: []int32{0},
		Nodes:   []Node{{Threshold: 1, Feature: 1, Left: ^0, Right: ^1}},
		Leaves:  []uint32{0, 1, 2},
		Weights: []Weight{{1, 0}, {1, 1}},
	}
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*Ensemble)
		want   string
	}{
		{"no columns", func(e *Ensemble) { e.Columns = 0 }, "0 columns"},
		{"one class", func(e *Ensemble) { e.Labels = e.Labels[:1] }, "1 class labels"},
		{"too many classes", func(e *Ensemble) { e.Labels = make([]int64, 65); e.Scores = 65 }, "65 class labels"},
		{"scores", func(e *Ensemble) { e.Scores = 3 }, "3 scores for 2 classes"},
		{"base", func(e *Ensemble) { e.Base = []float64{1} }, "1 base values"},
		{"base NaN", func(e *Ensemble) { e.Base = []float64{0, math.NaN()} }, "base value 1 is NaN"},
		{"transform", func(e *Ensemble) { e.Transform = 9 }, "unknown transform"},
		{"softmax of one", func(e *Ensemble) { e.Scores, e.Transform = 1, Softmax }, "single score"},
		{"no trees", func(e *Ensemble) { e.Roots = nil }, "no trees"},
		{"no leaves", func(e *Ensemble) { e.Leaves = nil }, "no leaves"},
		{"root", func(e *Ensemble) { e.Roots[0] = 1 }, "root of tree 0"},
		{"column", func(e *Ensemble) { e.Nodes[0].Feature = 2 }, "compares column 2 of 2"},
		{"threshold", func(e *Ensemble) { e.Nodes[0].Threshold = float32(math.NaN()) }, "NaN"},
		{"left loops", func(e *Ensemble) { e.Nodes[0].Left = 0 }, "left child 0"},
		{"right leaf", func(e *Ensemble) { e.Nodes[0].Right = ^2 }, "right child"},
		{"leaves run back", func(e *Ensemble) { e.Leaves = []uint32{0, 3, 2} }, "ends before"},
		{"weights left over", func(e *Ensemble) { e.Leaves = []uint32{0, 1, 1} }, "do not cover"},
		{"weight's class", func(e *Ensemble) { e.Weights[1].Class = 2 }, "for score 2 of 2"},
		{"weight's value", func(e *Ensemble) { e.Weights[1].Value = math.Inf(1) }, "weight 1 is +Inf"},
	}
	if _, err := Compile(valid()); err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := valid()
			test.change(&e)
			_, err := Compile(e)
			if !errors.Is(err, ErrEnsemble) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want ErrEnsemble with %q", err, test.want)
			}
		})
	}
}

func TestPredictChecksBuffers(t *testing.T) {
	t.Parallel()
	v, err := Compile(valid())
	if err != nil {
		t.Fatal(err)
	}
	for name, sizes := range map[string][3]int{
		"rows short": {3, 2, 4}, "rows long": {5, 2, 4}, "probabilities short": {4, 2, 3},
	} {
		err := v.Predict(make([]float32, sizes[0]), make([]int64, sizes[1]), make([]float32, sizes[2]))
		if !errors.Is(err, model.ErrBuffer) {
			t.Errorf("%s: error %v, want ErrBuffer", name, err)
		}
	}
}
