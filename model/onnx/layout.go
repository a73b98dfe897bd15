package onnx

import (
	"fmt"
	"math"

	"rollproof/model/tree"
)

// key names a node within the operator.
type key struct{ tree, id int64 }

// layOut turns the operator's lists into the evaluator's: each tree's nodes follow
// one another in the order of a walk that goes left first, and leaves become indices.
// It refuses anything that is not a set of trees: a node met twice, a tree with no
// root or with two, nodes that no root reaches.
func (t *table) layOut(e *tree.Ensemble) error {
	index := make(map[key]int32, len(t.trees))
	for i := range t.trees {
		k := key{t.trees[i], t.ids[i]}
		if first, twice := index[k]; twice {
			return fmt.Errorf("node %d of tree %d is given at %d and at %d: %w", k.id, k.tree, first, i, ErrInvalid)
		}
		index[k] = int32(i)
	}
	leaf, err := t.leaves(e, index)
	if err != nil {
		return err
	}
	roots, err := t.roots(index)
	if err != nil {
		return err
	}
	w := walk{table: t, ensemble: e, index: index, leaf: leaf}
	e.Nodes = make([]tree.Node, 0, len(t.trees)/2)
	for _, root := range roots {
		if err := w.tree(root); err != nil {
			return err
		}
	}
	if w.seen != len(t.trees) {
		return fmt.Errorf("%d nodes of %d are reached from a root: %w", w.seen, len(t.trees), ErrInvalid)
	}
	return nil
}

// child returns where the node i's child of that id stands in the lists.
func (t *table) child(index map[key]int32, i int32, id int64, list string) (int32, error) {
	c, ok := index[key{t.trees[i], id}]
	if !ok {
		return 0, fmt.Errorf("%s[%d] is %d, which is no node of tree %d: %w", list, i, id, t.trees[i], ErrInvalid)
	}
	return c, nil
}

// isLeaf says whether node i is a leaf; modes other than LEAF and BRANCH_LEQ are
// ErrUnsupported.
func (t *table) isLeaf(i int32) (bool, error) {
	switch string(t.modes[i]) {
	case "LEAF":
		return true, nil
	case "BRANCH_LEQ":
		return false, nil
	}
	return false, fmt.Errorf("nodes_modes[%d] is %q, want BRANCH_LEQ or LEAF: %w", i, t.modes[i], ErrUnsupported)
}

// roots returns one node without parent a tree, in the order of the trees' first
// nodes. A node with two parents is refused here, so that every walk is of a tree.
func (t *table) roots(index map[key]int32) ([]int32, error) {
	parents := make([]bool, len(t.trees))
	for i := range int32(len(t.trees)) {
		leaf, err := t.isLeaf(i)
		if err != nil {
			return nil, err
		}
		if leaf {
			continue
		}
		left, err := t.child(index, i, t.whenTrue[i], "nodes_truenodeids")
		if err != nil {
			return nil, err
		}
		right, err := t.child(index, i, t.whenFalse[i], "nodes_falsenodeids")
		if err != nil {
			return nil, err
		}
		for _, c := range []int32{left, right} {
			if parents[c] {
				return nil, fmt.Errorf("node %d of tree %d has two parents: %w", t.ids[c], t.trees[c], ErrInvalid)
			}
			parents[c] = true
		}
	}
	var order []int64
	at := map[int64]int32{}
	for i, id := range t.trees {
		if _, known := at[id]; !known {
			at[id] = -1
			order = append(order, id)
		}
		if parents[i] {
			continue
		}
		if at[id] >= 0 {
			return nil, fmt.Errorf("tree %d has two roots, nodes %d and %d: %w", id, t.ids[at[id]], t.ids[i], ErrInvalid)
		}
		at[id] = int32(i)
	}
	list := make([]int32, 0, len(order))
	for _, id := range order {
		if at[id] < 0 {
			return nil, fmt.Errorf("tree %d has no root, its nodes form a cycle: %w", id, ErrInvalid)
		}
		list = append(list, at[id])
	}
	return list, nil
}

