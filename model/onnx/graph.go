package onnx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"rollproof/model"
)

// The newest versions of the domains whose operators are known here.
const (
	newestCore = 24
	newestML   = 5
)

// compiler follows a graph and makes a program of it. The nodes of an ONNX graph are
// in topological order, so one pass suffices and a cycle shows as a name that is used
// before it is made.
type compiler struct {
	model    *modelProto
	program  program
	artifact model.Artifact
	values   map[string]*operand
	// operators by domain and name.
	operators map[string]map[string]operator
	// folded is what may still be spent on computing constants.
	folded frame
}

// The budget of computing constants when the file is read. What does not fit stays
// a step.
const (
	foldBytes = 1 << 26
	foldWork  = 1 << 26
)

// compile makes the artifact.
func (m *modelProto) compile() (*model.Artifact, error) {
	c := &compiler{
		model: m, values: map[string]*operand{},
		operators: map[string]map[string]operator{"ai.onnx": coreOperators(), "ai.onnx.ml": mlOperators()},
	}
	c.artifact.Format = "onnx_v1"
	c.artifact.Summary.Producer = strings.TrimSpace(m.producer + " " + m.version)
	c.folded.bytes, c.folded.work = foldBytes, foldWork
	if err := c.inputs(); err != nil {
		return nil, err
	}
	for i := range m.graph.nodes {
		n := &m.graph.nodes[i]
		if err := c.node(n); err != nil {
			return nil, fmt.Errorf("%s, operator set %d: %w", n.String(), m.opsets[n.domain], err)
		}
	}
	if err := c.outputs(); err != nil {
		return nil, err
	}
	p := c.link()
	c.artifact.Predictor = p
	for _, v := range p.constants {
		c.artifact.Summary.Bytes += int64(4*len(v.Floats) + 8*len(v.Doubles) + 8*len(v.Ints))
		for _, s := range v.Texts {
			c.artifact.Summary.Bytes += int64(16 + len(s))
		}
	}
	return &c.artifact, nil
}

func (c *compiler) newSlot() int {
	c.program.slots++
	return c.program.slots - 1
}

// define gives a name to an operand.
func (c *compiler) define(name string, o *operand) error {
	if _, taken := c.values[name]; taken {
		return fmt.Errorf("gives %q, which is there already: %w", name, ErrInvalid)
	}
	c.values[name] = o
	return nil
}

// inputs describes the graph's inputs and constants. Old files list the constants
// among the inputs too.
func (c *compiler) inputs() error {
	g := c.model.graph
	for _, init := range g.initializers {
		o := &operand{
			name: init.name, slot: c.newSlot(), datatype: init.value.Datatype,
			shape: init.value.Shape, constant: init.value,
		}
		if err := c.define(init.name, o); err != nil {
			return fmt.Errorf("graph %q, its initializers: %w", g.name, err)
		}
	}
	for _, in := range g.inputs {
		if o := c.values[in.name]; o != nil && o.constant != nil {
			continue
		}
		d, err := datatypeOf(in.element)
		if err != nil {
			return fmt.Errorf("input %q is no tensor that is served: %w", in.name, err)
		}
		if in.shape == nil {
			return fmt.Errorf("input %q has no shape, want a number of dimensions at least: %w", in.name, ErrUnsupported)
		}
		shape := slices.Clone(in.shape)
		for i, size := range shape {
			if size < 0 || (i == 0 && size == 0) {
				shape[i] = model.Any // some exporters write 0 for a size they do not know
			}
		}
		if _, err := count(slices.DeleteFunc(slices.Clone(shape), func(s int64) bool { return s < 0 })); err != nil {
			return fmt.Errorf("input %q: %w", in.name, err)
		}
		o := &operand{name: in.name, slot: c.newSlot(), datatype: d, shape: shape}
		if err := c.define(in.name, o); err != nil {
			return fmt.Errorf("input %q: %w", in.name, err)
		}
		c.program.inputs = append(c.program.inputs, o.slot)
		c.artifact.Inputs = append(c.artifact.Inputs, model.Tensor{Name: in.name, Datatype: d, Shape: slices.Clone(shape)})
	}
	if len(c.artifact.Inputs) == 0 {
		return fmt.Errorf("graph %q has no inputs: %w", g.name, ErrInvalid)
	}
	return nil
}

