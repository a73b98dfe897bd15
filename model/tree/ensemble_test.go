package tree

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
)

// valid is one split with two leaves and two scores.
func valid() Ensemble {
	return Ensemble{
		Columns: 2, Scores: 2, Roots: []int32{0},
		Splits:  []Split{{Threshold: 1, Feature: 1, Left: ^0, Right: ^1}},
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
		{"no scores", func(e *Ensemble) { e.Scores = 0 }, "0 scores"},
		{"base", func(e *Ensemble) { e.Base = []float64{1} }, "1 base values"},
		{"base NaN", func(e *Ensemble) { e.Base = []float64{0, math.NaN()} }, "base value 1 is NaN"},
		{"aggregate", func(e *Ensemble) { e.Aggregate = 9 }, "unknown aggregate"},
		{"divisor", func(e *Ensemble) { e.Divisor = -1 }, "divisor -1"},
		{"test", func(e *Ensemble) { e.Splits[0].Test = 9 }, "unknown test"},
		{"set", func(e *Ensemble) { e.Splits[0].Test, e.Splits[0].SetWords = Member, 1 }, "beyond the sets"},
		{"no trees", func(e *Ensemble) { e.Roots = nil }, "no trees"},
		{"no leaves", func(e *Ensemble) { e.Leaves = nil }, "no leaves"},
		{"root", func(e *Ensemble) { e.Roots[0] = 1 }, "root of tree 0"},
		{"column", func(e *Ensemble) { e.Splits[0].Feature = 2 }, "tests column 2 of 2"},
		{"threshold", func(e *Ensemble) { e.Splits[0].Threshold = math.NaN() }, "NaN"},
		{"left loops", func(e *Ensemble) { e.Splits[0].Left = 0 }, "left child 0"},
		{"right leaf", func(e *Ensemble) { e.Splits[0].Right = ^2 }, "right child"},
		{"leaves run back", func(e *Ensemble) { e.Leaves = []uint32{0, 3, 2} }, "ends before"},
		{"weights left over", func(e *Ensemble) { e.Leaves = []uint32{0, 1, 1} }, "do not cover"},
		{"weight's score", func(e *Ensemble) { e.Weights[1].Score = 2 }, "for score 2 of 2"},
		{"weight's value", func(e *Ensemble) { e.Weights[1].Value = math.Inf(1) }, "weight 1 is +Inf"},
	}
	if _, err := Compile[float32](valid()); err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := valid()
			test.change(&e)
			_, err := Compile[float32](e)
			if !errors.Is(err, ErrEnsemble) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want ErrEnsemble with %q", err, test.want)
			}
		})
	}
}

func TestScoresChecksBuffers(t *testing.T) {
	t.Parallel()
	v, err := Compile[float32](valid())
	if err != nil {
		t.Fatal(err)
	}
	for name, sizes := range map[string][2]int{"rows short": {3, 4}, "scores short": {4, 3}} {
		err := v.Scores(context.Background(), make([]float32, sizes[0]), make([]float64, sizes[1]))
		if !errors.Is(err, ErrBuffer) {
			t.Errorf("%s: error %v, want ErrBuffer", name, err)
		}
	}
}
