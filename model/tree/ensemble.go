package tree

import (
	"errors"
	"fmt"
	"math"
)

// Test is how a split decides.
type Test uint8

const (
	// LessEqual sends a row left if its value is <= the threshold.
	LessEqual Test = iota
	// Less sends a row left if its value is < the threshold.
	Less
	// Equal sends a row left if its value is the threshold.
	Equal
	// Member sends a row left if its value, cut to a whole number, is in the split's
	// set; a value below 0 or beyond the set goes right.
	Member
)

// Split is one decision. For >, >= and != a reader swaps the children.
type Split struct {
	// Threshold of the tests but Member. Rows of float32 are compared as if both were
	// float64, which is exact.
	Threshold float64
	// Feature is the column whose value is tested.
	Feature uint32
	// Left and Right: a child >= 0 is an index into Ensemble.Splits, above the
	// split's own, a child < 0 is the leaf with the index ^child.
	Left, Right int32
	// Test is how the value is tested.
	Test Test
	// MissingLeft is where NaN goes: true left, false right.
	MissingLeft bool
	// ZeroMissing sends what is within float32's 1e-35 of zero where NaN goes
	// (LightGBM).
	ZeroMissing bool
	// Unsigned makes every value below 0 no member, those between -1 and 0, too, which
	// are cut to 0 (XGBoost).
	Unsigned bool
	// Set and SetWords are a Member split's set: bit k%32 of
	// Ensemble.Sets[Set+k/32] says whether k is in it, for k below 32*SetWords.
	Set, SetWords uint32
}

// Weight is what a leaf gives to one score.
type Weight struct {
	Value float64
	Score uint32
}

// Aggregate is how a score is made of the weights of the leaves a row falls into.
type Aggregate uint8

// The aggregates. Of Min and Max a score that gets no weight is 0.
const (
	Sum Aggregate = iota
	Min
	Max
)

// Ensemble is a forest as a reader hands it over. Compile checks it.
type Ensemble struct {
	// Columns is the width of a row; every Split's Feature is below it.
	Columns int
	// Scores is the number of scores a row gets, 1 or more.
	Scores int
	// Aggregate of the weights.
	Aggregate Aggregate
	// Divisor divides the aggregate before Base is added; 0 is 1.
	Divisor float64
	// Base is added to the scores: empty, or Scores values.
	Base []float64
	// BaseLast adds Base behind the weights; else sums begin with it. It matters to
	// the last digits only.
	BaseLast bool
	// Float32 rounds a sum to float32 after each addition, as XGBoost and ONNX Runtime
	// do; else sums are float64, in the order of the trees either way.
	Float32 bool
	// Roots of the trees, in the order in which their weights are added. A root
	// >= 0 is a split, a root < 0 a leaf (a tree that never splits).
	Roots []int32
	// Splits of all trees.
	Splits []Split
	// Leaves: leaf i has Weights[Leaves[i]:Leaves[i+1]].
	Leaves []uint32
	// Weights of all leaves.
	Weights []Weight
	// Sets of all Member splits.
	Sets []uint32
}

// ErrEnsemble says that an ensemble is not one that can be evaluated.
var ErrEnsemble = errors.New("not a valid tree ensemble")

const (
	// MaxColumns bounds the width of a row.
	MaxColumns = 1 << 20
	// MaxScores bounds the scores of a row.
	MaxScores = 1 << 12
)

// check returns the first thing that is wrong.
func (e *Ensemble) check() error {
	switch {
	case e.Columns < 1 || e.Columns > MaxColumns:
		return fmt.Errorf("%d columns, want 1 to %d", e.Columns, MaxColumns)
	case e.Scores < 1 || e.Scores > MaxScores:
		return fmt.Errorf("%d scores, want 1 to %d", e.Scores, MaxScores)
	case e.Aggregate > Max:
		return fmt.Errorf("unknown aggregate %d", e.Aggregate)
	case len(e.Base) != 0 && len(e.Base) != e.Scores:
		return fmt.Errorf("%d base values for %d scores", len(e.Base), e.Scores)
	case e.Divisor != e.Divisor || e.Divisor < 0 || math.IsInf(e.Divisor, 0):
		return fmt.Errorf("divisor %v, want 0 or a number above it", e.Divisor)
	case len(e.Roots) == 0:
		return errors.New("no trees")
	case len(e.Splits) > math.MaxInt32 || len(e.Leaves) > math.MaxInt32 || len(e.Weights) > math.MaxInt32:
		return fmt.Errorf("%d splits, %d leaves, %d weights: too many", len(e.Splits), len(e.Leaves), len(e.Weights))
	case len(e.Leaves) < 2:
		return errors.New("no leaves")
	}
	for i, b := range e.Base {
		if math.IsNaN(b) || math.IsInf(b, 0) {
			return fmt.Errorf("base value %d is %v", i, b)
		}
	}
	if err := e.checkSplits(); err != nil {
		return err
	}
	return e.checkLeaves()
}

// checkSplits makes sure that every walk ends: children come after their parents.
func (e *Ensemble) checkSplits() error {
	leaves := len(e.Leaves) - 1
	inRange := func(ref int32, above int) bool {
		if ref < 0 {
			return int(^ref) < leaves
		}
		return int(ref) > above && int(ref) < len(e.Splits)
	}
	for i, r := range e.Roots {
		if !inRange(r, -1) {
			return fmt.Errorf("root of tree %d is %d, out of range", i, r)
		}
	}
	for i := range e.Splits {
		s := &e.Splits[i]
		switch {
		case uint64(s.Feature) >= uint64(e.Columns):
			return fmt.Errorf("split %d tests column %d of %d", i, s.Feature, e.Columns)
		case s.Test > Member:
			return fmt.Errorf("split %d has the unknown test %d", i, s.Test)
		case s.Threshold != s.Threshold:
			return fmt.Errorf("split %d has the threshold NaN", i)
		case s.Test == Member && uint64(s.Set)+uint64(s.SetWords) > uint64(len(e.Sets)):
			return fmt.Errorf("split %d has a set beyond the sets", i)
		case !inRange(s.Left, i):
			return fmt.Errorf("split %d has the left child %d, out of range", i, s.Left)
		case !inRange(s.Right, i):
			return fmt.Errorf("split %d has the right child %d, out of range", i, s.Right)
		}
	}
	return nil
}

// checkLeaves makes sure that Leaves partitions Weights, and of the scores.
func (e *Ensemble) checkLeaves() error {
	if e.Leaves[0] != 0 || int(e.Leaves[len(e.Leaves)-1]) != len(e.Weights) {
		return errors.New("leaves do not cover the weights")
	}
	for i := 1; i < len(e.Leaves); i++ {
		if e.Leaves[i] < e.Leaves[i-1] {
			return fmt.Errorf("leaf %d ends before it begins", i-1)
		}
	}
	for i, w := range e.Weights {
		if int(w.Score) >= e.Scores {
			return fmt.Errorf("weight %d is for score %d of %d", i, w.Score, e.Scores)
		}
		if math.IsNaN(w.Value) || math.IsInf(w.Value, 0) {
			return fmt.Errorf("weight %d is %v", i, w.Value)
		}
	}
	return nil
}
