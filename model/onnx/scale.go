package onnx

import (
	"context"
	"fmt"
	"math"

	"rollproof/model"
)

// wide refuses an attribute that has neither one entry nor one a column.
func wide(name string, n, columns int) error {
	if n != 1 && columns > 0 && n != columns {
		return fmt.Errorf("%s has %d entries, want 1 or %d: %w", name, n, columns, ErrInvalid)
	}
	return nil
}

// atColumn picks the entry of element i of rows of so many columns.
func atColumn[T any](list []T, i, columns int) T {
	if len(list) == 1 {
		return list[0]
	}
	return list[i%columns]
}

// lastSize is the size of the last dimension, 1 for a scalar.
func lastSize(shape []int64) int {
	if len(shape) == 0 {
		return 1
	}
	return int(shape[len(shape)-1])
}

// buildScaler compiles Scaler: (x-offset)*scale, as float32.
func buildScaler(b *builder) error {
	columns, err := b.wantRows()
	if err != nil {
		return err
	}
	offset, scale := b.floats("offset"), b.floats("scale")
	if len(offset) == 0 {
		offset = []float32{0}
	}
	if len(scale) == 0 {
		scale = []float32{1}
	}
	if err := wide("offset", len(offset), columns); err != nil {
		return err
	}
	if err := wide("scale", len(scale), columns); err != nil {
		return err
	}
	b.output(0, model.FP32, b.ins[0].shape)
	b.emit(func(_ context.Context, c call) error {
		in, out := c.in(0), c.out(0)
		n := lastSize(in.Shape)
		if (len(offset) != 1 && len(offset) != n) || (len(scale) != 1 && len(scale) != n) {
			return fmt.Errorf("%d columns, want %d: %w", n, max(len(offset), len(scale)), model.ErrInput)
		}
		if err := c.reset(out, model.FP32, in.Shape...); err != nil {
			return err
		}
		y := out.Floats
		switch in.Datatype.Storage() {
		case model.Floats:
			for i, x := range in.Floats {
				y[i] = (x - atColumn(offset, i, n)) * atColumn(scale, i, n)
			}
		case model.Doubles:
			for i, x := range in.Doubles {
				y[i] = float32((x - float64(atColumn(offset, i, n))) * float64(atColumn(scale, i, n)))
			}
		default:
			for i, x := range in.Ints {
				y[i] = (float32(x) - atColumn(offset, i, n)) * atColumn(scale, i, n)
			}
		}
		return nil
	})
	return nil
}

// buildNormalizer compiles Normalizer: rows divided by their norm, as float32.
func buildNormalizer(b *builder) error {
	if _, err := b.wantRows(); err != nil {
		return err
	}
	b.outs[0].labels = b.ins[0].labels
	norm := b.text("norm", "MAX")
	if norm != "MAX" && norm != "L1" && norm != "L2" {
		return fmt.Errorf("norm %q is %w", norm, ErrUnsupported)
	}
	b.output(0, model.FP32, b.ins[0].shape)
	b.emit(func(_ context.Context, c call) error {
		in, out := c.in(0), c.out(0)
		if err := c.reset(out, model.FP32, in.Shape...); err != nil {
			return err
		}
		n := lastSize(in.Shape)
		for start := 0; start < len(out.Floats); start += n {
			y := out.Floats[start : start+n]
			switch in.Datatype.Storage() {
			case model.Floats:
				copy(y, in.Floats[start:])
			case model.Doubles:
				for i, x := range in.Doubles[start : start+n] {
					y[i] = float32(x)
				}
			default:
				for i, x := range in.Ints[start : start+n] {
					y[i] = float32(x)
				}
			}
			normalize(norm, y)
		}
		return nil
	})
	return nil
}

// normalize divides a row by its norm; a norm of 0 leaves it. Squares are float32, so
// that they vanish, or become infinite, where ONNX Runtime's do.
func normalize(norm string, row []float32) {
	total := math.Inf(-1)
	if norm != "MAX" {
		total = 0
	}
	for _, x := range row {
		switch norm {
		case "MAX": // the largest, not the largest absolute value: as specified
			total = max(total, float64(x))
		case "L1":
			total += math.Abs(float64(x))
		default:
			total += float64(x * x)
		}
	}
	sum := float32(total)
	if sum == 0 {
		return
	}
	for i, x := range row {
		if norm == "L2" {
			row[i] = float32(math.Copysign(math.Sqrt(float64(x*x/sum)), float64(x)))
		} else {
			row[i] = x / sum
		}
	}
}