// builder gathers a node's operands.
func (c *compiler) builder(n *nodeProto) (*builder, *operator, error) {
	opset, declared := c.model.opsets[n.domain]
	kinds, known := c.operators[n.domain]
	newest := int64(newestCore)
	if n.domain == "ai.onnx.ml" {
		newest = newestML
	}
	op, ok := kinds[n.operator]
	switch {
	case !known || !ok:
		return nil, nil, fmt.Errorf("the operator is %w", ErrUnsupported)
	case !declared:
		return nil, nil, fmt.Errorf("the model declares no operator set of that domain: %w", ErrInvalid)
	case opset < 1 || opset > newest:
		return nil, nil, fmt.Errorf("the operator set is %w, want 1 to %d", ErrUnsupported, newest)
	case opset < op.opset:
		return nil, nil, fmt.Errorf("the operator is there from operator set %d on: %w", op.opset, ErrInvalid)
	}
	b := &builder{compiler: c, node: n, opset: opset, read: map[string]bool{}}
	for i, name := range n.inputs {
		if name == "" {
			if op.most == maxValues { // a list of them, none of which is optional
				return nil, nil, fmt.Errorf("input %d is not given: %w", i, ErrInvalid)
			}
			b.ins = append(b.ins, nil) // an optional input that is not given
			continue
		}
		o, ok := c.values[name]
		if !ok {
			return nil, nil, fmt.Errorf("takes %q, which is not there yet: %w", name, ErrInvalid)
		}
		if i >= op.most {
			return nil, nil, fmt.Errorf("%d inputs, want at most %d: %w", len(n.inputs), op.most, ErrInvalid)
		}
		b.ins = append(b.ins, o)
	}
	for i := range op.least {
		if b.in(i) == nil {
			return nil, nil, fmt.Errorf("%d inputs, want %d or more: %w", len(b.ins), op.least, ErrInvalid)
		}
	}
	if len(n.outputs) > op.outputs || len(n.outputs) == 0 {
		return nil, nil, fmt.Errorf("%d outputs, want 1 to %d: %w", len(n.outputs), op.outputs, ErrInvalid)
	}
	for _, name := range n.outputs {
		b.outs = append(b.outs, &operand{name: name, slot: c.newSlot()})
	}
	return b, &op, nil
}

// node compiles one node.
func (c *compiler) node(n *nodeProto) error {
	b, op, err := c.builder(n)
	if err != nil {
		return err
	}
	if err := op.build(b); err != nil {
		return errors.Join(b.err, err)
	}
	if b.err != nil {
		return b.err
	}
	if err := b.onlyKnown(); err != nil {
		return err
	}
	if err := c.fold(b); err != nil {
		return err
	}
	for _, o := range b.outs {
		if o.name == "" {
			continue // an optional output that nobody wants
		}
		if o.datatype == "" {
			return fmt.Errorf("gives no output %q: %w", o.name, ErrInvalid)
		}
		if err := c.define(o.name, o); err != nil {
			return err
		}
	}
	c.program.steps = append(c.program.steps, b.steps...)
	c.artifact.Summary.Operators = append(c.artifact.Summary.Operators, n.operator)
	return nil
}

// fold computes a node whose inputs the file decides, so that it takes no step.
func (c *compiler) fold(b *builder) error {
	if len(b.steps) == 0 {
		return nil
	}
	for _, o := range b.ins {
		if o != nil && o.constant == nil {
			return nil
		}
	}
	// The frame has only the slots that these steps touch; the others stay nil.
	f := &c.folded
	f.slots = slices.Grow(f.slots[:0], c.program.slots)[:c.program.slots]
	for _, s := range b.steps {
		for _, slot := range s.out {
			f.slots[slot] = &model.Value{}
		}
	}
	for _, o := range b.ins {
		if o != nil {
			f.slots[o.slot] = o.constant
		}
	}
	err := f.run(context.Background(), b.steps)
	if errors.Is(err, ErrTooLarge) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("computed with what the file itself gives: %w", err)
	}
	for _, o := range b.outs {
		o.constant = f.slots[o.slot]
		o.datatype, o.shape = o.constant.Datatype, o.constant.Shape
	}
	b.steps = nil
	return nil
}

