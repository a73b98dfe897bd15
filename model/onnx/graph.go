package onnx

import (
	"fmt"

	"rollproof/model"
)

// value is what a name in the graph stands for while the nodes are followed.
type value int

const (
	valueInput value = iota + 1
	valueLabel
	valueProbabilities
)

// compile follows the graph. The nodes of an ONNX graph are in topological order, so
// one pass suffices and a cycle shows as a name that is used before it is made.
func (m *modelProto) compile() (*model.Artifact, error) {
	a := &model.Artifact{Format: "onnx_v1"}
	values := map[string]value{}
	if err := m.graph.input(a, values); err != nil {
		return nil, err
	}
	for i := range m.graph.nodes {
		n := &m.graph.nodes[i]
		made, err := m.apply(n, a, values)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.String(), err)
		}
		for j, name := range n.outputs {
			if name == "" {
				continue // an optional output that nobody wants
			}
			if _, taken := values[name]; taken {
				return nil, fmt.Errorf("%s: gives %q, which is there already: %w", n.String(), name, ErrInvalid)
			}
			if j < len(made) {
				values[name] = made[j]
			}
		}
	}
	return a, m.graph.output(a, values)
}

// apply takes one node and returns what its outputs stand for.
func (m *modelProto) apply(n *nodeProto, a *model.Artifact, values map[string]value) ([]value, error) {
	var source value
	for _, name := range n.inputs {
		v, ok := values[name]
		if !ok {
			return nil, fmt.Errorf("takes %q, which is not there yet: %w", name, ErrInvalid)
		}
		source = v
	}
	if len(n.inputs) != 1 {
		return nil, fmt.Errorf("%d inputs, want 1: %w", len(n.inputs), ErrUnsupported)
	}
	opset := m.opsets[n.domain]
	if opset == 0 {
		return nil, fmt.Errorf("the model declares no operator set of that domain: %w", ErrInvalid)
	}
	switch {
	case n.domain == "ai.onnx.ml" && n.operator == "TreeEnsembleClassifier":
		if opset > 4 {
			return nil, fmt.Errorf("operator set %d, want 1 to 4: %w", opset, ErrUnsupported)
		}
		if source != valueInput || a.Classifier != nil {
			return nil, fmt.Errorf("is not the only ensemble, right behind the input: %w", ErrUnsupported)
		}
		if len(n.outputs) != 2 {
			return nil, fmt.Errorf("%d outputs, want 2: %w", len(n.outputs), ErrInvalid)
		}
		var err error
		a.Classifier, err = n.treeEnsemble(int(a.Input.Shape[1]))
		return []value{valueLabel, valueProbabilities}, err
	case n.domain == "ai.onnx" && n.operator == "Identity":
		return []value{source}, nil
	case n.domain == "ai.onnx" && n.operator == "Cast":
		return []value{source}, n.castKeeps(source)
	case n.domain == "ai.onnx.ml" && n.operator == "ZipMap":
		return nil, fmt.Errorf("operator set %d: a sequence of maps is %w: export with the option zipmap=False",
			opset, ErrUnsupported)
	}
	return nil, fmt.Errorf("operator set %d: the operator is %w", opset, ErrUnsupported)
}

// castKeeps refuses a Cast that changes a value: exporters write casts to the type
// that is there already, and only those are followed.
func (n *nodeProto) castKeeps(source value) error {
	to := n.attributes["to"]
	want := int64(elementFloat)
	if source == valueLabel {
		want = elementInt64
	}
	if to == nil || to.integer != want {
		got := int64(0)
		if to != nil {
			got = to.integer
		}
		return fmt.Errorf("casts to data type %d, want %d, which the value has already: %w",
			got, want, ErrUnsupported)
	}
	return nil
}

// input describes the graph's one input.
func (g *graphProto) input(a *model.Artifact, values map[string]value) error {
	if len(g.inputs) != 1 {
		return fmt.Errorf("graph %q has %d inputs, want 1: %w", g.name, len(g.inputs), ErrUnsupported)
	}
	in := g.inputs[0]
	if in.element != elementFloat {
		return fmt.Errorf("input %q has data type %d, want %d (float): %w",
			in.name, in.element, elementFloat, ErrUnsupported)
	}
	if len(in.shape) != 2 || in.shape[1] < 1 || in.shape[1] > maxColumns {
		return fmt.Errorf("input %q has shape %v, want [-1 columns] with 1 to %d columns: %w",
			in.name, in.shape, maxColumns, ErrUnsupported)
	}
	a.Input = model.Tensor{
		Name: in.name, Datatype: model.FP32, Shape: []int64{model.Rows, in.shape[1]},
	}
	values[in.name] = valueInput
	return nil
}

// output describes the graph's outputs: a label and probabilities, in any order.
func (g *graphProto) output(a *model.Artifact, values map[string]value) error {
	if a.Classifier == nil {
		return fmt.Errorf("graph %q has no tree ensemble: %w", g.name, ErrUnsupported)
	}
	for _, out := range g.outputs {
		switch values[out.name] {
		case valueLabel:
			a.Label = model.Tensor{Name: out.name, Datatype: model.INT64, Shape: []int64{model.Rows}}
		case valueProbabilities:
			a.Probabilities = model.Tensor{
				Name: out.name, Datatype: model.FP32,
				Shape: []int64{model.Rows, int64(a.Classes())},
			}
		default:
			return fmt.Errorf("output %q is not what the ensemble gives: %w", out.name, ErrInvalid)
		}
	}
	if len(g.outputs) != 2 || a.Label.Name == "" || a.Probabilities.Name == "" {
		return fmt.Errorf("graph %q has %d outputs, want a label and probabilities: %w",
			g.name, len(g.outputs), ErrUnsupported)
	}
	return nil
}
