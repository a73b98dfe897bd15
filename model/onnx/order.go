package onnx

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"rollproof/model"
)

// buildArg compiles ArgMax and ArgMin: sign is 1 or -1.
func buildArg(sign int) func(b *builder) error {
	return func(b *builder) error {
		x := b.ins[0]
		if !isNumber(x.datatype) {
			return fmt.Errorf("input %q is %s: %w here", x.name, x.datatype, ErrUnsupported)
		}
		given := b.integer("axis", 0)
		keep := b.integer("keepdims", 1) != 0
		last := b.integer("select_last_index", 0) != 0
		b.output(0, model.Int64, nil)
		if x.shape != nil {
			if _, err := axisOf(given, x.rank()); err != nil {
				return err
			}
			shape, err := reducedShape(x.shape, []int64{given}, keep, false)
			if err != nil {
				return err
			}
			b.output(0, model.Int64, shape)
		}
		switch x.datatype.Storage() {
		case model.Floats:
			b.emit(argKernel[float32](given, keep, last, sign))
		case model.Doubles:
			b.emit(argKernel[float64](given, keep, last, sign))
		default:
			b.emit(argKernel[int64](given, keep, last, sign))
		}
		return nil
	}
}

// argKernel takes the first of equals, or the last.
func argKernel[T number](given int64, keep, last bool, sign int) kernel {
	return func(_ context.Context, c call) error {
		in, out := c.in(0), c.out(0)
		axis, err := axisOf(given, len(in.Shape))
		if err != nil {
			return err
		}
		var buffer [maxDimensions]int64
		shape := append(buffer[:0], in.Shape[:axis]...)
		if keep {
			shape = append(shape, 1)
		}
		shape = append(shape, in.Shape[axis+1:]...)
		if err := c.reset(out, model.Int64, shape...); err != nil {
			return err
		}
		outer, size, inner := around(in.Shape, axis)
		switch {
		case len(out.Ints) == 0:
			return nil
		case size == 0:
			return fmt.Errorf("dimension %d is empty: %w", axis, model.ErrInput)
		}
		x := elements[T](in)
		for o := range outer {
			for i := range inner {
				row := x[o*size*inner+i:]
				best := 0
				for k := 1; k < size; k++ {
					a, b := row[k*inner], row[best*inner]
					if sign < 0 {
						a, b = b, a
					}
					if a > b || (last && a == b) {
						best = k
					}
				}
				out.Ints[o*inner+i] = int64(best)
			}
		}
		return nil
	}
}

// buildTopK compiles TopK, whose k was an attribute before operator set 10.
func buildTopK(b *builder) error {
	x := b.ins[0]
	if !isNumber(x.datatype) {
		return fmt.Errorf("input %q is %s: %w here", x.name, x.datatype, ErrUnsupported)
	}
	given := b.integer("axis", -1)
	largest := b.integer("largest", 1) != 0
	b.integer("sorted", 1) // sorted is one of the orders that unsorted allows
	k := model.Any
	if list, known := b.constantInts(1); known && len(list) == 1 {
		k = list[0]
	}
	if b.opset < 10 {
		k = b.integer("k", -1)
	} else if b.in(1) == nil {
		return fmt.Errorf("no k is given: %w", ErrInvalid)
	}
	var shape []int64
	if x.shape != nil {
		axis, err := axisOf(given, x.rank())
		if err != nil {
			return err
		}
		shape = slices.Clone(x.shape)
		shape[axis] = k
	}
	b.output(0, x.datatype, shape)
	b.output(1, model.Int64, shape)
	for len(b.outs) < 2 { // the indices, which nobody wants
		b.outs = append(b.outs, &operand{slot: b.scratch()})
	}
	switch x.datatype.Storage() {
	case model.Floats:
		b.emit(topKernel[float32](given, k, largest), b.scratch())
	case model.Doubles:
		b.emit(topKernel[float64](given, k, largest), b.scratch())
	default:
		b.emit(topKernel[int64](given, k, largest), b.scratch())
	}
	return b.want(1, model.Int64)
}

// topKernel sorts; of equals the one with the lower index comes first.
func topKernel[T number](given, fixed int64, largest bool) kernel {
	return func(_ context.Context, c call) error {
		in, values, indices, order := c.in(0), c.out(0), c.out(1), c.out(2)
		axis, err := axisOf(given, len(in.Shape))
		if err != nil {
			return err
		}
		k := fixed
		if v := c.in(1); v != nil {
			if len(v.Ints) != 1 {
				return fmt.Errorf("k has %d elements, want 1: %w", len(v.Ints), model.ErrInput)
			}
			k = v.Ints[0]
		}
		if k < 0 || k > in.Shape[axis] {
			return fmt.Errorf("k is %d, want 0 to %d: %w", k, in.Shape[axis], model.ErrInput)
		}
		var buffer [maxDimensions]int64
		shape := append(buffer[:0], in.Shape...)
		shape[axis] = k
		if err := c.reset(values, in.Datatype, shape...); err != nil {
			return err
		}
		if err := c.reset(indices, model.Int64, shape...); err != nil {
			return err
		}
		if err := c.reset(order, model.Int64, in.Shape[axis]); err != nil {
			return err
		}
		if values.Len() == 0 {
			return nil
		}
		outer, size, inner := around(in.Shape, axis)
		x, y := elements[T](in), elements[T](values)
		for o := range outer {
			for i := range inner {
				row := x[o*size*inner+i:]
				for j := range order.Ints {
					order.Ints[j] = int64(j)
				}
				slices.SortStableFunc(order.Ints, func(a, b int64) int {
					if largest {
						a, b = b, a
					}
					return cmp.Compare(row[int(a)*inner], row[int(b)*inner])
				})
				for j := range int(k) {
					to := (o*int(k)+j)*inner + i
					y[to], indices.Ints[to] = row[int(order.Ints[j])*inner], order.Ints[j]
				}
			}
		}
		return nil
	}
}
