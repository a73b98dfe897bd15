package onnx

import (
	"context"
	"fmt"
	"slices"

	"rollproof/model"
)

// wantIndices refuses an input that is no list of indices.
func (b *builder) wantIndices(i int) error { return b.want(i, model.Int64, model.Int32) }

// indexOf makes an index that may count from the end one that counts from the front.
func indexOf(index, size int64) (int, error) {
	if index < -size || index >= size {
		return 0, fmt.Errorf("index %d of %d: %w", index, size, model.ErrInput)
	}
	if index < 0 {
		index += size
	}
	return int(index), nil
}

// around returns the numbers of elements before, along and behind an axis.
func around(shape []int64, axis int) (outer, size, inner int) {
	outer, inner = 1, 1
	for i, s := range shape {
		if i < axis {
			outer *= int(s)
		} else if i > axis {
			inner *= int(s)
		}
	}
	return outer, int(shape[axis]), inner
}

// buildGather compiles Gather: slices along an axis, by index.
func buildGather(b *builder) error {
	x, indices := b.ins[0], b.ins[1]
	given := b.integer("axis", 0)
	b.output(0, x.datatype, nil)
	if x.shape != nil && indices.shape != nil {
		axis, err := axisOf(given, x.rank())
		if err != nil {
			return err
		}
		shape := slices.Concat(x.shape[:axis], indices.shape, x.shape[axis+1:])
		if len(shape) > maxDimensions {
			return fmt.Errorf("%d dimensions, want at most %d: %w", len(shape), maxDimensions, ErrUnsupported)
		}
		b.output(0, x.datatype, shape)
	}
	b.emit(func(_ context.Context, c call) error {
		in, at, out := c.in(0), c.in(1), c.out(0)
		axis, err := axisOf(given, len(in.Shape))
		if err != nil {
			return err
		}
		var buffer [2 * maxDimensions]int64
		shape := append(append(append(buffer[:0], in.Shape[:axis]...), at.Shape...), in.Shape[axis+1:]...)
		if len(shape) > maxDimensions {
			return fmt.Errorf("%d dimensions, want at most %d: %w", len(shape), maxDimensions, model.ErrInput)
		}
		if err := c.reset(out, in.Datatype, shape...); err != nil {
			return err
		}
		if out.Len() == 0 {
			return nil
		}
		outer, size, inner := around(in.Shape, axis)
		for i, index := range at.Ints {
			from, err := indexOf(index, int64(size))
			if err != nil {
				return err
			}
			for o := range outer {
				moveRun(out, (o*len(at.Ints)+i)*inner, in, (o*size+from)*inner, inner)
			}
		}
		return nil
	})
	return b.wantIndices(1)
}

// buildGatherElements compiles GatherElements: an index for every element.
func buildGatherElements(b *builder) error {
	x, indices := b.ins[0], b.ins[1]
	given := b.integer("axis", 0)
	b.output(0, x.datatype, indices.shape)
	b.emit(func(_ context.Context, c call) error {
		in, at, out := c.in(0), c.in(1), c.out(0)
		axis, err := axisOf(given, len(in.Shape))
		if err != nil {
			return err
		}
		fits := len(at.Shape) == len(in.Shape)
		for i := range min(len(at.Shape), len(in.Shape)) {
			fits = fits && (i == axis || at.Shape[i] <= in.Shape[i])
		}
		if !fits {
			return fmt.Errorf("indices of shape %v into %v: %w", at.Shape, in.Shape, model.ErrInput)
		}
		if err := c.reset(out, in.Datatype, at.Shape...); err != nil {
			return err
		}
		w := newWalk(in.Shape)
		var index [maxDimensions]int64
		for i, k := range at.Ints {
			along, err := indexOf(k, in.Shape[axis])
			if err != nil {
				return err
			}
			from := int64(0)
			for j := range w.rank {
				if j == axis {
					from += int64(along) * w.strides[j]
				} else {
					from += index[j] * w.strides[j]
				}
			}
			moveRun(out, i, in, int(from), 1)
			for j := w.rank - 1; j >= 0; j-- {
				if index[j]++; index[j] < at.Shape[j] {
					break
				}
				index[j] = 0
			}
		}
		return nil
	})
	return b.wantIndices(1)
}

