package onnx

import (
	"context"
	"fmt"
	"slices"

	"rollproof/model"
)

// copyKernel copies the first input to the output.
func copyKernel(_ context.Context, c call) error {
	in, out := c.in(0), c.out(0)
	if err := c.reset(out, in.Datatype, in.Shape...); err != nil {
		return err
	}
	moveElements(out, in)
	return nil
}

// moveElements copies all elements, as many as both have.
func moveElements(to, from *model.Value) {
	copy(to.Floats, from.Floats)
	copy(to.Doubles, from.Doubles)
	copy(to.Ints, from.Ints)
	copy(to.Texts, from.Texts)
}

// moveRun copies n elements that lie behind one another.
func moveRun(to *model.Value, at int, from *model.Value, start, n int) {
	switch from.Datatype.Storage() {
	case model.Floats:
		copy(to.Floats[at:at+n], from.Floats[start:start+n])
	case model.Doubles:
		copy(to.Doubles[at:at+n], from.Doubles[start:start+n])
	case model.Ints:
		copy(to.Ints[at:at+n], from.Ints[start:start+n])
	case model.Texts:
		copy(to.Texts[at:at+n], from.Texts[start:start+n])
	}
}

// maxAxes is the most dimensions that a walk has: Tile doubles them.
const maxAxes = 2 * maxDimensions

// walk is a way through the elements of a tensor: an offset, and for each dimension of
// the result how many elements and how far apart.
type walk struct {
	rank    int
	offset  int64
	sizes   [maxAxes]int64
	strides [maxAxes]int64
}

// newWalk goes through a shape from front to back.
func newWalk(shape []int64) walk {
	w := walk{rank: len(shape)}
	stride := int64(1)
	for axis := w.rank - 1; axis >= 0; axis-- {
		w.sizes[axis], w.strides[axis] = shape[axis], stride
		stride *= shape[axis]
	}
	return w
}

// move copies the elements on the way to the front of out.
func (w *walk) move(out, in *model.Value) {
	switch in.Datatype.Storage() {
	case model.Floats:
		walkList(w, out.Floats, in.Floats)
	case model.Doubles:
		walkList(w, out.Doubles, in.Doubles)
	case model.Ints:
		walkList(w, out.Ints, in.Ints)
	case model.Texts:
		walkList(w, out.Texts, in.Texts)
	}
}

func walkList[T element](w *walk, out, in []T) {
	if len(out) == 0 {
		return
	}
	if w.rank == 0 {
		out[0] = in[w.offset]
		return
	}
	var index [maxAxes]int64
	last := w.rank - 1
	n, step, at := int(w.sizes[last]), w.strides[last], w.offset
	for len(out) > 0 {
		if step == 1 {
			copy(out[:n], in[at:at+int64(n)])
		} else {
			for i := range n {
				out[i] = in[at+int64(i)*step]
			}
		}
		out = out[n:]
		for axis := last - 1; axis >= 0; axis-- {
			index[axis]++
			at += w.strides[axis]
			if index[axis] < w.sizes[axis] {
				break
			}
			at -= w.strides[axis] * index[axis]
			index[axis] = 0
		}
	}
}

// buildTranspose compiles Transpose.
func buildTranspose(b *builder) error {
	x := b.ins[0]
	order := b.ints("perm")
	reversed := order == nil
	if x.rank() < 0 && !reversed && len(order) <= maxDimensions {
		x.shape = slices.Repeat([]int64{model.Any}, len(order))
	}
	if x.rank() >= 0 && reversed {
		for axis := x.rank() - 1; axis >= 0; axis-- {
			order = append(order, int64(axis))
		}
	}
	if x.rank() < 0 || len(order) != x.rank() {
		return fmt.Errorf("perm %v for %d dimensions: %w", order, x.rank(), ErrInvalid)
	}
	var shape []int64
	seen := map[int64]bool{}
	for _, from := range order {
		if from < 0 || from >= int64(len(order)) || seen[from] {
			return fmt.Errorf("perm %v is no order of the dimensions: %w", order, ErrInvalid)
		}
		seen[from] = true
		shape = append(shape, x.shape[from])
	}
	b.output(0, x.datatype, shape)
	b.emit(func(_ context.Context, c call) error {
		in, out := c.in(0), c.out(0)
		if len(in.Shape) != len(order) {
			return fmt.Errorf("%d dimensions, want %d: %w", len(in.Shape), len(order), model.ErrInput)
		}
		straight := newWalk(in.Shape)
		w := walk{rank: len(order)}
		for axis, from := range order {
			w.sizes[axis], w.strides[axis] = straight.sizes[from], straight.strides[from]
		}
		if err := c.reset(out, in.Datatype, w.sizes[:w.rank]...); err != nil {
			return err
		}
		w.move(out, in)
		return nil
	})
	return nil
}

