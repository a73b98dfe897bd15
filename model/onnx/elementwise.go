package onnx

import (
	"context"
	"fmt"
	"math"

	"rollproof/model"
)

// zip is the kernel of an operator that takes two elements at a time.
func zip[T, U element](d model.Datatype, f func(x, y T) U) kernel {
	return func(_ context.Context, c call) error {
		a, b, out := c.in(0), c.in(1), c.out(0)
		w, err := newBroadcast(a.Shape, b.Shape)
		if err != nil {
			return err
		}
		shape := w.shape
		if err := c.reset(out, d, shape[:max(len(a.Shape), len(b.Shape))]...); err != nil {
			return err
		}
		x, y, z := elements[T](a), elements[T](b), elements[U](out)
		if len(z) == 0 {
			return nil
		}
		w.each(func(o int, at [3]int) {
			i, j := at[0], at[1]
			for k := range w.run {
				z[o+k] = f(x[i], y[j])
				i += w.step[0]
				j += w.step[1]
			}
		})
		wrap(d, out.Ints)
		return nil
	}
}

// arithmetic is an operator on two numbers of one type that gives a third.
type arithmetic struct {
	f32 func(x, y float32) float32
	f64 func(x, y float64) float64
	i64 func(x, y int64) int64
}

// kernel for numbers of that datatype.
func (a arithmetic) kernel(d model.Datatype) kernel {
	switch d.Storage() {
	case model.Floats:
		return zip(d, a.f32)
	case model.Doubles:
		return zip(d, a.f64)
	default:
		return zip(d, a.i64)
	}
}

// build compiles an operator of two inputs.
func (a arithmetic) build(b *builder) error {
	d, err := b.wantNumbers()
	if err != nil {
		return err
	}
	shape, err := joinShapes(b.ins[0].shape, b.ins[1].shape)
	if err != nil {
		return err
	}
	b.output(0, d, shape)
	b.emit(a.kernel(d))
	return nil
}

// variadic compiles an operator of one or more inputs: pair by pair.
func (a arithmetic) variadic(b *builder) error {
	d, err := b.wantNumbers()
	if err != nil {
		return err
	}
	at, shape := b.ins[0].slot, b.ins[0].shape
	if len(b.ins) == 1 {
		b.output(0, d, shape)
		b.emit(copyKernel)
		return nil
	}
	for i, o := range b.ins[1:] {
		if shape, err = joinShapes(shape, o.shape); err != nil {
			return err
		}
		to := b.outs[0].slot
		if i < len(b.ins)-2 {
			to = b.scratch()
		}
		b.step(a.kernel(d), []int{at, o.slot}, []int{to})
		at = to
	}
	b.output(0, d, shape)
	return nil
}

// divide is a division of whole numbers towards zero; a zero cannot be divided by.
func divide(b *builder) error {
	return guarded(b, arithmetic{
		func(x, y float32) float32 { return x / y },
		func(x, y float64) float64 { return x / y },
		func(x, y int64) int64 { return x / y },
	})
}

// modulo takes the sign of the divisor, as Python does, or with fmod that of the
// dividend.
func modulo(b *builder) error {
	a := arithmetic{
		func(x, y float32) float32 { return float32(math.Mod(float64(x), float64(y))) },
		math.Mod,
		func(x, y int64) int64 { return x % y },
	}
	if b.integer("fmod", 0) == 0 {
		if b.ins[0].datatype.Storage() != model.Ints {
			return fmt.Errorf("fmod is 0, want 1 for %s: %w", b.ins[0].datatype, ErrInvalid)
		}
		a.i64 = func(x, y int64) int64 {
			r := x % y
			if r != 0 && (r < 0) != (y < 0) {
				r += y
			}
			return r
		}
	}
	return guarded(b, a)
}

// guarded compiles an operator that whole numbers can be divided by zero in.
func guarded(b *builder, a arithmetic) error {
	if err := a.build(b); err != nil || b.ins[0].datatype.Storage() != model.Ints {
		return err
	}
	unguarded := b.steps[0].run
	b.steps[0].run = func(ctx context.Context, c call) error {
		for i, y := range c.in(1).Ints {
			if y == 0 {
				return fmt.Errorf("element %d of the divisor is 0: %w", i, model.ErrInput)
			}
		}
		return unguarded(ctx, c)
	}
	return nil
}