// buildArrayFeatureExtractor compiles ArrayFeatureExtractor: columns by index.
func buildArrayFeatureExtractor(b *builder) error {
	x := b.ins[0]
	b.output(0, x.datatype, nil)
	if x.rank() >= 1 {
		shape := slices.Clone(x.shape)
		shape[len(shape)-1] = product(b.ins[1].shape)
		if b.ins[1].shape == nil {
			shape[len(shape)-1] = model.Any
		}
		if x.rank() == 1 {
			shape = append([]int64{1}, shape...)
		}
		b.output(0, x.datatype, shape)
	}
	b.emit(func(_ context.Context, c call) error {
		in, at, out := c.in(0), c.in(1), c.out(0)
		rank := len(in.Shape)
		if rank == 0 {
			return fmt.Errorf("shape %v, want 1 dimension or more: %w", in.Shape, model.ErrInput)
		}
		outer, size, _ := around(in.Shape, rank-1)
		var buffer [maxDimensions + 1]int64
		shape := append(buffer[:0], in.Shape...)
		shape[rank-1] = int64(len(at.Ints))
		if rank == 1 {
			shape = append(shape[:0], 1, int64(len(at.Ints)))
		}
		if err := c.reset(out, in.Datatype, shape...); err != nil {
			return err
		}
		if out.Len() == 0 {
			return nil
		}
		for j, index := range at.Ints {
			if index < 0 || index >= int64(size) {
				return fmt.Errorf("index %d of %d: %w", index, size, model.ErrInput)
			}
			for o := range outer {
				moveRun(out, o*len(at.Ints)+j, in, o*size+int(index), 1)
			}
		}
		return nil
	})
	return b.want(1, model.Int64)
}

// bounds are the starts, ends, axes and steps of a Slice.
type bounds struct{ starts, ends, axes, steps []int64 }

// cut applies the bounds to a walk.
func (s *bounds) cut(w *walk) error {
	if len(s.ends) != len(s.starts) || (s.axes != nil && len(s.axes) != len(s.starts)) ||
		(s.steps != nil && len(s.steps) != len(s.starts)) {
		return fmt.Errorf("%d starts, %d ends, %d axes, %d steps, want as many of each: %w",
			len(s.starts), len(s.ends), len(s.axes), len(s.steps), model.ErrInput)
	}
	var done [maxDimensions]bool
	for i, start := range s.starts {
		given, step := int64(i), int64(1)
		if s.axes != nil {
			given = s.axes[i]
		}
		if s.steps != nil {
			step = s.steps[i]
		}
		axis, err := axisOf(given, w.rank)
		if err != nil {
			return err
		}
		if step == 0 || done[axis] {
			return fmt.Errorf("axis %d has the step %d, want one that is not 0 and each axis once: %w", axis, step, model.ErrInput)
		}
		done[axis] = true
		size := w.sizes[axis]
		first, last := clamp(start, size, step), clamp(s.ends[i], size, step)
		n := int64(0)
		if step > 0 && last > first {
			n = (last-first-1)/step + 1
		} else if step < 0 && first > last {
			n = (first-last-1)/-max(step, -maxElements) + 1
		}
		if w.sizes[axis] = n; n > 0 {
			w.offset += first * w.strides[axis]
			w.strides[axis] *= step
		}
	}
	return nil
}

// clamp brings a bound into the range that slicing in that direction has.
func clamp(at, size, step int64) int64 {
	if at < 0 {
		at += size
	}
	if step < 0 {
		return min(max(at, -1), size-1)
	}
	return min(max(at, 0), size)
}

