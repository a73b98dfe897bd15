// Package tree evaluates ensembles of decision trees. Every format's reader compiles
// to the one layout here: flat arrays of 16-byte nodes. It knows no file format and
// does no I/O.
package tree

import (
	"errors"
	"fmt"
	"math"
)

// Node is one split. A row goes to Left if its Feature is <= Threshold, both as
// float32, and to Right otherwise; NaN goes Right. A child >= 0 is an index into
// Ensemble.Nodes, a child < 0 is the leaf with the index ^child.
type Node struct {
	Threshold   float32
	Feature     uint32
	Left, Right int32
}

// Weight is what a leaf adds to the score of one class.
type Weight struct {
	Value float64
	Class uint32
}

// Transform is what becomes of the summed scores of a row.
type Transform uint8

const (
	// None leaves the scores: they are the probabilities already (a random forest).
	None Transform = iota
	// Logistic takes the logistic function of each score on its own (boosting, two classes).
	Logistic
	// Softmax is taken over all scores (boosting, more classes).
	Softmax
)

// Ensemble is a forest as a reader hands it over. Compile checks it.
type Ensemble struct {
	// Columns is the width of a row; every Node's Feature is below it.
	Columns int
	// Labels holds one label a class, in the order of the probabilities.
	Labels []int64
	// Scores is the number of sums: len(Labels), or 1 where two classes share one
	// sum, which then speaks for the second class.
	Scores int
	// Base is added to the sums: empty, or Scores values.
	Base []float64
	// Transform of the sums.
	Transform Transform
	// Roots of the trees, in the order in which their weights are added. A root
	// >= 0 is a node, a root < 0 a leaf (a tree that never splits).
	Roots []int32
	// Nodes of all trees. A child's index is above its parent's.
	Nodes []Node
	// Leaves: leaf i has Weights[Leaves[i]:Leaves[i+1]].
	Leaves []uint32
	// Weights of all leaves.
	Weights []Weight
}

// ErrEnsemble says that an ensemble is not one that can be evaluated.
var ErrEnsemble = errors.New("not a valid tree ensemble")

// Compile checks the ensemble, so that evaluating it needs no checks, and returns the
// evaluator. The ensemble must not be changed afterwards.
func Compile(e Ensemble) (*Evaluator, error) {
	if err := e.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEnsemble, err)
	}
	base := e.Base
	if len(base) == 0 {
		base = make([]float64, e.Scores)
	}
	v := &Evaluator{Ensemble: e, base: base}
	if e.Scores == 1 {
		// One weight a leaf is the common case by far; its sum needs no inner loop.
		v.single = make([]float64, len(e.Leaves)-1)
		for i := range v.single {
			for _, w := range e.Weights[e.Leaves[i]:e.Leaves[i+1]] {
				v.single[i] += w.Value
			}
		}
	}
	return v, nil
}

// check returns the first thing that is wrong.
func (e *Ensemble) check() error {
	switch {
	case e.Columns < 1:
		return fmt.Errorf("%d columns, want 1 or more", e.Columns)
	case len(e.Labels) < 2 || len(e.Labels) > MaxClasses:
		return fmt.Errorf("%d class labels, want 2 to %d", len(e.Labels), MaxClasses)
	case e.Scores != len(e.Labels) && (e.Scores != 1 || len(e.Labels) != 2):
		return fmt.Errorf("%d scores for %d classes", e.Scores, len(e.Labels))
	case len(e.Base) != 0 && len(e.Base) != e.Scores:
		return fmt.Errorf("%d base values for %d scores", len(e.Base), e.Scores)
	case e.Transform > Softmax:
		return fmt.Errorf("unknown transform %d", e.Transform)
	case e.Transform == Softmax && e.Scores == 1:
		return errors.New("softmax of a single score")
	case len(e.Roots) == 0:
		return errors.New("no trees")
	case len(e.Nodes) > math.MaxInt32 || len(e.Leaves) > math.MaxInt32 || len(e.Weights) > math.MaxInt32:
		return fmt.Errorf("%d nodes, %d leaves, %d weights: too many", len(e.Nodes), len(e.Leaves), len(e.Weights))
	case len(e.Leaves) < 2:
		return errors.New("no leaves")
	}
	for i, b := range e.Base {
		if math.IsNaN(b) || math.IsInf(b, 0) {
			return fmt.Errorf("base value %d is %v", i, b)
		}
	}
	if err := e.checkNodes(); err != nil {
		return err
	}
	return e.checkLeaves()
}

// checkNodes makes sure that every walk ends: children come after their parents.
func (e *Ensemble) checkNodes() error {
	leaves := len(e.Leaves) - 1
	inRange := func(ref int32, above int) bool {
		if ref < 0 {
			return int(^ref) < leaves
		}
		return int(ref) > above && int(ref) < len(e.Nodes)
	}
	for i, r := range e.Roots {
		if !inRange(r, -1) {
			return fmt.Errorf("root of tree %d is %d, out of range", i, r)
		}
	}
	for i, n := range e.Nodes {
		switch {
		case uint64(n.Feature) >= uint64(e.Columns):
			return fmt.Errorf("node %d compares column %d of %d", i, n.Feature, e.Columns)
		case n.Threshold != n.Threshold:
			return fmt.Errorf("node %d has the threshold NaN", i)
		case !inRange(n.Left, i):
			return fmt.Errorf("node %d has the left child %d, out of range", i, n.Left)
		case !inRange(n.Right, i):
			return fmt.Errorf("node %d has the right child %d, out of range", i, n.Right)
		}
	}
	return nil
}

// checkLeaves makes sure that Leaves partitions Weights, and of the classes.
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
		if int(w.Class) >= e.Scores {
			return fmt.Errorf("weight %d is for score %d of %d", i, w.Class, e.Scores)
		}
		if math.IsNaN(w.Value) || math.IsInf(w.Value, 0) {
			return fmt.Errorf("weight %d is %v", i, w.Value)
		}
	}
	return nil
}
