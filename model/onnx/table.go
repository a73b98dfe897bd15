package onnx

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"rollproof/model"
	"rollproof/model/tree"
)

// table is the attributes of TreeEnsembleClassifier and TreeEnsembleRegressor: parallel
// lists, one entry a node or a weight, and names of nodes instead of places; see
// https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleClassifier.html.
type table struct {
	nodes
	trees, ids, whenTrue, whenFalse  []int64
	weightTrees, weightNodes, scores []int64
	weights                          []float64
	// prefix of the weights' attributes: "class" or "target".
	prefix string
	runs   []run
}

// run is the nodes of one tree, which follow one another in the lists.
type run struct {
	tree     int64
	from, to int32
	// first is the first node's id; they count up from it unless places is there.
	first  int64
	places map[int64]int32
}

// readTable reads the attributes.
func readTable(b *builder, prefix string) (*table, error) {
	t := &table{prefix: prefix}
	t.trees = b.ints("nodes_treeids")
	t.ids = b.ints("nodes_nodeids")
	t.features = b.ints("nodes_featureids")
	t.whenTrue = b.ints("nodes_truenodeids")
	t.whenFalse = b.ints("nodes_falsenodeids")
	t.tracks = b.ints("nodes_missing_value_tracks_true")
	t.thresholds = b.reals("nodes_values")
	t.weightTrees = b.ints(prefix + "_treeids")
	t.weightNodes = b.ints(prefix + "_nodeids")
	t.scores = b.ints(prefix + "_ids")
	t.weights = b.reals(prefix + "_weights")
	b.reals("nodes_hitrates") // statistics of the training, of no use here
	names := b.byteTexts("nodes_modes")
	if b.err != nil {
		return nil, b.err
	}
	if err := t.sameLengths(len(names)); err != nil {
		return nil, err
	}
	t.modes = make([]mode, len(names))
	for i, name := range names {
		switch string(name) {
		case "LEAF":
			t.modes[i] = leafMode
		case "BRANCH_LEQ":
			t.modes[i] = branchLessEqual
		case "BRANCH_LT":
			t.modes[i] = branchLess
		case "BRANCH_GTE":
			t.modes[i] = branchGreaterEqual
		case "BRANCH_GT":
			t.modes[i] = branchGreater
		case "BRANCH_EQ":
			t.modes[i] = branchEqual
		case "BRANCH_NEQ":
			t.modes[i] = branchNotEqual
		default:
			return nil, fmt.Errorf("nodes_modes[%d] is %q, which is %w", i, name, ErrUnsupported)
		}
	}
	return t, nil
}

// reals reads a list of floats, or the tensor that may stand in for it.
func (b *builder) reals(name string) []float64 {
	var list []float64
	if v := b.tensor(name + "_as_tensor"); v != nil {
		return b.realTensor(name+"_as_tensor", v)
	}
	if singles := b.floats(name); len(singles) > 0 {
		list = make([]float64, len(singles))
		for i, x := range singles {
			list[i] = float64(x)
		}
	}
	return list
}

// realTensor returns the elements of a tensor of floats or doubles.
func (b *builder) realTensor(name string, v *model.Value) []float64 {
	switch v.Datatype {
	case model.FP64:
		return v.Doubles
	case model.FP32, model.FP16:
		list := make([]float64, len(v.Floats))
		for i, x := range v.Floats {
			list[i] = float64(x)
		}
		return list
	}
	b.err = fmt.Errorf("attribute %q is a tensor of %s, want FP32 or FP64: %w", name, v.Datatype, ErrInvalid)
	return nil
}

