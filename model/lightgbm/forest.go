package lightgbm

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"rollproof/model/tree"
)

const (
	treeKey    = "Tree="
	endOfTrees = "end of trees"
)

// forest gathers the trees.
type forest struct {
	header   *header
	ensemble tree.Ensemble
	// least and most value of all leaves.
	least, most float64
	// scratch of one tree, used again by the next.
	text treeText
}

// newForest returns a forest without trees.
func newForest(h *header) *forest {
	return &forest{
		header: h,
		ensemble: tree.Ensemble{
			Columns: h.columns, Scores: h.perIteration, Leaves: []uint32{0},
		},
		least: math.Inf(1), most: math.Inf(-1),
	}
}

// readTrees reads all trees. What follows them (importances, parameters, categories of
// pandas) does not change a prediction and is left.
func (f *forest) readTrees(l *lines) error {
	for l.rest != "" {
		line := l.peek()
		if line == "" {
			l.next()
			continue
		}
		if !strings.HasPrefix(line, treeKey) {
			break
		}
		l.next()
		name := "tree " + shortened(line[len(treeKey):])
		at := l.number
		if err := f.text.read(l, f.header.columns); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := f.add(&f.text); err != nil {
			return fmt.Errorf("%s at line %d: %w", name, at, err)
		}
	}
	trees := len(f.ensemble.Roots)
	switch h := f.header; {
	case h.trees >= 0 && trees != h.trees:
		return fmt.Errorf("line %d: %d trees, but tree_sizes has %d: %w", l.number, trees, h.trees, ErrInvalid)
	case trees == 0:
		return fmt.Errorf("line %d: no trees: nothing was trained: %w", l.number, ErrUnsupported)
	case trees%h.perIteration != 0:
		return fmt.Errorf("line %d: %d trees, want a multiple of num_tree_per_iteration=%d: %w",
			l.number, trees, h.perIteration, ErrInvalid)
	case h.average:
		f.ensemble.Divisor = float64(trees / h.perIteration)
	}
	return nil
}

// zero is LightGBM's kZeroThreshold: the float 1e-35 as a double.
const zero = 1.0000000180025095e-35

// add appends a tree. Splits are numbered anew, each above its parent; a walk from the
// root finds a split or leaf that is reached twice or never.
func (f *forest) add(t *treeText) error {
	e := &f.ensemble
	score := uint32(len(e.Roots) % f.header.perIteration)
	leaf := int32(len(e.Leaves) - 1)
	set := uint32(len(e.Sets))
	if uint64(leaf)+uint64(t.leaves) > math.MaxInt32 || uint64(set)+uint64(len(t.sets)) > math.MaxUint32 {
		return fmt.Errorf("more leaves or sets in all than can be numbered: %w", ErrUnsupported)
	}
	for _, value := range t.values {
		e.Weights = append(e.Weights, tree.Weight{Value: value, Score: score})
		e.Leaves = append(e.Leaves, uint32(len(e.Weights)))
		f.least, f.most = min(f.least, value), max(f.most, value)
	}
	if t.leaves == 1 {
		e.Roots = append(e.Roots, ^leaf)
		return nil
	}
	e.Sets = append(e.Sets, t.sets...)
	e.Roots = append(e.Roots, int32(len(e.Splits)))
	return f.walk(t, leaf, set)
}

// walk appends the splits from the root down, parents before children.
func (f *forest) walk(t *treeText, leaf int32, set uint32) error {
	e := &f.ensemble
	base := len(e.Splits)
	seen := make([]bool, t.leaves)
	t.order = append(t.order[:0], 0)
	for at := 0; at < len(t.order); at++ {
		node := t.order[at]
		s, err := t.split(node)
		if err != nil {
			return err
		}
		if s.Test == tree.Member {
			s.Set += set
		}
		for side, child := range [2]int{t.left[node], t.right[node]} {
			to := &s.Left
			if side == 1 {
				to = &s.Right
			}
			if child < 0 {
				if seen[^child] {
					return fmt.Errorf("leaf %d is reached twice: %w", ^child, ErrInvalid)
				}
				seen[^child] = true
				*to = ^(leaf + int32(^child))
				continue
			}
			// A child that is reached twice makes the walk longer than the tree.
			if len(t.order) >= t.leaves-1 {
				return fmt.Errorf("split %d is reached twice, from split %d the second time: %w", child, node, ErrInvalid)
			}
			*to = int32(base + len(t.order))
			t.order = append(t.order, child)
		}
		e.Splits = append(e.Splits, s)
	}
	if len(t.order) != t.leaves-1 {
		return fmt.Errorf("%d of %d splits are reached from the root: %w", len(t.order), t.leaves-1, ErrInvalid)
	}
	return nil
}

// The bits of decision_type.
const (
	categorical  = 1
	defaultLeft  = 2
	missingShift = 2
	missingZero  = 1
	missingNaN   = 2
)

// split is one split without its children.
func (t *treeText) split(node int) (tree.Split, error) {
	s := tree.Split{Feature: uint32(t.features[node]), Threshold: t.thresholds[node]}
	decision := 0
	if len(t.decisions) > 0 {
		decision = t.decisions[node]
	}
	if decision&categorical != 0 {
		return t.member(node, s)
	}
	// LightGBM takes values within zero as 0 before it compares, so none of them may
	// fall on two sides of a threshold there.
	switch {
	case s.Threshold >= -zero && s.Threshold < 0:
		s.Threshold = math.Nextafter(-zero, -1)
	case s.Threshold >= 0 && s.Threshold < zero:
		s.Threshold = zero
	}
	switch decision >> missingShift {
	case missingZero:
		s.ZeroMissing = true
		s.MissingLeft = decision&defaultLeft != 0
	case missingNaN:
		s.MissingLeft = decision&defaultLeft != 0
	default: // NaN counts as 0
		s.MissingLeft = s.Threshold >= 0
	}
	return s, nil
}

// member is a categorical split: its threshold says which of the tree's sets is the
// one of the categories that go left. NaN, negative and unknown ones go right.
func (t *treeText) member(node int, s tree.Split) (tree.Split, error) {
	number := s.Threshold
	if number != math.Trunc(number) || number < 0 || number >= float64(t.categoricals) {
		return s, fmt.Errorf("split %d: threshold %s is no index of the %d sets of num_cat: %w",
			node, strconv.FormatFloat(number, 'g', -1, 64), t.categoricals, ErrInvalid)
	}
	from, to := t.boundaries[int(number)], t.boundaries[int(number)+1]
	s.Threshold = 0
	s.Test, s.Set, s.SetWords = tree.Member, uint32(from), uint32(to-from)
	return s, nil
}
