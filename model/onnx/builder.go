package onnx

import (
	"errors"
	"fmt"
	"slices"

	"rollproof/model"
)

// operand is a value of the graph as far as it is known when the file is read.
type operand struct {
	name string
	slot int
	// datatype is always known.
	datatype model.Datatype
	// shape has Any where a size is not known; nil if not even the rank is.
	shape []int64
	// constant is the value itself, if the file decides it.
	constant *model.Value
	// labels are the classes that the indices of the last dimension stand for.
	labels []string
}

// rank is the number of dimensions, -1 if it is not known.
func (o *operand) rank() int {
	if o.shape == nil {
		return -1
	}
	return len(o.shape)
}

// size returns the size of a dimension, Any if it is not known.
func (o *operand) size(axis int) int64 {
	if axis < 0 || axis >= len(o.shape) {
		return model.Any
	}
	return o.shape[axis]
}

// operator compiles a node of one kind.
type operator struct {
	// least and most are the numbers of inputs, outputs the most outputs.
	least, most, outputs int
	// opset is the first version of the domain that has it.
	opset int64
	build func(b *builder) error
}

// builder is a node being compiled: its operands, attributes and, when it is done,
// its steps. The first wrong attribute sticks.
type builder struct {
	compiler *compiler
	node     *nodeProto
	opset    int64
	ins      []*operand // nil where an optional input is not given
	outs     []*operand
	read     map[string]bool
	steps    []step
	err      error
}

// in returns input i, nil if it is not given.
func (b *builder) in(i int) *operand {
	if i >= len(b.ins) {
		return nil
	}
	return b.ins[i]
}

// output says what output i is. Outputs that nobody asked for need no description.
func (b *builder) output(i int, d model.Datatype, shape []int64) {
	if i < len(b.outs) {
		b.outs[i].datatype, b.outs[i].shape = d, shape
	}
}

// emit adds the node's step, from all of its inputs to all of its outputs and scratch.
func (b *builder) emit(run kernel, scratch ...int) {
	in := make([]int, len(b.ins))
	for i, o := range b.ins {
		in[i] = -1
		if o != nil {
			in[i] = o.slot
		}
	}
	var out []int
	for _, o := range b.outs {
		out = append(out, o.slot)
	}
	b.step(run, in, append(out, scratch...))
}

// step adds a step of the node between any slots.
func (b *builder) step(run kernel, in, out []int) {
	b.steps = append(b.steps, step{node: b.node, run: run, in: in, out: out})
}

// scratch returns a slot for a kernel's working memory.
func (b *builder) scratch() int { return b.compiler.newSlot() }

// want refuses input i unless its datatype is one of those.
func (b *builder) want(i int, types ...model.Datatype) error {
	if o := b.in(i); o != nil && !slices.Contains(types, o.datatype) {
		return fmt.Errorf("input %d, %q, is %s, want one of %v: %w", i, o.name, o.datatype, types, ErrInvalid)
	}
	return nil
}

// wantNumbers refuses inputs that are not numbers of one type, and returns it.
func (b *builder) wantNumbers() (model.Datatype, error) {
	d := b.ins[0].datatype
	for i, o := range b.ins {
		if !isNumber(o.datatype) {
			return "", fmt.Errorf("input %d, %q, is %s: %w here", i, o.name, o.datatype, ErrUnsupported)
		}
		if o.datatype != d {
			return "", fmt.Errorf("input %d, %q, is %s, want %s as the first is: %w", i, o.name, o.datatype, d, ErrInvalid)
		}
	}
	return d, nil
}

// constantInts returns the whole numbers of input i if the file decides them.
func (b *builder) constantInts(i int) (list []int64, known bool) {
	o := b.in(i)
	if o == nil || o.constant == nil || o.datatype.Storage() != model.Ints {
		return nil, false
	}
	return o.constant.Ints, true
}

// The values of AttributeProto.AttributeType that are used.
const (
	kindFloat   = 1
	kindInt     = 2
	kindString  = 3
	kindTensor  = 4
	kindFloats  = 6
	kindInts    = 7
	kindStrings = 8
)

// attribute returns the attribute of that name, nil if there is none.
func (b *builder) attribute(name string, kind int64) *attributeProto {
	b.read[name] = true
	a := b.node.attributes[name]
	if a == nil {
		return nil
	}
	if (a.kind != kind && a.kind != 0) || a.other || (a.tensor != nil) != (kind == kindTensor) {
		b.err = errors.Join(b.err, fmt.Errorf("attribute %q has type %d, want %d: %w", name, a.kind, kind, ErrInvalid))
		return nil
	}
	return a
}

func (b *builder) has(name string) bool { return b.node.attributes[name] != nil }

func (b *builder) integer(name string, otherwise int64) int64 {
	if a := b.attribute(name, kindInt); a != nil {
		return a.integer
	}
	return otherwise
}

func (b *builder) number(name string, otherwise float32) float32 {
	if a := b.attribute(name, kindFloat); a != nil {
		return a.number
	}
	return otherwise
}

func (b *builder) text(name, otherwise string) string {
	if a := b.attribute(name, kindString); a != nil {
		return a.text
	}
	return otherwise
}

func (b *builder) ints(name string) []int64 {
	if a := b.attribute(name, kindInts); a != nil {
		return a.ints
	}
	return nil
}

func (b *builder) floats(name string) []float32 {
	if a := b.attribute(name, kindFloats); a != nil {
		return a.floats
	}
	return nil
}

// byteTexts is texts without a copy of each.
func (b *builder) byteTexts(name string) [][]byte {
	if a := b.attribute(name, kindStrings); a != nil {
		return a.strings
	}
	return nil
}

func (b *builder) texts(name string) []string {
	var list []string
	for _, s := range b.byteTexts(name) {
		list = append(list, string(s))
	}
	return list
}

// tensor returns nil if there is no such attribute.
func (b *builder) tensor(name string) *model.Value {
	a := b.attribute(name, kindTensor)
	if a == nil {
		return nil
	}
	_, v, err := parseTensor(a.tensor)
	if err != nil {
		b.err = errors.Join(b.err, fmt.Errorf("attribute %q: %w", name, err))
		return nil
	}
	return v
}

// onlyKnown refuses attributes that were not read, as each may change the answer.
func (b *builder) onlyKnown() error {
	var unknown []string
	for name := range b.node.attributes {
		if !b.read[name] {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return fmt.Errorf("attribute %q is %w", slices.Min(unknown), ErrUnsupported)
}

// axisOf makes an axis that may count from the end one that counts from the front.
func axisOf(axis int64, rank int) (int, error) {
	if axis < -int64(rank) || axis >= int64(rank) {
		return 0, fmt.Errorf("axis %d of %d dimensions: %w", axis, rank, ErrInvalid)
	}
	if axis < 0 {
		axis += int64(rank)
	}
	return int(axis), nil
}
