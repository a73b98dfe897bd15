package onnx

import (
	"fmt"

	"rollproof/model"
)

// The messages of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto),
// with the fields that inference needs. Fields not listed are skipped.

// modelProto is ModelProto.
type modelProto struct {
	irVersion int64
	producer  string
	version   string // of the producer
	opsets    map[string]int64
	graph     *graphProto
	functions int
}

// graphProto is GraphProto.
type graphProto struct {
	name         string
	nodes        []nodeProto
	inputs       []valueProto
	outputs      []valueProto
	initializers []initializer
	// sparse counts the sparse initializers, which are not served.
	sparse int
}

// initializer is a constant of the graph.
type initializer struct {
	name  string
	value *model.Value
}

// nodeProto is NodeProto.
type nodeProto struct {
	name, operator, domain string
	inputs, outputs        []string
	attributes             map[string]*attributeProto
}

// attributeProto is AttributeProto. kind is its AttributeType; 0 where an old
// exporter left it out.
type attributeProto struct {
	name    string
	kind    int64
	number  float32
	integer int64
	text    string
	floats  []float32
	ints    []int64
	strings [][]byte
	// tensor is a TensorProto, not parsed yet; nil if there is none.
	tensor []byte
	// other says that there is a graph, a sparse tensor, a type or a reference.
	other bool
}

// valueProto is ValueInfoProto: a name, and its type if that is a tensor.
type valueProto struct {
	name string
	// element is TensorProto.DataType, 0 if the value is not a tensor.
	element int64
	// shape has -1 for a dimension without a fixed size; nil if no shape is given.
	shape []int64
}

// The limits that keep a hostile file from costing more than a multiple of its size.
const (
	maxNodes      = 1 << 14
	maxValues     = 1 << 12
	maxAttributes = 64
	maxDimensions = 8
)

// parseModel reads a ModelProto.
func parseModel(data []byte) (*modelProto, error) {
	m := &modelProto{opsets: map[string]int64{}}
	err := fields(data, func(f field) (err error) {
		switch f.number {
		case 1:
			m.irVersion, err = f.integer()
		case 2:
			m.producer, err = f.text()
		case 3:
			m.version, err = f.text()
		case 7:
			var b []byte
			if b, err = f.message(); err == nil {
				m.graph, err = parseGraph(b)
			}
		case 8:
			err = m.addOpset(f)
		case 25:
			m.functions++
		}
		return err
	})
	return m, err
}

// addOpset reads an OperatorSetIdProto. The domain "" has the synonym "ai.onnx".
func (m *modelProto) addOpset(f field) error {
	b, err := f.message()
	if err != nil {
		return err
	}
	var domain string
	var version int64
	err = fields(b, func(f field) (err error) {
		switch f.number {
		case 1:
			domain, err = f.text()
		case 2:
			version, err = f.integer()
		}
		return err
	})
	if len(m.opsets) >= maxValues {
		return fmt.Errorf("more than %d operator sets", maxValues)
	}
	m.opsets[domainName(domain)] = version
	return err
}

// domainName spells a domain in full.
func domainName(domain string) string {
	if domain == "" {
		return "ai.onnx"
	}
	return domain
}

// parseGraph reads a GraphProto.
func parseGraph(data []byte) (*graphProto, error) {
	g := &graphProto{}
	err := fields(data, func(f field) (err error) {
		switch f.number {
		case 1:
			if len(g.nodes) >= maxNodes {
				return fmt.Errorf("more than %d operators in the graph", maxNodes)
			}
			var n nodeProto
			n, err = parseNode(f)
			g.nodes = append(g.nodes, n)
		case 2:
			g.name, err = f.text()
		case 5:
			err = g.addInitializer(f)
		case 15:
			g.sparse++
		case 11:
			g.inputs, err = appendValue(g.inputs, f)
		case 12:
			g.outputs, err = appendValue(g.outputs, f)
		}
		return err
	})
	return g, err
}

// addInitializer reads a TensorProto. A file may hold as many as it has bytes for:
// each costs a multiple of its own length.
func (g *graphProto) addInitializer(f field) error {
	b, err := f.message()
	if err != nil {
		return err
	}
	name, v, err := parseTensor(b)
	g.initializers = append(g.initializers, initializer{name, v})
	return err
}

