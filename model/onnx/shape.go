package onnx

import (
	"context"
	"fmt"
	"slices"

	"rollproof/model"
)

// reshaped is the kernel of an operator that changes the shape only. of writes the new
// shape into buffer and returns it; elements stay in their order.
func reshaped(of func(c call, shape, buffer []int64) ([]int64, error)) kernel {
	return func(_ context.Context, c call) error {
		in, out := c.in(0), c.out(0)
		var buffer [maxDimensions]int64
		shape, err := of(c, in.Shape, buffer[:0])
		if err != nil {
			return err
		}
		n, err := count(shape)
		if err != nil {
			return err
		}
		if n != int64(in.Len()) || len(shape) > maxDimensions {
			return fmt.Errorf("shape %v cannot become %v: %w", in.Shape, slices.Clone(shape), model.ErrInput)
		}
		if err := c.reset(out, in.Datatype, shape...); err != nil {
			return err
		}
		moveElements(out, in)
		return nil
	}
}

// newShape applies Reshape's rules: 0 keeps a size unless allowed, -1 is what is left.
func newShape(old, target, buffer []int64, allowZero bool) ([]int64, error) {
	if len(target) > maxDimensions {
		return nil, fmt.Errorf("%d dimensions, want at most %d: %w", len(target), maxDimensions, ErrUnsupported)
	}
	rest := -1
	known, total := int64(1), int64(1)
	for _, size := range old {
		total *= size
	}
	for i, size := range target {
		switch {
		case size == 0 && !allowZero:
			if i >= len(old) {
				return nil, fmt.Errorf("shape %v keeps dimension %d of %d: %w", slices.Clone(target), i, len(old), model.ErrInput)
			}
			size = old[i]
		case size == -1 && rest < 0:
			rest = i
			size = 1
		case size < 0 || size > maxElements:
			return nil, fmt.Errorf("shape %v has the size %d: %w", slices.Clone(target), size, model.ErrInput)
		}
		if known > maxElements && size > 0 {
			return nil, fmt.Errorf("shape %v: %w", slices.Clone(target), ErrTooLarge)
		}
		known *= size
		buffer = append(buffer, size)
	}
	if rest >= 0 {
		if known == 0 || total%known != 0 {
			return nil, fmt.Errorf("%d elements have no shape %v: %w", total, slices.Clone(target), model.ErrInput)
		}
		buffer[rest] = total / known
	}
	return buffer, nil
}

// buildReshape compiles Reshape, whose shape was an attribute in operator set 1.
func buildReshape(b *builder) error {
	x := b.ins[0]
	allowZero := b.integer("allowzero", 0) != 0
	target, known := b.constantInts(1)
	if b.opset < 5 {
		target, known = b.ints("shape"), true
		b.ints("consumed_inputs")
	} else if b.in(1) == nil {
		return fmt.Errorf("no shape is given: %w", ErrInvalid)
	}
	b.output(0, x.datatype, nil)
	switch {
	case known:
		shape, err := inferReshape(x.shape, target, allowZero)
		if err != nil {
			return err
		}
		b.output(0, x.datatype, shape)
	case len(b.ins[1].shape) == 1 && b.ins[1].shape[0] >= 0 && b.ins[1].shape[0] <= maxDimensions:
		b.output(0, x.datatype, slices.Repeat([]int64{model.Any}, int(b.ins[1].shape[0])))
	}
	b.emit(reshaped(func(c call, shape, buffer []int64) ([]int64, error) {
		if v := c.in(1); v != nil {
			return newShape(shape, v.Ints, buffer, allowZero)
		}
		return newShape(shape, target, buffer, allowZero)
	}))
	return b.want(1, model.Int64)
}

// inferReshape is what is known of a shape after Reshape. With one unknown size on
// both sides the -1 stands for it if everything else is the same.
func inferReshape(old, target []int64, allowZero bool) ([]int64, error) {
	if len(target) > maxDimensions {
		return nil, fmt.Errorf("%d dimensions, want at most %d: %w", len(target), maxDimensions, ErrUnsupported)
	}
	if old != nil && !slices.Contains(old, model.Any) {
		return newShape(old, target, nil, allowZero)
	}
	shape := slices.Clone(target)
	if shape == nil {
		shape = []int64{}
	}
	rest := slices.Index(target, -1)
	keepsUnknown, known, given := 0, int64(1), int64(1)
	for i, size := range target {
		switch {
		case size == 0 && !allowZero:
			shape[i] = model.Any
			if i < len(old) {
				shape[i] = old[i]
			}
			if shape[i] < 0 {
				keepsUnknown++
			}
		case size < -1 || size > maxElements:
			return nil, fmt.Errorf("shape %v has the size %d: %w", target, size, ErrInvalid)
		}
		if shape[i] > 0 && known < maxElements {
			known *= shape[i]
		}
	}
	unknown := 0
	for _, size := range old {
		if size < 0 {
			unknown++
		} else if given < maxElements {
			given *= size
		}
	}
	// The unknown size is kept by a 0, so -1 is of sizes that are known.
	if old != nil && rest >= 0 && unknown == 1 && keepsUnknown == 1 && known > 0 && given%known == 0 {
		shape[rest] = given / known
	}
	return shape, nil
}