// sameLengths makes sure that parallel lists are parallel.
func (t *table) sameLengths(modes int) error {
	nodes, weights := len(t.trees), len(t.weightTrees)
	missing := len(t.tracks)
	if missing == 0 {
		missing = nodes
	}
	for _, list := range []struct {
		name      string
		got, want int
	}{
		{"nodes_nodeids", len(t.ids), nodes},
		{"nodes_featureids", len(t.features), nodes},
		{"nodes_modes", modes, nodes},
		{"nodes_values", len(t.thresholds), nodes},
		{"nodes_truenodeids", len(t.whenTrue), nodes},
		{"nodes_falsenodeids", len(t.whenFalse), nodes},
		{"nodes_missing_value_tracks_true", missing, nodes},
		{t.prefix + "_nodeids", len(t.weightNodes), weights},
		{t.prefix + "_ids", len(t.scores), weights},
		{t.prefix + "_weights", len(t.weights), weights},
	} {
		if list.got != list.want {
			return fmt.Errorf("%s has %d entries, want %d: %w", list.name, list.got, list.want, ErrInvalid)
		}
	}
	if nodes == 0 || nodes > math.MaxInt32 || weights > math.MaxInt32 {
		return fmt.Errorf("%d nodes and %d weights: %w", nodes, weights, ErrInvalid)
	}
	return nil
}

// width sets the ensemble's columns: those of the input, or where the file does not
// say what it needs.
func (n *nodes) width(e *tree.Ensemble, columns int) {
	e.Columns = columns
	if columns == 0 {
		e.Columns = 1
		for i, f := range n.features {
			if n.modes[i] != leafMode && f < tree.MaxColumns {
				e.Columns = max(e.Columns, int(f)+1)
			}
		}
	}
}

// layOut turns the operator's lists into the evaluator's. It refuses anything that is
// not a set of trees: a node met twice, a tree with no root or with two, nodes that no
// root reaches.
func (t *table) layOut(e *tree.Ensemble) error {
	if err := t.findRuns(); err != nil {
		return err
	}
	leaf, err := t.leaves(e)
	if err != nil {
		return err
	}
	if err := t.link(leaf); err != nil {
		return err
	}
	branches, err := t.nodes.layOut(e)
	if err != nil {
		return err
	}
	// Of n branches that a tree's root reaches n+1 leaves are reached too.
	if reached := 2*branches + len(t.roots); reached != len(t.trees) {
		return fmt.Errorf("%d nodes of %d are reached from a root: %w", reached, len(t.trees), ErrInvalid)
	}
	return nil
}

// findRuns finds each tree's nodes. Exporters write them together and number them in
// order, so that a node's place follows from its id.
func (t *table) findRuns() error {
	at := map[int64]int{}
	for i := 0; i < len(t.trees); {
		r := run{tree: t.trees[i], from: int32(i), first: t.ids[i]}
		dense := true
		for ; i < len(t.trees) && t.trees[i] == r.tree; i++ {
			dense = dense && t.ids[i] == r.first+int64(int32(i)-r.from)
		}
		r.to = int32(i)
		if _, twice := at[r.tree]; twice {
			t.regroup()
			return t.findRuns()
		}
		at[r.tree] = len(t.runs)
		if !dense {
			r.places = make(map[int64]int32, r.to-r.from)
			for j := r.from; j < r.to; j++ {
				if first, twice := r.places[t.ids[j]]; twice {
					return fmt.Errorf("node %d of tree %d is given at %d and at %d: %w", t.ids[j], r.tree, first, j, ErrInvalid)
				}
				r.places[t.ids[j]] = j
			}
		}
		t.runs = append(t.runs, r)
	}
	return nil
}

// regroup puts the nodes of each tree together, the trees in the order of their ids.
func (t *table) regroup() {
	t.runs = nil
	order := make([]int32, len(t.trees))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(t.trees[a], t.trees[b]) })
	for _, list := range []*[]int64{&t.trees, &t.ids, &t.features, &t.whenTrue, &t.whenFalse, &t.tracks} {
		permute(list, order)
	}
	permute(&t.thresholds, order)
	permute(&t.modes, order)
}

// permute orders a list that is not empty.
func permute[T any](list *[]T, order []int32) {
	if len(*list) == 0 {
		return
	}
	sorted := make([]T, len(order))
	for i, from := range order {
		sorted[i] = (*list)[from]
	}
	*list = sorted
}

