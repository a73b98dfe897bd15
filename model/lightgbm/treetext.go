package lightgbm

import (
	"fmt"
	"math"
	"strconv"
)

// treeText is one tree as it stands in the file: lists with one value a split or leaf.
type treeText struct {
	leaves int
	// of the splits
	features, decisions, left, right []int
	thresholds                       []float64
	// of the leaves
	values []float64
	// categoricals is the number of sets; set i is sets[boundaries[i]:boundaries[i+1]].
	categoricals int
	boundaries   []int
	sets         []uint32
	// order of the walk
	order []int
}

// read reads the lines to the next empty one. Its cost is that of the lines: num_leaves
// is a claim that the lists must fulfil.
func (t *treeText) read(l *lines, columns int) error {
	leaves, categoricals := field{key: "num_leaves"}, field{key: "num_cat"}
	feature, threshold, decision := field{key: "split_feature"}, field{key: "threshold"}, field{key: "decision_type"}
	left, right, value := field{key: "left_child"}, field{key: "right_child"}, field{key: "leaf_value"}
	boundaries, sets := field{key: "cat_boundaries"}, field{key: "cat_threshold"}
	linear := field{key: "is_linear"}
	fields := []*field{&leaves, &categoricals, &feature, &threshold, &decision, &left, &right, &value, &boundaries, &sets, &linear}
	for {
		line, ok := l.next()
		if !ok || line == "" {
			break
		}
		if err := take(fields, line, l.number); err != nil {
			return err
		}
	}
	for _, f := range []*field{&leaves, &categoricals, &value} {
		if !f.set {
			return fmt.Errorf("line %d: the tree ends without %s: %w", l.number, f.key, ErrInvalid)
		}
	}
	if linear.set {
		if on, err := linear.integer(0, 1); err != nil {
			return err
		} else if on == 1 {
			return linear.errorf("a tree with linear models in its leaves is %w: train with linear_tree=false", ErrUnsupported)
		}
	}
	var err error
	if t.leaves, err = leaves.integer(1, math.MaxInt32); err != nil {
		return err
	}
	if t.values, err = value.doubles(t.values, t.leaves); err != nil {
		return err
	}
	if t.leaves == 1 {
		return nil // LightGBM reads no more of it either
	}
	for _, f := range []*field{&feature, &threshold, &left, &right} {
		if !f.set {
			return fmt.Errorf("line %d: the tree ends without %s: %w", l.number, f.key, ErrInvalid)
		}
	}
	splits := t.leaves - 1
	if t.features, err = feature.integers(t.features, splits, 0, columns-1); err != nil {
		return err
	}
	if t.thresholds, err = threshold.doubles(t.thresholds, splits); err != nil {
		return err
	}
	if t.left, err = left.integers(t.left, splits, -t.leaves, splits-1); err != nil {
		return err
	}
	if t.right, err = right.integers(t.right, splits, -t.leaves, splits-1); err != nil {
		return err
	}
	if err := t.readDecisions(&decision, splits); err != nil {
		return err
	}
	if t.categoricals, err = categoricals.integer(0, splits); err != nil || t.categoricals == 0 {
		t.boundaries, t.sets = t.boundaries[:0], t.sets[:0]
		return err
	}
	return t.readSets(&boundaries, &sets)
}

// readDecisions reads decision_type; without it every split is numeric, NaN is 0.
func (t *treeText) readDecisions(f *field, splits int) error {
	t.decisions = t.decisions[:0]
	if !f.set {
		return nil
	}
	var err error
	if t.decisions, err = f.integers(t.decisions, splits, 0, 11); err != nil {
		return fmt.Errorf("%w (bits: 1 categorical, 2 default left, 4 zero is missing, 8 NaN is missing)", err)
	}
	return nil
}

// readSets reads the sets of categories.
func (t *treeText) readSets(boundaries, sets *field) error {
	if !boundaries.set || !sets.set {
		return fmt.Errorf("num_cat is %d, but there is no cat_boundaries or no cat_threshold: %w", t.categoricals, ErrInvalid)
	}
	// A category is an int32, so a set of more words holds none that exists.
	const mostWords = 1 << 26
	var err error
	if t.boundaries, err = boundaries.integers(t.boundaries, t.categoricals+1, 0, math.MaxInt32); err != nil {
		return err
	}
	for i, to := range t.boundaries[1:] {
		if from := t.boundaries[i]; to < from || to-from > mostWords {
			return boundaries.errorf("set %d is from %d to %d, want at most %d words: %w", i, from, to, mostWords, ErrInvalid)
		}
	}
	t.sets = t.sets[:0]
	return sets.each(t.boundaries[t.categoricals], func(i int, word string) error {
		bits, err := strconv.ParseUint(word, 10, 32)
		if err != nil {
			return sets.errorf("value %d is %q, want 32 bits as a whole number: %w", i, shortened(word), ErrInvalid)
		}
		t.sets = append(t.sets, uint32(bits))
		return nil
	})
}