// buildSlice compiles Slice, whose bounds were attributes before operator set 10.
func buildSlice(b *builder) error {
	x := b.ins[0]
	of := func(c call) bounds {
		var s bounds
		for i, list := range []*[]int64{&s.starts, &s.ends, &s.axes, &s.steps} {
			if v := c.in(i + 1); v != nil {
				*list = v.Ints
			}
		}
		return s
	}
	known := true
	var fixed bounds
	if b.opset < 10 {
		fixed = bounds{starts: b.ints("starts"), ends: b.ints("ends"), axes: b.ints("axes")}
		of = func(call) bounds { return fixed }
	} else {
		if b.in(1) == nil || b.in(2) == nil {
			return fmt.Errorf("no starts and ends are given: %w", ErrInvalid)
		}
		for i, list := range []*[]int64{&fixed.starts, &fixed.ends, &fixed.axes, &fixed.steps} {
			if err := b.wantIndices(i + 1); err != nil {
				return err
			}
			if b.in(i+1) != nil {
				var ok bool
				*list, ok = b.constantInts(i + 1)
				known = known && ok
			}
		}
	}
	b.output(0, x.datatype, nil)
	if x.shape != nil {
		shape := slices.Clone(x.shape)
		for axis := range shape {
			if !known {
				shape[axis] = model.Any
			}
		}
		if known {
			if err := inferSlice(shape, fixed); err != nil {
				return err
			}
		}
		b.output(0, x.datatype, shape)
	}
	b.emit(func(_ context.Context, c call) error {
		in, out, s := c.in(0), c.out(0), of(c)
		w := newWalk(in.Shape)
		if err := s.cut(&w); err != nil {
			return err
		}
		if err := c.reset(out, in.Datatype, w.sizes[:w.rank]...); err != nil {
			return err
		}
		w.move(out, in)
		return nil
	})
	return nil
}

// inferSlice replaces the sizes of the axes that are cut.
func inferSlice(shape []int64, s bounds) error {
	w := walk{rank: len(shape)}
	for axis, size := range shape {
		w.sizes[axis] = max(size, 0)
	}
	if err := s.cut(&w); err != nil {
		return err
	}
	for i := range s.starts {
		given := int64(i)
		if s.axes != nil {
			given = s.axes[i]
		}
		axis, err := axisOf(given, len(shape))
		if err != nil {
			return err
		}
		if shape[axis] >= 0 {
			shape[axis] = w.sizes[axis]
		}
	}
	return nil
}

// buildSplit compiles Split.
func buildSplit(b *builder) error {
	x := b.ins[0]
	given := b.integer("axis", 0)
	pieces := len(b.outs)
	sizes, known := b.constantInts(1)
	if b.opset < 13 {
		sizes = b.ints("split")
		known = sizes != nil
	}
	if n := b.integer("num_outputs", int64(pieces)); n != int64(pieces) {
		return fmt.Errorf("num_outputs is %d with %d outputs: %w", n, pieces, ErrInvalid)
	}
	of := func(c call, size int64, piece int) int64 {
		if v := c.in(1); v != nil && len(v.Ints) == pieces {
			return v.Ints[piece]
		} else if v != nil {
			return -1
		}
		if known {
			return sizes[piece]
		}
		// The last piece is what is left.
		each := (size + int64(pieces) - 1) / int64(pieces)
		return min(each, max(size-each*int64(piece), 0))
	}
	if known && len(sizes) != pieces {
		return fmt.Errorf("%d sizes for %d outputs: %w", len(sizes), pieces, ErrInvalid)
	}
	for i := range pieces {
		b.output(i, x.datatype, nil)
		if x.shape == nil {
			continue
		}
		axis, err := axisOf(given, x.rank())
		if err != nil {
			return err
		}
		shape := slices.Clone(x.shape)
		switch {
		case known:
			shape[axis] = sizes[i]
		case b.in(1) != nil || shape[axis] < 0:
			shape[axis] = model.Any
		default:
			each := (shape[axis] + int64(pieces) - 1) / int64(pieces)
			shape[axis] = min(each, max(shape[axis]-each*int64(i), 0))
		}
		b.output(i, x.datatype, shape)
	}
	b.emit(func(_ context.Context, c call) error {
		in := c.in(0)
		axis, err := axisOf(given, len(in.Shape))
		if err != nil {
			return err
		}
		start, size := int64(0), in.Shape[axis]
		for i := range pieces {
			n := of(c, size, i)
			if n < 0 || n > size-start {
				return fmt.Errorf("piece %d has size %d of %d left: %w", i, n, size-start, model.ErrInput)
			}
			w := newWalk(in.Shape)
			w.offset, w.sizes[axis] = start*w.strides[axis], n
			if err := c.reset(c.out(i), in.Datatype, w.sizes[:w.rank]...); err != nil {
				return err
			}
			w.move(c.out(i), in)
			start += n
		}
		if start != size {
			return fmt.Errorf("pieces of %d, want %d: %w", start, size, model.ErrInput)
		}
		return nil
	})
	return b.wantIndices(1)
}
