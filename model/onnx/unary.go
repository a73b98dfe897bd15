package onnx

import (
	"context"
	"fmt"
	"math"

	"rollproof/model"
)

// each is the kernel of an operator that takes one element at a time.
func each[T, U element](d model.Datatype, f func(x T) U) kernel {
	return func(_ context.Context, c call) error {
		in, out := c.in(0), c.out(0)
		if err := c.reset(out, d, in.Shape...); err != nil {
			return err
		}
		x, y := elements[T](in), elements[U](out)
		for i := range y {
			y[i] = f(x[i])
		}
		wrap(d, out.Ints)
		return nil
	}
}

// function is an operator on single numbers. Without whole it takes no whole numbers.
type function struct {
	real  func(x float64) float64
	whole func(x int64) int64
}

func (f function) build(b *builder) error {
	d, err := b.wantNumbers()
	if err != nil {
		return err
	}
	b.output(0, d, b.ins[0].shape)
	switch d.Storage() {
	case model.Floats:
		b.emit(each(d, func(x float32) float32 { return float32(f.real(float64(x))) }))
	case model.Doubles:
		b.emit(each(d, f.real))
	default:
		if f.whole == nil {
			return fmt.Errorf("input %q is %s, want FP32 or FP64: %w", b.ins[0].name, d, ErrInvalid)
		}
		b.emit(each(d, f.whole))
	}
	return nil
}

// buildNot compiles Not.
func buildNot(b *builder) error {
	b.output(0, model.Bool, b.ins[0].shape)
	b.emit(each(model.Bool, func(x int64) int64 { return 1 - x }))
	return b.want(0, model.Bool)
}

// test compiles an operator that asks something of single floats.
func test(f func(x float64) bool) func(b *builder) error {
	return func(b *builder) error {
		b.output(0, model.Bool, b.ins[0].shape)
		if b.ins[0].datatype == model.FP64 {
			b.emit(each(model.Bool, func(x float64) int64 { return truth(f(x)) }))
		} else {
			b.emit(each(model.Bool, func(x float32) int64 { return truth(f(float64(x))) }))
		}
		return b.want(0, model.FP32, model.FP64)
	}
}

// buildIsInf compiles IsInf.
func buildIsInf(b *builder) error {
	negative, positive := b.integer("detect_negative", 1) != 0, b.integer("detect_positive", 1) != 0
	return test(func(x float64) bool {
		return (negative && math.IsInf(x, -1)) || (positive && math.IsInf(x, 1))
	})(b)
}

// buildClip compiles Clip, whose bounds were attributes before operator set 11.
func buildClip(b *builder) error {
	d, err := b.wantNumbersOrNone()
	if err != nil {
		return err
	}
	b.output(0, d, b.ins[0].shape)
	if b.opset < 11 {
		low, high := b.number("min", -math.MaxFloat32), b.number("max", math.MaxFloat32)
		if d.Storage() == model.Ints || len(b.ins) > 1 {
			return fmt.Errorf("%d inputs of %s, want one of floats: %w", len(b.ins), d, ErrInvalid)
		}
		return function{real: func(x float64) float64 { return clip(x, float64(low), float64(high)) }}.build(b)
	}
	switch d.Storage() {
	case model.Floats:
		b.emit(clipKernel[float32](d, -math.MaxFloat32, math.MaxFloat32))
	case model.Doubles:
		b.emit(clipKernel(d, -math.MaxFloat64, math.MaxFloat64))
	default:
		b.emit(clipKernel[int64](d, math.MinInt64, math.MaxInt64))
	}
	return nil
}

// wantNumbersOrNone is wantNumbers for inputs of which some are optional.
func (b *builder) wantNumbersOrNone() (model.Datatype, error) {
	given := *b
	given.ins = nil
	for _, o := range b.ins {
		if o != nil {
			given.ins = append(given.ins, o)
		}
	}
	return given.wantNumbers()
}

// clip leaves NaN as it is; where the bounds cross, the upper one counts.
func clip[T number](x, low, high T) T {
	if x < low {
		x = low
	}
	if x > high {
		x = high
	}
	return x
}

// clipKernel takes the bounds from the inputs. Bounds that are not given are the
// largest finite numbers.
func clipKernel[T number](d model.Datatype, otherwiseLow, otherwiseHigh T) kernel {
	return func(_ context.Context, c call) error {
		in, out := c.in(0), c.out(0)
		for i := 1; i <= 2; i++ {
			if v := c.in(i); v != nil && v.Len() != 1 {
				return fmt.Errorf("input %d has %d elements, want 1: %w", i, v.Len(), model.ErrInput)
			}
		}
		if err := c.reset(out, d, in.Shape...); err != nil {
			return err
		}
		low, high := otherwiseLow, otherwiseHigh
		if v := c.in(1); v != nil {
			low = elements[T](v)[0]
		}
		if v := c.in(2); v != nil {
			high = elements[T](v)[0]
		}
		y := elements[T](out)
		for i, x := range elements[T](in) {
			y[i] = clip(x, low, high)
		}
		return nil
	}
}

// sign of a number: -1, 0 or 1; NaN stays.
func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return x
}

// softplus is ln(1+e^x) without overflow.
func softplus(x float64) float64 {
	return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x)))
}
