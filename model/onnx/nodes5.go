package onnx

import (
	"fmt"
	"math"

	"rollproof/model"
	"rollproof/model/tree"
)

// readNodes reads the attributes of a TreeEnsemble. It fills the ensemble's leaves,
// each of which has one weight, and returns the nodes.
func readNodes(b *builder, e *tree.Ensemble, columns int) (*nodes, error) {
	n := &nodes{features: b.ints("nodes_featureids"), tracks: b.ints("nodes_missing_value_tracks_true")}
	whenTrue, whenFalse := b.ints("nodes_truenodeids"), b.ints("nodes_falsenodeids")
	trueLeaf, falseLeaf := b.ints("nodes_trueleafs"), b.ints("nodes_falseleafs")
	n.thresholds = b.tensorReals("nodes_splits")
	weights, targets := b.tensorReals("leaf_weights"), b.ints("leaf_targetids")
	members := b.tensorReals("membership_values")
	b.tensorReals("nodes_hitrates") // statistics of the training, of no use here
	roots := b.ints("tree_roots")
	modes := b.tensor("nodes_modes")
	count := b.integer("n_targets", 1)
	if b.err != nil {
		return nil, b.err
	}
	if modes == nil || modes.Datatype != model.Uint8 {
		return nil, fmt.Errorf("nodes_modes is no tensor of UINT8: %w", ErrInvalid)
	}
	missing := len(n.tracks)
	if missing == 0 {
		missing = len(n.features)
	}
	for _, list := range []struct {
		name      string
		got, want int
	}{
		{"nodes_modes", len(modes.Ints), len(n.features)},
		{"nodes_splits", len(n.thresholds), len(n.features)},
		{"nodes_truenodeids", len(whenTrue), len(n.features)},
		{"nodes_falsenodeids", len(whenFalse), len(n.features)},
		{"nodes_trueleafs", len(trueLeaf), len(n.features)},
		{"nodes_falseleafs", len(falseLeaf), len(n.features)},
		{"nodes_missing_value_tracks_true", missing, len(n.features)},
		{"leaf_targetids", len(targets), len(weights)},
	} {
		if list.got != list.want {
			return nil, fmt.Errorf("%s has %d entries, want %d: %w", list.name, list.got, list.want, ErrInvalid)
		}
	}
	if len(n.features) == 0 || len(n.features) > math.MaxInt32 || len(weights) > math.MaxInt32 {
		return nil, fmt.Errorf("%d nodes and %d leaves: %w", len(n.features), len(weights), ErrInvalid)
	}
	if err := targetsOf(e, count, targets, "leaf_targetids"); err != nil {
		return nil, err
	}
	e.Leaves = make([]uint32, len(weights)+1)
	e.Weights = make([]tree.Weight, len(weights))
	for i, w := range weights {
		e.Leaves[i+1] = uint32(i + 1)
		e.Weights[i] = tree.Weight{Value: w, Score: uint32(targets[i])}
	}
	if err := n.readModes(modes.Ints, members); err != nil {
		return nil, err
	}
	n.width(e, columns)
	var err error
	if n.left, err = references("nodes_truenodeids", whenTrue, trueLeaf, len(n.features), len(weights)); err != nil {
		return nil, err
	}
	if n.right, err = references("nodes_falsenodeids", whenFalse, falseLeaf, len(n.features), len(weights)); err != nil {
		return nil, err
	}
	return n, n.readRoots(roots, whenTrue, whenFalse)
}

// tensorReals reads a tensor of floats or doubles.
func (b *builder) tensorReals(name string) []float64 {
	if v := b.tensor(name); v != nil {
		return b.realTensor(name, v)
	}
	return nil
}

// readModes reads the modes and gives each set its members: they stand in one list,
// in the order of the nodes, with NaN behind each set.
func (n *nodes) readModes(modes []int64, members []float64) error {
	n.modes = make([]mode, len(modes))
	n.members = make([][]float64, len(modes))
	for i, m := range modes {
		if m < 0 || m > treeEnsembleMostModes {
			return fmt.Errorf("nodes_modes[%d] is %d, want 0 to %d: %w", i, m, treeEnsembleMostModes, ErrUnsupported)
		}
		n.modes[i] = mode(m)
		if n.modes[i] != branchMember {
			continue
		}
		end := 0
		for end < len(members) && members[end] == members[end] {
			end++
		}
		n.members[i] = members[:end]
		members = members[min(end+1, len(members)):]
	}
	return nil
}

// references makes one list of two: nodes >= 0, leaves as ^place.
func references(name string, ids, isLeaf []int64, nodes, leaves int) ([]int32, error) {
	refs := make([]int32, len(ids))
	for i, id := range ids {
		limit := nodes
		if isLeaf[i] != 0 {
			limit = leaves
		}
		if id < 0 || id >= int64(limit) {
			return nil, fmt.Errorf("%s[%d] is %d, want 0 to %d: %w", name, i, id, limit-1, ErrInvalid)
		}
		if refs[i] = int32(id); isLeaf[i] != 0 {
			refs[i] = ^int32(id)
		}
	}
	return refs, nil
}

// readRoots reads the roots. A root both of whose children are the same leaf is a tree
// that never splits.
func (n *nodes) readRoots(roots, whenTrue, whenFalse []int64) error {
	for i, r := range roots {
		if r < 0 || r >= int64(len(n.modes)) {
			return fmt.Errorf("tree_roots[%d] is %d, want 0 to %d: %w", i, r, len(n.modes)-1, ErrInvalid)
		}
		ref := int32(r)
		if n.left[r] < 0 && n.left[r] == n.right[r] && whenTrue[r] == whenFalse[r] {
			ref = n.left[r]
		}
		n.roots = append(n.roots, ref)
	}
	return nil
}
