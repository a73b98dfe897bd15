package onnx

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The tests write ONNX themselves, so that each can be wrong in one way.

type message []byte

func (m message) varint(number protowire.Number, v int64) message {
	return protowire.AppendVarint(protowire.AppendTag(m, number, protowire.VarintType), uint64(v))
}

func (m message) bytes(number protowire.Number, v []byte) message {
	return protowire.AppendBytes(protowire.AppendTag(m, number, protowire.BytesType), v)
}

func (m message) text(number protowire.Number, v string) message {
	return m.bytes(number, []byte(v))
}

func ints(name string, values ...int64) message {
	var packed []byte
	for _, v := range values {
		packed = protowire.AppendVarint(packed, uint64(v))
	}
	return message{}.text(1, name).bytes(8, packed).varint(20, kindInts)
}

// unpackedFloats is a list in the form that protobuf 2 writers prefer, not packed.
func unpackedFloats(name string, values ...float32) message {
	m := message{}.text(1, name)
	for _, v := range values {
		m = protowire.AppendFixed32(protowire.AppendTag(m, 7, protowire.Fixed32Type), math.Float32bits(v))
	}
	return m.varint(20, kindFloats)
}

func texts(name string, values ...string) message {
	m := message{}.text(1, name)
	for _, v := range values {
		m = m.text(9, v)
	}
	return m.varint(20, kindStrings)
}

func text(name, value string) message {
	return message{}.text(1, name).text(4, value).varint(20, kindString)
}

func node(operator, domain, name string, inputs, outputs []string, attributes ...message) message {
	m := message{}
	for _, i := range inputs {
		m = m.text(1, i)
	}
	for _, o := range outputs {
		m = m.text(2, o)
	}
	m = m.text(3, name).text(4, operator)
	for _, a := range attributes {
		m = m.bytes(5, a)
	}
	return m.text(7, domain)
}

func tensorValue(name string, element int64, shape ...int64) message {
	dimensions := message{}
	for _, size := range shape {
		d := message{}
		if size >= 0 {
			d = d.varint(1, size)
		}
		dimensions = dimensions.bytes(1, d)
	}
	tensor := message{}.varint(1, element).bytes(2, dimensions)
	return message{}.text(1, name).bytes(2, message{}.bytes(1, tensor))
}

// stump is what a test's file is made of: one tree of one split on column 1 at 0.5.
type stump struct {
	attributes []message
	nodes      []message
	inputs     []message
	outputs    []message
	opsets     []message
	extra      message
}

func newStump() *stump {
	return &stump{
		attributes: []message{
			ints("classlabels_int64s", 7, 9),
			ints("nodes_treeids", 0, 0, 0),
			ints("nodes_nodeids", 0, 1, 2),
			ints("nodes_featureids", 1, 0, 0),
			texts("nodes_modes", "BRANCH_LEQ", "LEAF", "LEAF"),
			unpackedFloats("nodes_values", 0.5, 0, 0),
			ints("nodes_truenodeids", 1, 0, 0),
			ints("nodes_falsenodeids", 2, 0, 0),
			ints("class_treeids", 0, 0),
			ints("class_nodeids", 1, 2),
			ints("class_ids", 0, 0),
			unpackedFloats("class_weights", -1, 2),
			unpackedFloats("base_values", 0.25),
			text("post_transform", "LOGISTIC"),
		},
		inputs:  []message{tensorValue("X", elementFloat, -1, 2)},
		outputs: []message{tensorValue("label", elementInt64, -1), tensorValue("p", elementFloat, -1, 2)},
		opsets:  []message{message{}.text(1, "ai.onnx.ml").varint(2, 1), message{}.varint(2, 15)},
	}
}

// set replaces the attribute of the same name, or adds it.
func (s *stump) set(a message) *stump {
	parsed, err := parseAttribute(field{kind: protowire.BytesType, bytes: a})
	if err != nil {
		panic(err)
	}
	for i, old := range s.attributes {
		if o, err := parseAttribute(field{kind: protowire.BytesType, bytes: old}); err == nil && o.name == parsed.name {
			s.attributes[i] = a
			return s
		}
	}
	s.attributes = append(s.attributes, a)
	return s
}

func (s *stump) encode() []byte {
	nodes := s.nodes
	if nodes == nil {
		nodes = []message{s.ensemble("label", "p")}
	}
	graph := message{}
	for _, n := range nodes {
		graph = graph.bytes(1, n)
	}
	graph = graph.text(2, "stump")
	for _, v := range s.inputs {
		graph = graph.bytes(11, v)
	}
	for _, v := range s.outputs {
		graph = graph.bytes(12, v)
	}
	graph = append(graph, s.extra...)
	m := message{}.varint(1, 8).bytes(7, graph)
	for _, o := range s.opsets {
		m = m.bytes(8, o)
	}
	return m
}

func (s *stump) ensemble(outputs ...string) message {
	return node("TreeEnsembleClassifier", "ai.onnx.ml", "trees", []string{"X"}, outputs, s.attributes...)
}