// power raises the first input to the second, whose type may differ.
func power(b *builder) error {
	for _, o := range b.ins {
		if !isNumber(o.datatype) {
			return fmt.Errorf("input %q is %s: %w here", o.name, o.datatype, ErrUnsupported)
		}
	}
	d := b.ins[0].datatype
	shape, err := joinShapes(b.ins[0].shape, b.ins[1].shape)
	if err != nil {
		return err
	}
	in := []int{b.ins[0].slot, b.ins[1].slot}
	if e := b.ins[1]; e.datatype != d {
		in[1] = b.scratch()
		to := d
		if d.Storage() == model.Ints && e.datatype.Storage() != model.Ints {
			// 4^0.5 is 2: the exponent must not become a whole number first.
			from := b.scratch()
			b.step(castKernel(d, model.FP64), []int{in[0]}, []int{from})
			b.step(castKernel(e.datatype, model.FP64), []int{e.slot}, []int{in[1]})
			result := b.scratch()
			b.step(zip(model.FP64, math.Pow), []int{from, in[1]}, []int{result})
			b.step(castKernel(model.FP64, d), []int{result}, []int{b.outs[0].slot})
			b.output(0, d, shape)
			return nil
		}
		b.step(castKernel(e.datatype, to), []int{e.slot}, []int{in[1]})
	}
	a := arithmetic{
		func(x, y float32) float32 { return float32(math.Pow(float64(x), float64(y))) },
		math.Pow,
		func(x, y int64) int64 { return toInt(math.Pow(float64(x), float64(y))) },
	}
	b.step(a.kernel(d), in, []int{b.outs[0].slot})
	b.output(0, d, shape)
	return nil
}

// comparison is an operator on two elements that gives a BOOL.
type comparison struct {
	f32 func(x, y float32) int64
	f64 func(x, y float64) int64
	i64 func(x, y int64) int64
	// texts is nil where texts are not compared.
	texts func(x, y string) int64
	// bools says whether BOOL is taken, and onlyBools nothing else.
	bools, onlyBools bool
}

// truth is 1 or 0.
func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func (k comparison) build(b *builder) error {
	d := b.ins[0].datatype
	if b.ins[1].datatype != d {
		return fmt.Errorf("inputs are %s and %s, want one type: %w", d, b.ins[1].datatype, ErrInvalid)
	}
	isBool := d == model.Bool
	if (isBool && !k.bools) || (!isBool && k.onlyBools) || (!isBool && !isNumber(d) && (d != model.Bytes || k.texts == nil)) {
		return fmt.Errorf("inputs are %s: %w here", d, ErrUnsupported)
	}
	shape, err := joinShapes(b.ins[0].shape, b.ins[1].shape)
	if err != nil {
		return err
	}
	b.output(0, model.Bool, shape)
	switch d.Storage() {
	case model.Floats:
		b.emit(zip(model.Bool, k.f32))
	case model.Doubles:
		b.emit(zip(model.Bool, k.f64))
	case model.Texts:
		b.emit(zip(model.Bool, k.texts))
	default:
		b.emit(zip(model.Bool, k.i64))
	}
	return nil
}

// buildWhere compiles Where: the second input where the first is true, else the third.
func buildWhere(b *builder) error {
	if err := b.want(0, model.Bool); err != nil {
		return err
	}
	d := b.ins[1].datatype
	if b.ins[2].datatype != d {
		return fmt.Errorf("inputs are %s and %s, want one type: %w", d, b.ins[2].datatype, ErrInvalid)
	}
	shape, err := joinShapes(b.ins[0].shape, b.ins[1].shape, b.ins[2].shape)
	if err != nil {
		return err
	}
	b.output(0, d, shape)
	switch d.Storage() {
	case model.Floats:
		b.emit(choose[float32](d))
	case model.Doubles:
		b.emit(choose[float64](d))
	case model.Texts:
		b.emit(choose[string](d))
	default:
		b.emit(choose[int64](d))
	}
	return nil
}

// choose is Where's kernel.
func choose[T element](d model.Datatype) kernel {
	return func(_ context.Context, c call) error {
		condition, a, b, out := c.in(0), c.in(1), c.in(2), c.out(0)
		w, err := newBroadcast(condition.Shape, a.Shape, b.Shape)
		if err != nil {
			return err
		}
		shape := w.shape
		if err := c.reset(out, d, shape[:max(len(condition.Shape), len(a.Shape), len(b.Shape))]...); err != nil {
			return err
		}
		x, y, z := elements[T](a), elements[T](b), elements[T](out)
		if len(z) == 0 {
			return nil
		}
		w.each(func(o int, at [3]int) {
			for k := range w.run {
				if condition.Ints[at[0]+k*w.step[0]] != 0 {
					z[o+k] = x[at[1]+k*w.step[1]]
				} else {
					z[o+k] = y[at[2]+k*w.step[2]]
				}
			}
		})
		return nil
	}
}