// outputs describes the graph's outputs and makes each a slot of its own.
func (c *compiler) outputs() error {
	g := c.model.graph
	if len(g.outputs) == 0 {
		return fmt.Errorf("graph %q has no outputs: %w", g.name, ErrInvalid)
	}
	taken := map[int]bool{}
	for _, slot := range c.program.inputs {
		taken[slot] = true
	}
	names := map[string]bool{}
	for _, out := range g.outputs {
		o := c.values[out.name]
		if o == nil {
			return fmt.Errorf("output %q is nothing that an operator gives: %w", out.name, ErrInvalid)
		}
		if names[out.name] {
			return fmt.Errorf("output %q is given twice: %w", out.name, ErrInvalid)
		}
		names[out.name] = true
		t, err := out.describe(o)
		if err != nil {
			return err
		}
		c.artifact.Outputs = append(c.artifact.Outputs, t)
		slot := o.slot
		if o.constant != nil || taken[slot] {
			// Not an operator's own: the value is copied to where the caller wants it.
			slot = c.newSlot()
			c.program.steps = append(c.program.steps, step{
				node: &nodeProto{operator: "Identity", domain: "ai.onnx", name: out.name},
				run:  copyKernel, in: []int{o.slot}, out: []int{slot},
			})
		}
		taken[slot] = true
		c.program.outputs = append(c.program.outputs, slot)
		c.program.ranks = append(c.program.ranks, len(t.Shape))
	}
	return nil
}

// describe joins what the graph computes with what the file declares of an output.
func (v *valueProto) describe(o *operand) (model.Tensor, error) {
	t := model.Tensor{Name: v.name, Datatype: o.datatype, Shape: slices.Clone(o.shape), Labels: o.labels}
	if v.element != 0 {
		d, err := datatypeOf(v.element)
		if err != nil || d != o.datatype {
			return t, fmt.Errorf("output %q is declared as %s (element type %d), but is %s: %w",
				v.name, d, v.element, o.datatype, ErrInvalid)
		}
	}
	if o.shape == nil {
		if v.shape == nil {
			return t, fmt.Errorf("output %q has a number of dimensions that the file does not say: %w", v.name, ErrUnsupported)
		}
		// Of sizes that nothing here computes the declared ones are often wrong.
		t.Shape = slices.Repeat([]int64{model.Any}, len(v.shape))
	}
	return t, nil
}

// link moves the constants to the first slots and drops steps that nothing needs.
func (c *compiler) link() *program {
	p := &c.program
	needed := map[int]bool{}
	for _, slot := range p.outputs {
		needed[slot] = true
	}
	kept := p.steps[:0:0]
	for i := len(p.steps) - 1; i >= 0; i-- {
		s := p.steps[i]
		if !slices.ContainsFunc(s.out, func(slot int) bool { return needed[slot] }) {
			continue
		}
		for _, slot := range s.in {
			needed[slot] = true
		}
		kept = append(kept, s)
	}
	slices.Reverse(kept)
	p.steps = kept
	order := map[int]int{-1: -1}
	for _, o := range c.values {
		if _, known := order[o.slot]; o.constant != nil && needed[o.slot] && !known {
			order[o.slot] = len(p.constants)
			p.constants = append(p.constants, o.constant)
		}
	}
	next := len(p.constants)
	renumber := func(slots []int) {
		for i, slot := range slots {
			if _, known := order[slot]; !known {
				order[slot] = next
				next++
			}
			slots[i] = order[slot]
		}
	}
	renumber(p.inputs)
	renumber(p.outputs)
	for i := range p.steps {
		renumber(p.steps[i].in)
		renumber(p.steps[i].out)
	}
	p.slots = next
	return p
}