// buildBinarizer compiles Binarizer.
func buildBinarizer(b *builder) error {
	threshold := b.number("threshold", 0)
	d := b.ins[0].datatype
	b.output(0, d, b.ins[0].shape)
	switch d.Storage() {
	case model.Floats:
		b.emit(each(d, func(x float32) float32 { return float32(truth(x > threshold)) }))
	case model.Doubles:
		b.emit(each(d, func(x float64) float64 { return float64(truth(x > float64(threshold))) }))
	default:
		b.emit(each(d, func(x int64) int64 { return truth(float64(x) > float64(threshold)) }))
	}
	return b.want(0, model.FP32, model.FP64, model.Int64, model.Int32)
}

// buildImputer compiles Imputer.
func buildImputer(b *builder) error {
	columns, err := b.wantRows()
	if err != nil {
		return err
	}
	floats, ints := b.floats("imputed_value_floats"), b.ints("imputed_value_int64s")
	replaced, replacedInt := b.number("replaced_value_float", 0), b.integer("replaced_value_int64", 0)
	d := b.ins[0].datatype
	b.output(0, d, b.ins[0].shape)
	n, other := len(floats), len(ints)
	if d.Storage() == model.Ints {
		n, other = other, n
	}
	if n == 0 || other != 0 {
		return fmt.Errorf("%d imputed_value_floats and %d imputed_value_int64s for %s, want those of the type: %w",
			len(floats), len(ints), d, ErrInvalid)
	}
	if err := wide("imputed values", n, columns); err != nil {
		return err
	}
	switch d.Storage() {
	case model.Floats:
		b.emit(impute(floats, replaced))
	case model.Doubles:
		wider := make([]float64, n)
		for i, x := range floats {
			wider[i] = float64(x)
		}
		b.emit(impute(wider, float64(replaced)))
	default:
		b.emit(impute(ints, replacedInt))
	}
	return nil
}

// impute replaces what equals replaced, NaN being equal to NaN.
func impute[T number](imputed []T, replaced T) kernel {
	return func(_ context.Context, c call) error {
		in, out := c.in(0), c.out(0)
		n := lastSize(in.Shape)
		if len(imputed) != 1 && len(imputed) != n {
			return fmt.Errorf("%d columns, want %d: %w", n, len(imputed), model.ErrInput)
		}
		if err := c.reset(out, in.Datatype, in.Shape...); err != nil {
			return err
		}
		x, y := elements[T](in), elements[T](out)
		for i, v := range x {
			if y[i] = v; v == replaced || (v != v && replaced != replaced) { //nolint:gocritic // NaN
				y[i] = atColumn(imputed, i, n)
			}
		}
		return nil
	}
}

// buildFeatureVectorizer compiles FeatureVectorizer: columns side by side, as float32.
// A input's columns beyond its size are cut, missing ones are 0.
func buildFeatureVectorizer(b *builder) error {
	sizes := b.ints("inputdimensions")
	if len(sizes) != len(b.ins) {
		return fmt.Errorf("%d inputdimensions for %d inputs: %w", len(sizes), len(b.ins), ErrInvalid)
	}
	total := int64(0)
	for i, n := range sizes {
		if err := b.want(i, model.FP32, model.FP64, model.Int64, model.Int32); err != nil {
			return err
		}
		if n < 0 || n > maxElements || total > maxElements {
			return fmt.Errorf("inputdimensions[%d] is %d: %w", i, n, ErrInvalid)
		}
		total += n
	}
	b.output(0, model.FP32, b.rowsShape(total))
	b.emit(func(_ context.Context, c call) error {
		rows, _, err := matrix(c.in(0))
		if err != nil {
			return err
		}
		out := c.out(0)
		if err := c.reset(out, model.FP32, int64(rows), total); err != nil {
			return err
		}
		clear(out.Floats)
		at := 0
		for i, size := range sizes {
			in := c.in(i)
			n, columns, err := matrix(in)
			if err != nil || n != rows {
				return fmt.Errorf("input %d has shape %v, want %d rows: %w", i, in.Shape, rows, model.ErrInput)
			}
			for r := range rows {
				for j := range min(columns, int(size)) {
					k := r*columns + j
					y := &out.Floats[r*int(total)+at+j]
					switch in.Datatype.Storage() {
					case model.Floats:
						*y = in.Floats[k]
					case model.Doubles:
						*y = float32(in.Doubles[k])
					default:
						*y = float32(in.Ints[k])
					}
				}
			}
			at += int(size)
		}
		return nil
	})
	return nil
}

// buildZipMap compiles ZipMap. The protocols have no maps from label to probability,
// so its output is the tensor itself: column i is the probability of the ith label.
func buildZipMap(b *builder) error {
	classes, err := readLabels(b, "classlabels_int64s", "classlabels_strings")
	if err != nil {
		return err
	}
	x := b.ins[0]
	if last := x.size(x.rank() - 1); last >= 0 && last != int64(classes.len()) {
		return fmt.Errorf("%d labels for %d columns: %w", classes.len(), last, ErrInvalid)
	}
	b.alias()
	b.outs[0].labels = classes.names()
	return b.want(0, model.FP32)
}
