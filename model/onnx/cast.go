package onnx

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"rollproof/model"
)

// buildCast compiles Cast.
func buildCast(b *builder) error {
	x := b.ins[0]
	to, err := datatypeOf(b.integer("to", 0))
	if err != nil {
		return fmt.Errorf("to: %w", err)
	}
	b.integer("saturate", 1) // of float8 only
	b.text("round_mode", "") // of float8 only
	if x.datatype == to {
		b.alias()
		return nil
	}
	b.output(0, to, x.shape)
	b.outs[0].labels = x.labels
	b.emit(castKernel(x.datatype, to))
	return nil
}

// alias makes the output another name of the first input.
func (b *builder) alias() {
	name := b.outs[0].name
	*b.outs[0] = *b.ins[0]
	b.outs[0].name = name
}

// castKernel converts between two datatypes. Of texts that are no numbers the request
// is at fault.
func castKernel(from, to model.Datatype) kernel {
	switch {
	case from == model.Bytes && to.Storage() == model.Ints && to != model.Bool:
		return parse(to, func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) })
	case from == model.Bytes && to.Storage() == model.Texts:
		return copyKernel
	case from == model.Bytes && to == model.FP64:
		return parse(to, func(s string) (float64, error) { return strconv.ParseFloat(s, 64) })
	case from == model.Bytes && to == model.Bool:
		return parse(to, func(s string) (int64, error) {
			x, err := strconv.ParseFloat(s, 64)
			return truth(x != 0), err
		})
	case from == model.Bytes:
		return parse(to, func(s string) (float32, error) {
			x, err := strconv.ParseFloat(s, 32)
			return narrow(to, float32(x)), err
		})
	}
	switch from.Storage() {
	case model.Floats:
		return castFrom[float32](from, to)
	case model.Doubles:
		return castFrom[float64](from, to)
	default:
		if from == model.Uint64 {
			return castUnsigned(to)
		}
		return castFrom[int64](from, to)
	}
}

// narrow rounds to the half float that to is.
func narrow(to model.Datatype, x float32) float32 {
	switch to {
	case model.FP16:
		return half(x)
	case model.BF16:
		return brain(x)
	}
	return x
}

// castFrom converts numbers. Floats lose their fraction on the way to whole numbers;
// what does not fit 64 bits is the smallest number, as on amd64.
func castFrom[T number](from, to model.Datatype) kernel {
	switch to.Storage() {
	case model.Floats:
		return each(to, func(x T) float32 { return narrow(to, float32(x)) })
	case model.Doubles:
		return each(to, func(x T) float64 { return float64(x) })
	case model.Texts:
		bits := 32
		if from == model.FP64 {
			bits = 64
		}
		if from.Storage() == model.Ints {
			return each(to, func(x T) string { return strconv.FormatInt(int64(x), 10) })
		}
		return each(to, func(x T) string { return formatFloat(float64(x), bits) })
	}
	switch {
	case to == model.Bool:
		return each(to, func(x T) int64 { return truth(x != 0) })
	case from.Storage() == model.Ints:
		return each(to, func(x T) int64 { return int64(x) })
	}
	return each(to, func(x T) int64 { return toInt(float64(x)) })
}

// castUnsigned converts UINT64, whose storage is its bits.
func castUnsigned(to model.Datatype) kernel {
	switch to.Storage() {
	case model.Floats:
		return each(to, func(x int64) float32 { return narrow(to, float32(uint64(x))) })
	case model.Doubles:
		return each(to, func(x int64) float64 { return float64(uint64(x)) })
	case model.Texts:
		return each(to, func(x int64) string { return strconv.FormatUint(uint64(x), 10) })
	}
	return each(to, func(x int64) int64 { return x })
}

// toInt cuts the fraction.
func toInt(x float64) int64 {
	if x >= -(1<<63) && x < 1<<63 {
		return int64(x)
	}
	return math.MinInt64
}

// formatFloat is C's %.8g, with the names that ONNX Runtime gives.
func formatFloat(x float64, bits int) string {
	switch {
	case x != x:
		return "NaN"
	case math.IsInf(x, 1):
		return "INF"
	case math.IsInf(x, -1):
		return "-INF"
	}
	return strconv.FormatFloat(x, 'g', 8, bits)
}

// parse converts texts.
func parse[T number](to model.Datatype, f func(s string) (T, error)) kernel {
	return func(_ context.Context, c call) error {
		in, out := c.in(0), c.out(0)
		if err := c.reset(out, to, in.Shape...); err != nil {
			return err
		}
		y := elements[T](out)
		for i, s := range in.Texts {
			x, err := f(strings.TrimSpace(s))
			if err != nil {
				return fmt.Errorf("element %d, %.40q, is no %s: %w", i, s, to, model.ErrInput)
			}
			y[i] = x
		}
		wrap(to, out.Ints)
		return nil
	}
}