// parseNode reads a NodeProto.
func parseNode(f field) (nodeProto, error) {
	n := nodeProto{attributes: map[string]*attributeProto{}}
	b, err := f.message()
	if err != nil {
		return n, err
	}
	err = fields(b, func(f field) (err error) {
		switch f.number {
		case 1:
			n.inputs, err = appendText(n.inputs, f)
		case 2:
			n.outputs, err = appendText(n.outputs, f)
		case 3:
			n.name, err = f.text()
		case 4:
			n.operator, err = f.text()
		case 5:
			var a *attributeProto
			if a, err = parseAttribute(f); err != nil {
				return err
			}
			if _, twice := n.attributes[a.name]; twice {
				return fmt.Errorf("attribute %q is given twice", a.name)
			}
			if len(n.attributes) >= maxAttributes {
				return fmt.Errorf("more than %d attributes", maxAttributes)
			}
			n.attributes[a.name] = a
		case 7:
			n.domain, err = f.text()
		}
		return err
	})
	n.domain = domainName(n.domain)
	if err != nil {
		return n, fmt.Errorf("%s: %w", n.String(), err)
	}
	return n, nil
}

// String names the node the way errors do: operator, domain and the node's own name.
func (n *nodeProto) String() string {
	return fmt.Sprintf("operator %q of domain %q, node %q", n.operator, n.domain, n.name)
}

// appendText adds a repeated string of a node, of which there are few.
func appendText(list []string, f field) ([]string, error) {
	if len(list) >= maxValues {
		return nil, fmt.Errorf("more than %d inputs or outputs", maxValues)
	}
	s, err := f.text()
	return append(list, s), err
}

// parseAttribute reads an AttributeProto.
func parseAttribute(f field) (*attributeProto, error) {
	a := &attributeProto{}
	b, err := f.message()
	if err != nil {
		return nil, err
	}
	b, err = a.takeLists(b)
	if err != nil {
		return nil, fmt.Errorf("attribute %q: %w", a.name, err)
	}
	err = fields(b, func(f field) (err error) {
		switch f.number {
		case 1:
			a.name, err = f.text()
		case 2:
			a.number, err = f.float()
		case 3:
			a.integer, err = f.integer()
		case 4:
			a.text, err = f.text()
		case 5:
			a.tensor, err = f.message()
			if a.tensor == nil {
				a.tensor = []byte{}
			}
		case 6, 10, 11, 14, 15, 21, 22, 23:
			a.other = true
		case 7:
			a.floats, err = f.appendFloats(a.floats)
		case 8:
			a.ints, err = f.appendIntegers(a.ints)
		case 9:
			var s []byte
			s, err = f.message()
			a.strings = append(a.strings, s)
		case 20:
			a.kind, err = f.integer()
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("attribute %q: %w", a.name, err)
	}
	return a, nil
}

// appendValue reads a ValueInfoProto and adds it to list.
func appendValue(list []valueProto, f field) ([]valueProto, error) {
	if len(list) >= maxValues {
		return nil, fmt.Errorf("more than %d graph inputs or outputs", maxValues)
	}
	b, err := f.message()
	if err != nil {
		return nil, err
	}
	var v valueProto
	err = fields(b, func(f field) (err error) {
		switch f.number {
		case 1:
			v.name, err = f.text()
		case 2: // TypeProto
			err = nested(f, 1, v.addTensorType)
		}
		return err
	})
	return append(list, v), err
}

// addTensorType reads a TypeProto.Tensor.
func (v *valueProto) addTensorType(f field) error {
	b, err := f.message()
	if err != nil {
		return err
	}
	return fields(b, func(f field) (err error) {
		switch f.number {
		case 1:
			v.element, err = f.integer()
		case 2: // TensorShapeProto
			v.shape = []int64{}
			err = nested(f, 1, func(f field) error {
				if len(v.shape) >= maxDimensions {
					return fmt.Errorf("more than %d dimensions", maxDimensions)
				}
				size := int64(-1)
				err := nested(f, 1, func(f field) (err error) {
					size, err = f.integer()
					return err
				})
				v.shape = append(v.shape, size)
				return err
			})
		}
		return err
	})
}

// nested calls each with the fields of the message f that have the given number.
func nested(f field, number int, each func(field) error) error {
	b, err := f.message()
	if err != nil {
		return err
	}
	return fields(b, func(f field) error {
		if int(f.number) != number {
			return nil
		}
		return each(f)
	})
}
