package onnx

import (
	"context"
	"fmt"
	"slices"

	"rollproof/model"
)

// buildConstant compiles Constant.
func buildConstant(b *builder) error {
	var v *model.Value
	switch {
	case b.has("value"):
		v = b.tensor("value")
	case b.has("value_float"):
		v = &model.Value{Datatype: model.FP32, Shape: []int64{}, Floats: []float32{b.number("value_float", 0)}}
	case b.has("value_int"):
		v = &model.Value{Datatype: model.Int64, Shape: []int64{}, Ints: []int64{b.integer("value_int", 0)}}
	case b.has("value_string"):
		v = &model.Value{Datatype: model.Bytes, Shape: []int64{}, Texts: []string{b.text("value_string", "")}}
	case b.has("value_floats"):
		v = &model.Value{Datatype: model.FP32, Floats: b.floats("value_floats")}
	case b.has("value_ints"):
		v = &model.Value{Datatype: model.Int64, Ints: b.ints("value_ints")}
	case b.has("value_strings"):
		v = &model.Value{Datatype: model.Bytes, Texts: b.texts("value_strings")}
	default:
		return fmt.Errorf("no value that is %w: want one of the value attributes but sparse_value", ErrUnsupported)
	}
	if v == nil {
		return b.err // which says what is wrong with the attribute
	}
	if v.Shape == nil {
		v.Shape = []int64{int64(v.Len())}
	}
	b.output(0, v.Datatype, v.Shape)
	b.outs[0].constant = v
	return nil
}

// buildConstantOfShape compiles ConstantOfShape.
func buildConstantOfShape(b *builder) error {
	v := b.tensor("value")
	if v == nil {
		v = &model.Value{Datatype: model.FP32, Floats: []float32{0}}
	}
	if v.Len() != 1 {
		return fmt.Errorf("value has %d elements, want 1: %w", v.Len(), ErrInvalid)
	}
	b.output(0, v.Datatype, nil)
	if shape, known := b.constantInts(0); known {
		if _, err := count(shape); err != nil || len(shape) > maxDimensions {
			return fmt.Errorf("shape of %d dimensions: %w", len(shape), ErrTooLarge)
		}
		b.output(0, v.Datatype, append([]int64{}, shape...))
	} else if n := product(b.ins[0].shape); b.ins[0].rank() == 1 && n >= 0 && n <= maxDimensions {
		b.output(0, v.Datatype, slices.Repeat([]int64{model.Any}, int(n)))
	}
	b.emit(func(_ context.Context, c call) error {
		shape, out := c.in(0).Ints, c.out(0)
		if len(shape) > maxDimensions {
			return fmt.Errorf("%d dimensions, want at most %d: %w", len(shape), maxDimensions, model.ErrInput)
		}
		if err := c.reset(out, v.Datatype, shape...); err != nil {
			return err
		}
		w := walk{rank: 1}
		w.sizes[0] = int64(out.Len())
		w.move(out, v)
		return nil
	})
	return b.want(0, model.Int64)
}

// buildShape compiles Shape, of all dimensions or from start to end.
func buildShape(b *builder) error {
	x := b.ins[0]
	start := b.integer("start", 0)
	end := b.integer("end", maxDimensions)
	cut := func(shape []int64) []int64 {
		from, to := clamp(start, int64(len(shape)), 1), clamp(end, int64(len(shape)), 1)
		return shape[from:max(from, to)]
	}
	b.output(0, model.Int64, []int64{model.Any})
	if x.shape != nil {
		known := append([]int64{}, cut(x.shape)...)
		b.output(0, model.Int64, []int64{int64(len(known))})
		if !slices.Contains(known, model.Any) {
			b.outs[0].constant = &model.Value{Datatype: model.Int64, Shape: []int64{int64(len(known))}, Ints: known}
			return nil
		}
	}
	b.emit(func(_ context.Context, c call) error {
		shape, out := cut(c.in(0).Shape), c.out(0)
		if err := c.reset(out, model.Int64, int64(len(shape))); err != nil {
			return err
		}
		copy(out.Ints, shape)
		return nil
	})
	return nil
}

// buildSize compiles Size: the number of elements.
func buildSize(b *builder) error {
	b.output(0, model.Int64, []int64{})
	b.emit(func(_ context.Context, c call) error {
		if err := c.reset(c.out(0), model.Int64); err != nil {
			return err
		}
		c.out(0).Ints[0] = int64(c.in(0).Len())
		return nil
	})
	return nil
}

// buildRange compiles Range: numbers from a start, a step apart, below a limit.
func buildRange(b *builder) error {
	d, err := b.wantNumbers()
	if err != nil {
		return err
	}
	b.output(0, d, []int64{model.Any})
	switch d.Storage() {
	case model.Floats:
		b.emit(rangeKernel[float32])
	case model.Doubles:
		b.emit(rangeKernel[float64])
	default:
		b.emit(rangeKernel[int64])
	}
	return nil
}

func rangeKernel[T number](_ context.Context, c call) error {
	for i := range 3 {
		if n := c.in(i).Len(); n != 1 {
			return fmt.Errorf("input %d has %d elements, want 1: %w", i, n, model.ErrInput)
		}
	}
	start, limit, step := elements[T](c.in(0))[0], elements[T](c.in(1))[0], elements[T](c.in(2))[0]
	n := (float64(limit) - float64(start)) / float64(step)
	if step == 0 || n != n || n > maxElements {
		return fmt.Errorf("from %v to %v by %v: %w", start, limit, step, ErrTooLarge)
	}
	size := max(toInt(n), 0)
	if float64(size) < n {
		size++
	}
	if err := c.reset(c.out(0), c.in(0).Datatype, size); err != nil {
		return err
	}
	y := elements[T](c.out(0))
	for i := range y {
		y[i] = start + T(i)*step
	}
	return nil
}

// buildIdentity compiles what changes nothing in a prediction: Identity, and Dropout.
func buildIdentity(b *builder) error {
	b.read["ratio"], b.read["seed"] = true, true // of Dropout, in training only
	b.alias()
	return nil
}
