package onnx

import (
	"context"
	"fmt"
	"math"

	"rollproof/model"
	"rollproof/model/tree"
)

// mode is how a node of an ensemble decides.
type mode uint8

// The modes, numbered as TreeEnsemble's nodes_modes are.
const (
	branchLessEqual mode = iota
	branchLess
	branchGreaterEqual
	branchGreater
	branchEqual
	branchNotEqual
	branchMember
	leafMode
)

// nodes is what the ensemble operators of all versions have in common: lists with one
// entry a node.
type nodes struct {
	modes      []mode
	features   []int64
	thresholds []float64
	// tracks says where NaN goes along with what passes the test; empty is nowhere.
	tracks []int64
	// left and right are where a row goes that passes the test and one that does
	// not: a node >= 0, or the leaf with the index ^ref.
	left, right []int32
	// members are the sets of the nodes with branchMember.
	members [][]float64
	// roots of the trees, each a node or ^leaf.
	roots []int32
}

// visit is a node to lay out, and the splits whose child it is.
type visit struct {
	ref         int32
	first, last int32
	left        bool
}

// layOut gives the ensemble its splits and roots: each tree's follow one another in
// the order of a walk that goes left first. It keeps its own stack: a tree may be as
// deep as it has nodes. It returns the number of nodes that are no leaves.
func (n *nodes) layOut(e *tree.Ensemble) (branches int, err error) {
	seen := make([]bool, len(n.modes))
	e.Splits = make([]tree.Split, 0, len(n.modes)/2)
	e.Roots = make([]int32, 0, len(n.roots))
	var stack []visit
	for _, root := range n.roots {
		stack = append(stack[:0], visit{ref: root, first: -1})
		for len(stack) > 0 {
			v := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			ref := v.ref
			if ref >= 0 {
				if seen[ref] {
					return 0, fmt.Errorf("node %d has two parents: %w", ref, ErrInvalid)
				}
				seen[ref] = true
				branches++
				at := v.ref
				ref = int32(len(e.Splits))
				if err := n.split(e, at); err != nil {
					return 0, err
				}
				last := int32(len(e.Splits)) - 1
				stack = append(stack, visit{n.right[at], last, last, false}, visit{n.left[at], ref, last, true})
			}
			switch {
			case v.first < 0:
				e.Roots = append(e.Roots, ref)
			case v.left:
				for s := v.first; s <= v.last; s++ {
					e.Splits[s].Left = ref
				}
			default:
				e.Splits[v.last].Right = ref
			}
		}
	}
	n.swap(e)
	return branches, nil
}

// swapped marks splits whose children are to be exchanged when all are in place.
const swapped = math.MaxUint32

// split adds the splits of one node: one, or for a set one a member.
func (n *nodes) split(e *tree.Ensemble, at int32) error {
	f, t, mode := n.features[at], n.thresholds[at], n.modes[at]
	tracked := len(n.tracks) > 0 && n.tracks[at] != 0
	switch {
	case f < 0 || f >= int64(e.Columns):
		return fmt.Errorf("nodes_featureids[%d] is %d, want 0 to %d: %w", at, f, e.Columns-1, ErrInvalid)
	case t != t && mode != branchMember:
		return fmt.Errorf("nodes_values[%d] is NaN: %w", at, ErrInvalid)
	}
	s := tree.Split{Feature: uint32(f), Threshold: t, MissingLeft: tracked}
	switch mode {
	case branchLess:
		s.Test = tree.Less
	case branchEqual:
		s.Test = tree.Equal
	case branchGreaterEqual, branchGreater:
		// x >= t is not x < t, but for NaN, which fails both.
		s.Test, s.MissingLeft, s.SetWords = tree.Less, !tracked, swapped
		if mode == branchGreater {
			s.Test = tree.LessEqual
		}
	case branchNotEqual:
		// NaN differs from everything, so it passes whether tracked or not.
		s.Test, s.MissingLeft, s.SetWords = tree.Equal, false, swapped
	case branchMember:
		return n.member(e, at, s)
	}
	e.Splits = append(e.Splits, s)
	return nil
}

// member adds the splits of a set: one comparison after the other, all of which lead
// to the same place. The engine's own sets are of whole numbers, ONNX's are not.
func (n *nodes) member(e *tree.Ensemble, at int32, s tree.Split) error {
	if len(n.members[at]) == 0 { // nothing is below -Inf
		s.Test, s.Threshold = tree.Less, math.Inf(-1)
		e.Splits = append(e.Splits, s)
		return nil
	}
	s.Test = tree.Equal
	for i, m := range n.members[at] {
		s.Threshold = m
		s.Right = int32(len(e.Splits)) + 1 // the last one's is set later
		if m != m {
			return fmt.Errorf("member %d of node %d is NaN: %w", i, at, ErrInvalid)
		}
		e.Splits = append(e.Splits, s)
	}
	return nil
}