// buildFlatten compiles Flatten: two dimensions, those before the axis and the rest.
func buildFlatten(b *builder) error {
	x := b.ins[0]
	given := b.integer("axis", 1)
	shape := []int64{model.Any, model.Any}
	if x.shape != nil {
		axis, err := flattenAxis(given, x.rank())
		if err != nil {
			return err
		}
		shape = []int64{product(x.shape[:axis]), product(x.shape[axis:])}
	}
	b.output(0, x.datatype, shape)
	b.emit(reshaped(func(_ call, shape, buffer []int64) ([]int64, error) {
		axis, err := flattenAxis(given, len(shape))
		if err != nil {
			return nil, err
		}
		return append(buffer, product(shape[:axis]), product(shape[axis:])), nil
	}))
	return nil
}

// flattenAxis may be the rank itself.
func flattenAxis(axis int64, rank int) (int, error) {
	if axis == int64(rank) {
		return rank, nil
	}
	return axisOf(axis, rank)
}

// product of sizes, Any if one is not known.
func product(shape []int64) int64 {
	n := int64(1)
	for _, size := range shape {
		if size < 0 {
			return model.Any
		}
		if n <= maxElements {
			n *= size
		}
	}
	return n
}

// axes returns the axes of Squeeze, Unsqueeze and the reductions: an attribute before
// operator set from, an input since; given says whether there are any.
func (b *builder) axes(from int64) (of func(c call) []int64, list []int64, given bool, err error) {
	if b.opset < from {
		if len(b.ins) > 1 {
			return nil, nil, false, fmt.Errorf("%d inputs, want 1 before operator set %d: %w", len(b.ins), from, ErrInvalid)
		}
		list = b.ints("axes")
		return func(call) []int64 { return list }, list, true, nil
	}
	if b.in(1) == nil {
		return func(call) []int64 { return nil }, nil, true, nil
	}
	list, given = b.constantInts(1)
	return func(c call) []int64 { return c.in(1).Ints }, list, given, b.want(1, model.Int64)
}

// buildSqueeze compiles Squeeze.
func buildSqueeze(b *builder) error {
	x := b.ins[0]
	of, list, known, err := b.axes(13)
	if err != nil {
		return err
	}
	b.output(0, x.datatype, nil)
	if x.shape != nil && known && (len(list) > 0 || !slices.Contains(x.shape, model.Any)) {
		shape, err := squeeze(x.shape, list, nil)
		if err != nil {
			return err
		}
		b.output(0, x.datatype, shape)
	}
	b.emit(reshaped(func(c call, shape, buffer []int64) ([]int64, error) { return squeeze(shape, of(c), buffer) }))
	return nil
}

// squeeze drops axes of size 1: the given ones, or all.
func squeeze(shape, axes, buffer []int64) ([]int64, error) {
	var drop [maxDimensions]bool
	for _, a := range axes {
		axis, err := axisOf(a, len(shape))
		if err != nil {
			return nil, err
		}
		if shape[axis] != 1 && shape[axis] != model.Any {
			return nil, fmt.Errorf("dimension %d has size %d, want 1: %w", axis, shape[axis], model.ErrInput)
		}
		drop[axis] = true
	}
	if buffer == nil {
		buffer = []int64{}
	}
	for axis, size := range shape {
		if !drop[axis] && (len(axes) > 0 || size != 1) {
			buffer = append(buffer, size)
		}
	}
	return buffer, nil
}

// buildUnsqueeze compiles Unsqueeze.
func buildUnsqueeze(b *builder) error {
	x := b.ins[0]
	of, list, known, err := b.axes(13)
	if err != nil {
		return err
	}
	b.output(0, x.datatype, nil)
	if x.shape != nil && known {
		shape, err := unsqueeze(x.shape, list, nil)
		if err != nil {
			return err
		}
		b.output(0, x.datatype, shape)
	}
	b.emit(reshaped(func(c call, shape, buffer []int64) ([]int64, error) { return unsqueeze(shape, of(c), buffer) }))
	return nil
}

// unsqueeze puts sizes of 1 where the axes of the result are.
func unsqueeze(shape, axes, buffer []int64) ([]int64, error) {
	rank := len(shape) + len(axes)
	if rank > maxDimensions {
		return nil, fmt.Errorf("%d dimensions, want at most %d: %w", rank, maxDimensions, ErrUnsupported)
	}
	var added [maxDimensions]bool
	for _, a := range axes {
		axis, err := axisOf(a, rank)
		if err != nil {
			return nil, err
		}
		if added[axis] {
			return nil, fmt.Errorf("axis %d is given twice: %w", a, ErrInvalid)
		}
		added[axis] = true
	}
	if buffer == nil {
		buffer = []int64{}
	}
	for axis := range rank {
		if added[axis] {
			buffer = append(buffer, 1)
		} else {
			buffer, shape = append(buffer, shape[0]), shape[1:]
		}
	}
	return buffer, nil
}