// leaves gathers each leaf's weights and returns, for every node of the lists, the
// index of its leaf or -1 where it is a branch.
func (t *table) leaves(e *tree.Ensemble, index map[key]int32) ([]int32, error) {
	counts := make([]uint32, len(t.trees))
	owners := make([]int32, len(t.weightTrees))
	for i := range t.weightTrees {
		k := key{t.weightTrees[i], t.weightNodes[i]}
		owner, ok := index[k]
		if !ok {
			return nil, fmt.Errorf("class_nodeids[%d] is %d, which is no node of tree %d: %w", i, k.id, k.tree, ErrInvalid)
		}
		leaf, err := t.isLeaf(owner)
		if err != nil {
			return nil, err
		}
		if !leaf {
			return nil, fmt.Errorf("class_nodeids[%d] is node %d of tree %d, which is no leaf: %w", i, k.id, k.tree, ErrInvalid)
		}
		owners[i] = owner
		counts[owner]++
	}
	leaf := make([]int32, len(t.trees))
	next := make([]uint32, len(t.trees))
	e.Leaves = []uint32{0}
	for i := range leaf {
		isLeaf, err := t.isLeaf(int32(i))
		if err != nil {
			return nil, err
		}
		if !isLeaf {
			leaf[i] = -1
			continue
		}
		last := e.Leaves[len(e.Leaves)-1]
		leaf[i], next[i] = int32(len(e.Leaves)-1), last
		e.Leaves = append(e.Leaves, last+counts[i])
	}
	e.Weights = make([]tree.Weight, len(owners))
	for i, owner := range owners {
		class := uint32(t.classes[i])
		if e.Scores == 1 {
			class = 0
		}
		e.Weights[next[owner]] = tree.Weight{Value: float64(t.weights[i]), Class: class}
		next[owner]++
	}
	return leaf, nil
}

// walk lays out one tree after the other. It keeps its own stack: a tree may be as
// deep as it has nodes.
type walk struct {
	table    *table
	ensemble *tree.Ensemble
	index    map[key]int32
	leaf     []int32
	seen     int
	stack    []visit
}

// visit is a node to lay out, and where its index is to be written.
type visit struct {
	at     int32
	parent int32
	left   bool
}

// tree lays out the tree of that root and adds it to the ensemble's roots.
func (w *walk) tree(root int32) error {
	e, t := w.ensemble, w.table
	e.Roots = append(e.Roots, 0)
	w.stack = append(w.stack[:0], visit{at: root, parent: -1})
	for len(w.stack) > 0 {
		v := w.stack[len(w.stack)-1]
		w.stack = w.stack[:len(w.stack)-1]
		w.seen++
		ref := ^w.leaf[v.at]
		if w.leaf[v.at] < 0 {
			ref = int32(len(e.Nodes))
			if t.features[v.at] < 0 || t.features[v.at] >= int64(e.Columns) {
				return fmt.Errorf("nodes_featureids[%d] is %d, want 0 to %d: %w",
					v.at, t.features[v.at], e.Columns-1, ErrInvalid)
			}
			if math.IsNaN(float64(t.thresholds[v.at])) {
				return fmt.Errorf("nodes_values[%d] is NaN: %w", v.at, ErrInvalid)
			}
			e.Nodes = append(e.Nodes, tree.Node{
				Threshold: t.thresholds[v.at],
				Feature:   uint32(t.features[v.at]),
			})
			left := w.index[key{t.trees[v.at], t.whenTrue[v.at]}]
			right := w.index[key{t.trees[v.at], t.whenFalse[v.at]}]
			w.stack = append(w.stack, visit{right, ref, false}, visit{left, ref, true})
		}
		switch {
		case v.parent < 0:
			e.Roots[len(e.Roots)-1] = ref
		case v.left:
			e.Nodes[v.parent].Left = ref
		default:
			e.Nodes[v.parent].Right = ref
		}
	}
	return nil
}
