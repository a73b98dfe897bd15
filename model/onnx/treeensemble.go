package onnx

import (
	"errors"
	"fmt"
	"math"

	"rollproof/model/tree"
)

// maxColumns bounds the width of a row.
const maxColumns = 1 << 20

// treeEnsemble compiles a TreeEnsembleClassifier for rows of that many columns. The
// operator's attributes are parallel lists, one entry a node or a weight; see
// https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleClassifier.html.
func (n *nodeProto) treeEnsemble(columns int) (*tree.Evaluator, error) {
	t := table{node: n}
	e := tree.Ensemble{Columns: columns}
	e.Labels = t.ints("classlabels_int64s")
	t.trees = t.ints("nodes_treeids")
	t.ids = t.ints("nodes_nodeids")
	t.features = t.ints("nodes_featureids")
	t.modes = t.strings("nodes_modes")
	t.thresholds = t.floats("nodes_values")
	t.whenTrue = t.ints("nodes_truenodeids")
	t.whenFalse = t.ints("nodes_falsenodeids")
	t.weightTrees = t.ints("class_treeids")
	t.weightNodes = t.ints("class_nodeids")
	t.classes = t.ints("class_ids")
	t.weights = t.floats("class_weights")
	missing := t.ints("nodes_missing_value_tracks_true")
	base := t.floats("base_values")
	t.floats("nodes_hitrates") // statistics of the training, of no use here
	transform := t.text("post_transform")
	if t.err != nil {
		return nil, t.err
	}
	if err := t.onlyKnown(); err != nil {
		return nil, err
	}
	if err := t.sameLengths(len(missing)); err != nil {
		return nil, err
	}
	for i, m := range missing {
		if m != 0 {
			return nil, fmt.Errorf("nodes_missing_value_tracks_true[%d] is %d, want 0: %w", i, m, ErrUnsupported)
		}
	}
	for _, b := range base {
		e.Base = append(e.Base, float64(b))
	}
	if err := t.scores(&e, transform); err != nil {
		return nil, err
	}
	if err := t.layOut(&e); err != nil {
		return nil, err
	}
	v, err := tree.Compile(e)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return v, nil
}

// table is the operator's attributes while they are read. The first error sticks.
type table struct {
	node *nodeProto
	read int
	err  error

	trees, ids, features, whenTrue, whenFalse []int64
	modes                                     [][]byte
	thresholds                                []float32
	weightTrees, weightNodes, classes         []int64
	weights                                   []float32
}

// The values of AttributeProto.AttributeType that are used.
const (
	kindString  = 3
	kindFloats  = 6
	kindInts    = 7
	kindStrings = 8
)

// attribute returns the attribute of that name, nil if there is none.
func (t *table) attribute(name string, kind int64) *attributeProto {
	a := t.node.attributes[name]
	if a == nil {
		return nil
	}
	t.read++
	if (a.kind != kind && a.kind != 0) || a.tensor {
		t.err = errors.Join(t.err, fmt.Errorf("attribute %q has type %d, want %d: %w", name, a.kind, kind, ErrInvalid))
		return nil
	}
	return a
}

func (t *table) ints(name string) []int64 {
	if a := t.attribute(name, kindInts); a != nil {
		return a.ints
	}
	return nil
}

func (t *table) floats(name string) []float32 {
	if a := t.attribute(name, kindFloats); a != nil {
		return a.floats
	}
	return nil
}

func (t *table) strings(name string) [][]byte {
	if a := t.attribute(name, kindStrings); a != nil {
		return a.strings
	}
	return nil
}

func (t *table) text(name string) string {
	if a := t.attribute(name, kindString); a != nil {
		return a.text
	}
	return ""
}

// onlyKnown refuses attributes that were not read, as each may change the answer.
func (t *table) onlyKnown() error {
	if t.read == len(t.node.attributes) {
		return nil
	}
	known := map[string]bool{
		"classlabels_int64s": true, "nodes_treeids": true, "nodes_nodeids": true,
		"nodes_featureids": true, "nodes_modes": true, "nodes_values": true,
		"nodes_truenodeids": true, "nodes_falsenodeids": true, "class_treeids": true,
		"class_nodeids": true, "class_ids": true, "class_weights": true,
		"nodes_missing_value_tracks_true": true, "base_values": true,
		"nodes_hitrates": true, "post_transform": true,
	}
	first := ""
	for name := range t.node.attributes {
		if !known[name] && (first == "" || name < first) {
			first = name
		}
	}
	return fmt.Errorf("attribute %q is %w", first, ErrUnsupported)
}

// sameLengths makes sure that parallel lists are parallel.
func (t *table) sameLengths(missing int) error {
	nodes, weights := len(t.trees), len(t.weightTrees)
	if missing == 0 {
		missing = nodes
	}
	for _, list := range []struct {
		name      string
		got, want int
	}{
		{"nodes_nodeids", len(t.ids), nodes},
		{"nodes_featureids", len(t.features), nodes},
		{"nodes_modes", len(t.modes), nodes},
		{"nodes_values", len(t.thresholds), nodes},
		{"nodes_truenodeids", len(t.whenTrue), nodes},
		{"nodes_falsenodeids", len(t.whenFalse), nodes},
		{"nodes_missing_value_tracks_true", missing, nodes},
		{"class_nodeids", len(t.weightNodes), weights},
		{"class_ids", len(t.classes), weights},
		{"class_weights", len(t.weights), weights},
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

// scores decides how many sums there are and what becomes of them. Two classes of
// which only one id ever gets a weight share one sum: it speaks for the second class,
// whichever of the two ids it is under. Exporters of binary boosting write that.
func (t *table) scores(e *tree.Ensemble, transform string) error {
	switch transform {
	case "", "NONE":
		e.Transform = tree.None
	case "LOGISTIC":
		e.Transform = tree.Logistic
	case "SOFTMAX":
		e.Transform = tree.Softmax
	default:
		return fmt.Errorf("post_transform %q is %w: want NONE, LOGISTIC or SOFTMAX", transform, ErrUnsupported)
	}
	if len(t.classes) == 0 {
		return fmt.Errorf("class_ids is empty: %w", ErrInvalid)
	}
	e.Scores = len(e.Labels)
	positive := true
	one := len(e.Labels) == 2
	for i, c := range t.classes {
		if c < 0 || c >= int64(len(e.Labels)) {
			return fmt.Errorf("class_ids[%d] is %d, want 0 to %d: %w", i, c, len(e.Labels)-1, ErrInvalid)
		}
		one = one && c == t.classes[0]
		positive = positive && t.weights[i] >= 0
	}
	if !one {
		return nil
	}
	e.Scores = 1
	if len(e.Base) == 2 {
		e.Base = e.Base[1:]
	}
	// With one sum, runtimes take weights that are all positive for a probability
	// and others for log-odds. What fits neither reading is refused.
	if positive != (e.Transform == tree.None) || e.Transform == tree.Softmax {
		return fmt.Errorf("post_transform %q with two classes, one sum and weights that are all positive (%t) is %w",
			transform, positive, ErrUnsupported)
	}
	return nil
}