// find returns the place of a node of the run.
func (r *run) find(id int64) (int32, bool) {
	if r.places != nil {
		place, ok := r.places[id]
		return place, ok
	}
	offset := uint64(id) - uint64(r.first)
	return r.from + int32(offset), offset < uint64(r.to-r.from)
}

// leaves gathers each leaf's weights and returns, for every node of the lists, the
// index of its leaf. Weights of nodes that are no leaves are of no use; ONNX Runtime
// passes over them too.
func (t *table) leaves(e *tree.Ensemble) ([]int32, error) {
	byTree := make(map[int64]*run, len(t.runs))
	for i := range t.runs {
		byTree[t.runs[i].tree] = &t.runs[i]
	}
	leaf := make([]int32, len(t.trees))
	n := int32(0)
	for i, m := range t.modes {
		if leaf[i] = -1; m == leafMode {
			leaf[i] = n
			n++
		}
	}
	owners := make([]int32, len(t.weightTrees))
	e.Leaves = make([]uint32, n+1)
	var r *run
	for i, id := range t.weightTrees {
		if r == nil || r.tree != id {
			r = byTree[id]
		}
		var place int32
		ok := r != nil
		if ok {
			place, ok = r.find(t.weightNodes[i])
		}
		if !ok {
			return nil, fmt.Errorf("%s_nodeids[%d] is %d, which is no node of tree %d: %w",
				t.prefix, i, t.weightNodes[i], id, ErrInvalid)
		}
		if owners[i] = leaf[place]; owners[i] >= 0 {
			e.Leaves[owners[i]+1]++
		}
	}
	for i := range n {
		e.Leaves[i+1] += e.Leaves[i]
	}
	next := slices.Clone(e.Leaves)
	e.Weights = make([]tree.Weight, e.Leaves[n])
	for i, owner := range owners {
		if owner < 0 {
			continue
		}
		score := uint32(t.scores[i])
		if e.Scores == 1 {
			score = 0
		}
		e.Weights[next[owner]] = tree.Weight{Value: t.weights[i], Score: score}
		next[owner]++
	}
	return leaf, nil
}

// link finds every node's children and each tree's one node without parent. A node
// with two parents is refused here, so that every walk is of a tree.
func (t *table) link(leaf []int32) error {
	t.left, t.right = make([]int32, len(t.trees)), make([]int32, len(t.trees))
	parents := make([]bool, len(t.trees))
	reference := func(place int32) int32 {
		if leaf[place] >= 0 {
			return ^leaf[place]
		}
		return place
	}
	for k := range t.runs {
		r := &t.runs[k]
		child := func(i int32, id int64, list string) (int32, error) {
			place, ok := r.find(id)
			if !ok {
				return 0, fmt.Errorf("%s[%d] is %d, which is no node of tree %d: %w", list, i, id, r.tree, ErrInvalid)
			}
			if parents[place] {
				return 0, fmt.Errorf("node %d of tree %d has two parents: %w", id, r.tree, ErrInvalid)
			}
			parents[place] = true
			return reference(place), nil
		}
		for i := r.from; i < r.to; i++ {
			if t.modes[i] == leafMode {
				continue
			}
			var err error
			if t.left[i], err = child(i, t.whenTrue[i], "nodes_truenodeids"); err != nil {
				return err
			}
			if t.right[i], err = child(i, t.whenFalse[i], "nodes_falsenodeids"); err != nil {
				return err
			}
		}
		root := int32(-1)
		for i := r.from; i < r.to; i++ {
			if parents[i] {
				continue
			}
			if root >= 0 {
				return fmt.Errorf("tree %d has two roots, nodes %d and %d: %w", r.tree, t.ids[root], t.ids[i], ErrInvalid)
			}
			root = i
		}
		if root < 0 {
			return fmt.Errorf("tree %d has no root, its nodes form a cycle: %w", r.tree, ErrInvalid)
		}
		t.roots = append(t.roots, reference(root))
	}
	return nil
}
