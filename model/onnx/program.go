package onnx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"rollproof/model"
)

// ErrTooLarge says that a tensor would be larger than what is served.
var ErrTooLarge = errors.New("too large")

// The budget of one call of Predict, beside the inputs.
const (
	// maxBytes bounds the memory of all tensors that a call makes.
	maxBytes = 1 << 29
	// maxWork bounds the elements that are read and multiplied in a call.
	maxWork = 1 << 35
)

// program is a compiled graph: its operators in order, each reading and writing slots
// of a frame. It implements model.Predictor.
type program struct {
	steps []step
	// constants are the values of the first slots.
	constants []*model.Value
	// slots is the number of slots of a frame.
	slots int
	// inputs and outputs are the slots of the graph's inputs and outputs.
	inputs, outputs []int
	// ranks are the outputs' numbers of dimensions, which the file may have wrong.
	ranks  []int
	frames sync.Pool // of *frame
}

// step is one operator of a program.
type step struct {
	// node says whose step it is, for errors.
	node fmt.Stringer
	run  kernel
	// in and out are slots; -1 is an optional input that is not given.
	in, out []int
}

// kernel computes a step's outputs from its inputs.
type kernel func(ctx context.Context, c call) error

// call is a step under way in a frame.
type call struct {
	frame *frame
	step  *step
}

// frame is the working memory of one call of Predict.
type frame struct {
	// slots point at constants, at the caller's inputs and outputs, or into own.
	slots []*model.Value
	own   []model.Value
	// bytes and work are what is left of the budget.
	bytes, work int64
}

// in returns input i, nil if it is not given.
func (c call) in(i int) *model.Value {
	if i >= len(c.step.in) || c.step.in[i] < 0 {
		return nil
	}
	return c.frame.slots[c.step.in[i]]
}

// out returns output i.
func (c call) out(i int) *model.Value { return c.frame.slots[c.step.out[i]] }

// reset gives v, an output or scratch, a datatype and shape, within the budget.
func (c call) reset(v *model.Value, d model.Datatype, shape ...int64) error {
	n, err := count(shape)
	if err != nil {
		return err
	}
	size := int64(8)
	switch d.Storage() {
	case model.Floats:
		size = 4
	case model.Texts:
		size = 16
	}
	if n*size > c.frame.bytes {
		return fmt.Errorf("a tensor of shape %v, %d bytes, where %d of %d are left: %w",
			slices.Clone(shape), n*size, c.frame.bytes, maxBytes, ErrTooLarge)
	}
	c.frame.bytes -= n * size
	v.Reset(d, shape...)
	return nil
}

// labour takes elements to be read or multiplied from the budget.
func (c call) labour(elements int64) error {
	if elements < 0 || elements > c.frame.work {
		return fmt.Errorf("%d elements to reckon with, where %d of %d are left: %w",
			elements, c.frame.work, int64(maxWork), ErrTooLarge)
	}
	c.frame.work -= elements
	return nil
}

// newFrame returns a frame whose slots are constants and own memory.
func (p *program) newFrame() *frame {
	f := &frame{slots: make([]*model.Value, p.slots), own: make([]model.Value, p.slots-len(p.constants))}
	copy(f.slots, p.constants)
	for i := range f.own {
		f.slots[len(p.constants)+i] = &f.own[i]
	}
	return f
}

// Predict implements model.Predictor.
func (p *program) Predict(ctx context.Context, in, out []model.Value) error {
	f, ok := p.frames.Get().(*frame)
	if !ok {
		f = p.newFrame()
	}
	f.bytes, f.work = maxBytes, maxWork
	for i, slot := range p.inputs {
		f.slots[slot] = &in[i]
	}
	for i, slot := range p.outputs {
		f.slots[slot] = &out[i]
	}
	err := f.run(ctx, p.steps)
	for i, rank := range p.ranks {
		if err == nil && len(out[i].Shape) != rank {
			err = fmt.Errorf("output %d has the shape %v, the file declares %d dimensions: %w", i, out[i].Shape, rank, ErrInvalid)
		}
	}
	// The pool must not keep the caller's memory alive.
	for _, slot := range p.inputs {
		f.slots[slot] = nil
	}
	for _, slot := range p.outputs {
		f.slots[slot] = nil
	}
	p.frames.Put(f)
	return err
}

// run runs steps one after the other.
func (f *frame) run(ctx context.Context, steps []step) error {
	for i := range steps {
		s := &steps[i]
		if err := ctx.Err(); err != nil {
			return err
		}
		c := call{f, s}
		// A graph may read one large tensor many times.
		read := int64(0)
		for j := range s.in {
			if v := c.in(j); v != nil {
				read += int64(v.Len())
			}
		}
		err := c.labour(read)
		if err == nil {
			err = s.run(ctx, c)
		}
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("%s: %w", s.node, err)
		}
	}
	return nil
}