// swap exchanges the children that split marked.
func (n *nodes) swap(e *tree.Ensemble) {
	for i := range e.Splits {
		if s := &e.Splits[i]; s.SetWords == swapped {
			s.SetWords = 0
			s.Left, s.Right = s.Right, s.Left
		}
	}
}

// forest is a compiled ensemble behind an input of any numbers.
type forest struct {
	single *tree.Evaluator[float32]
	double *tree.Evaluator[float64]
	// columns is the width of the ensemble's rows, scores the number of its scores.
	columns, scores int
}

// newForest compiles the ensemble for inputs of that datatype. ONNX Runtime compares
// doubles as doubles and everything else as float32.
func newForest(b *builder, e *tree.Ensemble, d model.Datatype) (*forest, error) {
	t := &forest{columns: e.Columns, scores: e.Scores}
	var err error
	if d == model.FP64 {
		t.double, err = tree.Compile[float64](*e)
	} else {
		t.single, err = tree.Compile[float32](*e)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	summary := &b.compiler.artifact.Summary
	if t.double != nil {
		t.double.Summarise(summary)
	} else {
		t.single.Summarise(summary)
	}
	return t, nil
}

// wantRows refuses inputs that are no rows of numbers. It returns the width of the
// rows, 0 if the file does not say.
func (b *builder) wantRows() (columns int, err error) {
	x := b.in(0)
	if err := b.want(0, model.FP32, model.FP64, model.Int64, model.Int32); err != nil {
		return 0, err
	}
	if x.rank() == 0 || x.rank() > 2 {
		return 0, fmt.Errorf("input %q has %d dimensions, want 1 or 2: %w", x.name, x.rank(), ErrInvalid)
	}
	width := x.size(x.rank() - 1)
	if width > tree.MaxColumns {
		return 0, fmt.Errorf("input %q has %d columns, want at most %d: %w", x.name, width, tree.MaxColumns, ErrUnsupported)
	}
	return int(max(width, 0)), nil
}

// rowsShape is the shape of an output with so many columns for each row of input 0.
func (b *builder) rowsShape(columns ...int64) []int64 {
	rows := model.Any
	if x := b.in(0); x.rank() == 2 {
		rows = x.shape[0]
	} else if x.rank() == 1 {
		rows = 1
	}
	return append([]int64{rows}, columns...)
}

// matrix returns the rows and columns of a value; one dimension is one row.
func matrix(v *model.Value) (rows, columns int, err error) {
	switch len(v.Shape) {
	case 1:
		return 1, int(v.Shape[0]), nil
	case 2:
		return int(v.Shape[0]), int(v.Shape[1]), nil
	}
	return 0, 0, fmt.Errorf("shape %v, want 1 or 2 dimensions: %w", v.Shape, model.ErrInput)
}

// evaluate computes the scores of the rows of x. buffer and scores are scratch.
func (t *forest) evaluate(ctx context.Context, c call, x, buffer, scores *model.Value) (rows int, err error) {
	rows, columns, err := matrix(x)
	if err != nil {
		return 0, err
	}
	if columns < t.columns {
		return 0, fmt.Errorf("%d columns, want %d: %w", columns, t.columns, model.ErrInput)
	}
	if err := c.reset(scores, model.FP64, int64(rows), int64(t.scores)); err != nil {
		return 0, err
	}
	direct := columns == t.columns && x.Datatype.Storage() != model.Ints
	if !direct {
		d := model.FP32
		if t.double != nil {
			d = model.FP64
		}
		if err := c.reset(buffer, d, int64(rows), int64(t.columns)); err != nil {
			return 0, err
		}
		for i := range rows {
			from, to := i*columns, i*t.columns
			switch x.Datatype.Storage() {
			case model.Floats:
				copy(buffer.Floats[to:to+t.columns], x.Floats[from:])
			case model.Doubles:
				copy(buffer.Doubles[to:to+t.columns], x.Doubles[from:])
			default:
				for j := range t.columns {
					buffer.Floats[to+j] = float32(x.Ints[from+j])
				}
			}
		}
		x = buffer
	}
	if t.double != nil {
		return rows, t.double.Scores(ctx, x.Doubles, scores.Doubles)
	}
	return rows, t.single.Scores(ctx, x.Floats, scores.Doubles)
}