// buildExpand compiles Expand, which broadcasts to a shape.
func buildExpand(b *builder) error {
	x := b.ins[0]
	var shape []int64
	if target, known := b.constantInts(1); known && x.shape != nil {
		if _, err := count(target); err != nil {
			return err
		}
		var err error
		if shape, err = joinShapes(x.shape, target); err != nil {
			return err
		}
	} else if x.rank() >= 0 && len(b.ins[1].shape) == 1 && b.ins[1].shape[0] >= 0 && b.ins[1].shape[0] <= maxDimensions {
		shape = slices.Repeat([]int64{model.Any}, max(x.rank(), int(b.ins[1].shape[0])))
	}
	b.output(0, x.datatype, shape)
	b.emit(func(_ context.Context, c call) error {
		in, target, out := c.in(0), c.in(1), c.out(0)
		if _, err := count(target.Ints); err != nil {
			return err
		}
		j, err := newBroadcast(in.Shape, target.Ints)
		if err != nil {
			return err
		}
		w := walk{rank: max(len(in.Shape), len(target.Ints))}
		for axis := range w.rank {
			w.sizes[axis], w.strides[axis] = j.shape[axis], j.strides[0][axis]
		}
		if err := c.reset(out, in.Datatype, w.sizes[:w.rank]...); err != nil {
			return err
		}
		w.move(out, in)
		return nil
	})
	return b.want(1, model.Int64)
}

// buildTile compiles Tile, which repeats the tensor along each dimension.
func buildTile(b *builder) error {
	x := b.ins[0]
	if x.shape != nil {
		shape := slices.Repeat([]int64{model.Any}, x.rank())
		if repeats, known := b.constantInts(1); known && len(repeats) == x.rank() {
			for axis, n := range repeats {
				if x.shape[axis] >= 0 && n >= 0 && n <= maxElements && x.shape[axis] <= maxElements {
					shape[axis] = x.shape[axis] * n
				}
			}
		}
		b.output(0, x.datatype, shape)
	} else {
		b.output(0, x.datatype, nil)
	}
	b.emit(func(_ context.Context, c call) error {
		in, repeats, out := c.in(0), c.in(1).Ints, c.out(0)
		if len(repeats) != len(in.Shape) {
			return fmt.Errorf("%d repeats for %d dimensions: %w", len(repeats), len(in.Shape), model.ErrInput)
		}
		if _, err := count(repeats); err != nil {
			return err
		}
		straight := newWalk(in.Shape)
		w := walk{rank: 2 * len(repeats)}
		var shape [maxDimensions]int64
		for axis, n := range repeats {
			w.sizes[2*axis] = n
			w.sizes[2*axis+1], w.strides[2*axis+1] = in.Shape[axis], straight.strides[axis]
			shape[axis] = in.Shape[axis] * n
		}
		if err := c.reset(out, in.Datatype, shape[:len(repeats)]...); err != nil {
			return err
		}
		w.move(out, in)
		return nil
	})
	return b.want(1, model.Int64)
}

// buildConcat compiles Concat.
func buildConcat(b *builder) error {
	first := b.ins[0]
	given := b.integer("axis", 0)
	shape := slices.Clone(first.shape)
	for _, o := range b.ins {
		if o.datatype != first.datatype {
			return fmt.Errorf("input %q is %s, want %s as the first is: %w", o.name, o.datatype, first.datatype, ErrInvalid)
		}
		if o.rank() != first.rank() && o.rank() >= 0 && first.rank() >= 0 {
			return fmt.Errorf("input %q has %d dimensions, want %d as the first has: %w", o.name, o.rank(), first.rank(), ErrInvalid)
		}
		if o.shape == nil {
			shape = nil
		}
	}
	if shape != nil {
		axis, err := axisOf(given, len(shape))
		if err != nil {
			return err
		}
		for _, o := range b.ins[1:] {
			for i, size := range o.shape {
				switch {
				case i == axis && (size < 0 || shape[i] < 0):
					shape[i] = model.Any
				case i == axis:
					shape[i] += size
				case size >= 0 && shape[i] >= 0 && size != shape[i]:
					return fmt.Errorf("input %q has the shape %v, which does not go with %v: %w", o.name, o.shape, shape, ErrInvalid)
				case size >= 0:
					shape[i] = size
				}
			}
		}
	}
	b.output(0, first.datatype, shape)
	b.emit(func(_ context.Context, c call) error { return concat(c, given) })
	return nil
}

// concat is Concat's kernel.
func concat(c call, given int64) error {
	first, out := c.in(0), c.out(0)
	axis, err := axisOf(given, len(first.Shape))
	if err != nil {
		return err
	}
	var shape [maxDimensions]int64
	copy(shape[:], first.Shape)
	for i := 1; i < len(c.step.in); i++ {
		s := c.in(i).Shape
		if len(s) != len(first.Shape) {
			return fmt.Errorf("input %d has %d dimensions, want %d: %w", i, len(s), len(first.Shape), model.ErrInput)
		}
		for j, size := range s {
			if j == axis {
				shape[j] += size
			} else if size != shape[j] {
				return fmt.Errorf("input %d has size %d in dimension %d, want %d: %w", i, size, j, shape[j], model.ErrInput)
			}
		}
	}
	if err := c.reset(out, first.Datatype, shape[:len(first.Shape)]...); err != nil {
		return err
	}
	if out.Len() == 0 {
		return nil
	}
	outer, inner := 1, 1
	for j, size := range first.Shape {
		if j < axis {
			outer *= int(size)
		} else if j > axis {
			inner *= int(size)
		}
	}
	at, width := 0, int(shape[axis])*inner
	for i := range c.step.in {
		in := c.in(i)
		n := int(in.Shape[axis]) * inner
		for o := range outer {
			moveRun(out, o*width+at, in, o*n, n)
		}
		at += n
	}
	return nil
}
