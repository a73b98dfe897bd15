package xgboost

import (
	"fmt"
	"math"
	"strconv"

	"rollproof/model"
	"rollproof/model/boosted"
	"rollproof/model/tree"
)

// forest builds an ensemble of a file's trees, one after the other.
type forest struct {
	tree.Ensemble
	outputs int
	// words that sets of categories may still take. XGBoost keeps a bit for each
	// category up to the largest, so that a few bytes of a file can ask for megabytes.
	words int
	// lists of the tree that is read, and the walk through it; both are used again.
	lists lists
	walk  walk
}

// ensemble makes the artifact of a booster of trees. Sums are of float32 and begin with
// the base, as XGBoost's are from 1.4 on.
func (l *learner) ensemble(a *model.Artifact, s source, h boosted.Head, base []float32, size int) error {
	f := forest{outputs: l.outputs(), words: 8<<20 + 2*size}
	f.Columns, f.Scores, f.Float32, f.Leaves = l.columns, l.outputs(), true, []uint32{0}
	for _, b := range base {
		f.Base = append(f.Base, float64(b))
	}
	s.seek(l.trees)
	err := s.array(func(i int) error {
		if i >= len(l.groups) {
			return fmt.Errorf("tree_info has %d numbers, want one for each tree: %w", len(l.groups), ErrInvalid)
		}
		if g := l.groups[i]; g < 0 || int(g) >= f.outputs {
			return fmt.Errorf("tree_info[%d] is %d, want 0 to %d: %w", i, g, f.outputs-1, ErrInvalid)
		}
		weight := float32(1)
		if i < len(l.weightDrop) {
			weight = l.weightDrop[i]
		}
		return f.tree(s, i, uint32(l.groups[i]), weight)
	})
	if err != nil {
		return err
	}
	if err := l.checkCount(len(f.Roots)); err != nil {
		return err
	}
	evaluator, err := tree.Compile[float32](f.Ensemble)
	if err != nil {
		return fmt.Errorf("%w: %w", err, ErrInvalid)
	}
	p := boosted.New(evaluator, h)
	a.Predictor = p
	a.Inputs, a.Outputs = p.Tensors()
	evaluator.Summarise(&a.Summary)
	return nil
}

// checkCount compares what says how many trees there are with those that there are.
func (l *learner) checkCount(trees int) error {
	switch {
	case trees == 0:
		return fmt.Errorf("no trees, want a model that has been trained: %w", ErrUnsupported)
	case len(l.groups) != trees:
		return fmt.Errorf("tree_info has %d numbers for %d trees: %w", len(l.groups), trees, ErrInvalid)
	case l.count != "" && l.count != strconv.Itoa(trees):
		return fmt.Errorf("num_trees is %q and there are %d trees: %w", l.count, trees, ErrInvalid)
	case l.booster == "dart" && len(l.weightDrop) != trees, len(l.weightDrop) > trees:
		return fmt.Errorf("weight_drop has %d numbers for %d trees: %w", len(l.weightDrop), trees, ErrInvalid)
	}
	return nil
}

// tree reads one tree and adds it to the ensemble.
func (f *forest) tree(s source, id int, group uint32, weight float32) error {
	t := &f.lists
	if err := t.read(s); err != nil {
		return fmt.Errorf("tree %d: %w", id, err)
	}
	if t.id != "" && t.id != strconv.Itoa(id) {
		return fmt.Errorf("tree %d: its id is %s: %w", id, t.id, ErrInvalid)
	}
	err := t.check(f.outputs)
	if err == nil {
		err = f.layOut(group, weight)
	}
	if err != nil {
		return fmt.Errorf("tree %d: %w", id, err)
	}
	return nil
}

// walk lays out a tree's nodes that can be reached from its root: left first, with a
// stack of its own, since a tree may be as deep as it has nodes. Others are what
// pruning left in the file.
type walk struct {
	stack []visit
	seen  []bool
}

// visit is a node to lay out, and where its reference is to be written: into the split
// parent's left or right, or into the roots for -1.
type visit struct {
	node, parent int32
	left         bool
}

// layOut adds the tree whose lists were read.
func (f *forest) layOut(group uint32, weight float32) error {
	w, t := &f.walk, &f.lists
	w.seen = append(w.seen[:0], make([]bool, len(t.left))...)
	w.stack = append(w.stack[:0], visit{node: 0, parent: -1})
	f.Roots = append(f.Roots, 0)
	for len(w.stack) > 0 {
		v := w.stack[len(w.stack)-1]
		w.stack = w.stack[:len(w.stack)-1]
		if w.seen[v.node] {
			return fmt.Errorf("node %d has two parents, or is its own ancestor: %w", v.node, ErrInvalid)
		}
		w.seen[v.node] = true
		ref, err := f.node(v.node, group, weight)
		if err != nil {
			return fmt.Errorf("node %d: %w", v.node, err)
		}
		switch {
		case v.parent < 0:
			f.Roots[len(f.Roots)-1] = ref
		case v.left:
			f.Splits[v.parent].Left = ref
		default:
			f.Splits[v.parent].Right = ref
		}
	}
	return nil
}

