package xgboost

import (
	"fmt"
	"slices"
	"strconv"
)

// lists is one tree as a file has it: a list for each property, with an element for
// each node. The root is node 0. The memory is used for the next tree again.
type lists struct {
	id          string
	nodes       string
	leafVector  string
	left        []int32 // -1 in a leaf
	right       []int32 // in a leaf -1, or the leaf's number (with vectors, from 3.2 on)
	indices     []int32 // the column that is tested
	conditions  []float32
	defaultLeft []int32
	splitTypes  []int32 // 1 where the split is of categories; none before 1.3
	// The categories of split i stand in categories[segments[k]:][:sizes[k]], where
	// categoryNodes[k] is i. slots is k for each node, else -1, and empty without any.
	categories, categoryNodes, segments, sizes, slots []int32
	// vector is the length of each leaf's values. Above 1 they are in leafValues (by the
	// leaf's number), else in baseWeights (by node); vectors says where.
	vector      int
	vectors     []float32
	byNumber    bool
	baseWeights int // position, -1 if there are none
	taken       int // of vectors, by leaves
}

// read reads a tree.
func (t *lists) read(s source) error {
	t.reset()
	err := s.object(func(key string) (err error) {
		switch key {
		case "id":
			t.id, err = s.scalar()
		case "tree_param":
			return s.object(func(key string) (err error) {
				switch key {
				case "num_nodes":
					t.nodes, err = s.scalar()
				case "size_leaf_vector":
					t.leafVector, err = s.scalar()
				default:
					err = s.skip()
				}
				return err
			})
		case "split_conditions":
			t.conditions, err = s.floats(t.conditions[:0])
		case "leaf_weights":
			t.byNumber = true
			t.vectors, err = s.floats(t.vectors[:0])
		case "base_weights":
			t.baseWeights = s.position()
			err = s.skip()
		default:
			if list := t.whole(key); list != nil {
				*list, err = s.integers((*list)[:0])
				return err
			}
			err = s.skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	return t.readVectors(s)
}

// reset forgets the tree before.
func (t *lists) reset() {
	t.id, t.nodes, t.leafVector = "", "", ""
	t.conditions, t.vectors = t.conditions[:0], t.vectors[:0]
	for _, key := range []string{"left_children", "right_children", "split_indices", "default_left", "split_type",
		"categories", "categories_nodes", "categories_segments", "categories_sizes"} {
		list := t.whole(key)
		*list = (*list)[:0]
	}
	t.slots = t.slots[:0]
	t.byNumber, t.baseWeights, t.vector, t.taken = false, -1, 1, 0
}

// whole is the list of whole numbers with that name, nil if none is needed.
func (t *lists) whole(key string) *[]int32 {
	switch key {
	case "left_children":
		return &t.left
	case "right_children":
		return &t.right
	case "split_indices":
		return &t.indices
	case "default_left":
		return &t.defaultLeft
	case "split_type":
		return &t.splitTypes
	case "categories":
		return &t.categories
	case "categories_nodes":
		return &t.categoryNodes
	case "categories_segments":
		return &t.segments
	case "categories_sizes":
		return &t.sizes
	}
	return nil
}

// readVectors goes back for the values of leaves that are vectors. Only tree_param,
// which comes last, says that there are any.
func (t *lists) readVectors(s source) error {
	if t.leafVector == "" {
		return nil
	}
	n, err := strconv.ParseInt(t.leafVector, 10, 32)
	if err != nil || n < 0 {
		return fmt.Errorf("size_leaf_vector is %q, want a whole number: %w", t.leafVector, ErrInvalid)
	}
	t.vector = max(int(n), 1) // 0 before 2.0
	if t.vector == 1 || t.byNumber || t.baseWeights < 0 {
		return nil
	}
	behind := s.position()
	s.seek(t.baseWeights)
	t.vectors, err = s.floats(t.vectors[:0])
	s.seek(behind)
	return err
}

// check compares the lists' lengths, and finds the categories of each node.
func (t *lists) check(outputs int) error {
	n := len(t.left)
	if n == 0 {
		return fmt.Errorf("left_children is empty or missing, want one element for each node: %w", ErrInvalid)
	}
	for _, list := range []struct {
		name   string
		length int
	}{
		{"right_children", len(t.right)},
		{"split_indices", len(t.indices)},
		{"split_conditions", len(t.conditions)},
		{"default_left", len(t.defaultLeft)},
	} {
		if list.length != n {
			return fmt.Errorf("%s has %d elements, left_children %d: %w", list.name, list.length, n, ErrInvalid)
		}
	}
	switch {
	case len(t.splitTypes) != 0 && len(t.splitTypes) != n:
		return fmt.Errorf("split_type has %d elements, left_children %d: %w", len(t.splitTypes), n, ErrInvalid)
	case t.nodes != "" && t.nodes != strconv.Itoa(n):
		return fmt.Errorf("num_nodes is %q, left_children has %d elements: %w", t.nodes, n, ErrInvalid)
	case t.vector > 1 && t.vector != outputs:
		return fmt.Errorf("size_leaf_vector is %d, want 1 or the number of outputs, %d: %w", t.vector, outputs, ErrInvalid)
	case t.vector > 1 && !t.byNumber && len(t.vectors) != n*t.vector:
		return fmt.Errorf("base_weights has %d elements, want %d for %d nodes: %w", len(t.vectors), n*t.vector, n, ErrInvalid)
	}
	return t.findCategories()
}

// findCategories fills slots.
func (t *lists) findCategories() error {
	if len(t.segments) != len(t.categoryNodes) || len(t.sizes) != len(t.categoryNodes) {
		return fmt.Errorf("categories_segments has %d and categories_sizes %d elements, categories_nodes %d: %w",
			len(t.segments), len(t.sizes), len(t.categoryNodes), ErrInvalid)
	}
	if len(t.categoryNodes) == 0 {
		return nil
	}
	t.slots = slices.Grow(t.slots, len(t.left))[:len(t.left)]
	for i := range t.slots {
		t.slots[i] = -1
	}
	total := 0
	for k, node := range t.categoryNodes {
		if node < 0 || int(node) >= len(t.left) || t.slots[node] >= 0 {
			return fmt.Errorf("categories_nodes[%d] is %d, want each node (0 to %d) once: %w", k, node, len(t.left)-1, ErrInvalid)
		}
		t.slots[node] = int32(k)
		start, size := int(t.segments[k]), int(t.sizes[k])
		total += size
		if start < 0 || size < 0 || start+size > len(t.categories) || total > len(t.categories) {
			return fmt.Errorf("node %d: its categories are %d from %d on, of %d in all: %w", node, size, start, len(t.categories), ErrInvalid)
		}
	}
	return nil
}

// splitType is 1 for a split of categories, else 0.
func (t *lists) splitType(i int32) int32 {
	if len(t.splitTypes) == 0 {
		return 0
	}
	return t.splitTypes[i]
}

// categoriesOf are those that a node's split sends right.
func (t *lists) categoriesOf(i int32) []int32 {
	if len(t.slots) == 0 || t.slots[i] < 0 {
		return nil
	}
	k := t.slots[i]
	return t.categories[t.segments[k]:][:t.sizes[k]]
}

// leafValues are the values of the leaf that is node i.
func (t *lists) leafValues(i int32) ([]float32, error) {
	if t.vector == 1 {
		if t.right[i] != -1 {
			return nil, fmt.Errorf("right_children is %d where left_children is -1: %w", t.right[i], ErrInvalid)
		}
		return t.conditions[i : i+1], nil
	}
	at := i
	if t.byNumber {
		at = t.right[i]
	}
	if at < 0 || int(at) >= len(t.vectors)/t.vector {
		return nil, fmt.Errorf("the leaf's number is %d, want 0 to %d: %w", at, len(t.vectors)/t.vector-1, ErrInvalid)
	}
	if t.taken += t.vector; t.taken > len(t.vectors) {
		return nil, fmt.Errorf("the tree has more leaves than leaf_weights: %w", ErrInvalid)
	}
	return t.vectors[int(at)*t.vector:][:t.vector], nil
}