// node adds a node and returns its reference. A split's children are left on the stack.
func (f *forest) node(i int32, group uint32, weight float32) (int32, error) {
	t, w := &f.lists, &f.walk
	if t.left[i] == -1 {
		return f.leaf(i, group, weight)
	}
	split := tree.Split{Test: tree.Less, MissingLeft: t.defaultLeft[i] == 1, Threshold: float64(t.conditions[i])}
	left, right := t.left[i], t.right[i]
	for _, c := range []int32{left, right} {
		if c < 1 || int(c) >= len(t.left) {
			return 0, fmt.Errorf("its child is %d, want 1 to %d: %w", c, len(t.left)-1, ErrInvalid)
		}
	}
	switch d := t.defaultLeft[i]; {
	case d != 0 && d != 1:
		return 0, fmt.Errorf("default_left is %d, want 0 or 1: %w", d, ErrInvalid)
	case t.indices[i] < 0 || int(t.indices[i]) >= f.Columns:
		return 0, fmt.Errorf("split_indices is %d, want 0 to %d: %w", t.indices[i], f.Columns-1, ErrInvalid)
	}
	split.Feature = uint32(t.indices[i])
	switch kind := t.splitType(i); {
	case kind == 1:
		// What is in the set goes right, and everything else left, also values that are
		// no category.
		var err error
		if split.Set, split.SetWords, err = f.set(i); err != nil {
			return 0, err
		}
		split.Test, split.Unsigned, split.Threshold = tree.Member, true, 0
		left, right = right, left
		split.MissingLeft = !split.MissingLeft
	case kind != 0:
		return 0, fmt.Errorf("split_type is %d, want 0 or 1: %w", kind, ErrInvalid)
	case math.IsNaN(split.Threshold):
		return 0, fmt.Errorf("split_conditions is NaN, want a number: %w", ErrInvalid)
	}
	if len(f.Splits) == math.MaxInt32 {
		return 0, fmt.Errorf("more than %d splits: %w", math.MaxInt32, ErrUnsupported)
	}
	ref := int32(len(f.Splits))
	f.Splits = append(f.Splits, split)
	w.stack = append(w.stack, visit{right, ref, false}, visit{left, ref, true})
	return ref, nil
}

// leaf adds a leaf and returns its reference.
func (f *forest) leaf(i int32, group uint32, weight float32) (int32, error) {
	t := &f.lists
	values, err := t.leafValues(i)
	if err != nil {
		return 0, err
	}
	for j, v := range values {
		v = float32(v * weight)
		if !finite(v) {
			return 0, fmt.Errorf("leaf value %v with weight %v, want finite numbers: %w", values[j], weight, ErrInvalid)
		}
		score := group
		if len(values) > 1 {
			score = uint32(j)
		}
		f.Weights = append(f.Weights, tree.Weight{Value: float64(v), Score: score})
	}
	if len(f.Weights) > math.MaxInt32 {
		return 0, fmt.Errorf("more than %d leaf values: %w", math.MaxInt32, ErrUnsupported)
	}
	f.Leaves = append(f.Leaves, uint32(len(f.Weights)))
	return ^int32(len(f.Leaves) - 2), nil
}

// maxCategory is the largest category that XGBoost knows: the next is the first whole
// number that float32 does not have a follower of.
const maxCategory = 1<<24 - 1

// set adds the set of categories of a node's split.
func (f *forest) set(i int32) (start, words uint32, err error) {
	t := &f.lists
	categories := t.categoriesOf(i)
	largest := int32(-1)
	for _, c := range categories {
		if c < 0 || c > maxCategory {
			return 0, 0, fmt.Errorf("category %d, want 0 to %d: %w", c, maxCategory, ErrInvalid)
		}
		largest = max(largest, c)
	}
	words = uint32(largest+32) / 32
	if f.words -= int(words); f.words < 0 {
		return 0, 0, fmt.Errorf("sets of categories up to %d take more memory than a file of this size may ask for: %w",
			largest, ErrUnsupported)
	}
	start = uint32(len(f.Sets))
	f.Sets = append(f.Sets, make([]uint32, words)...)
	for _, c := range categories {
		f.Sets[start+uint32(c)/32] |= 1 << (c % 32)
	}
	return start, words, nil
}
