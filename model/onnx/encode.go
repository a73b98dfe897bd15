package onnx

import (
	"context"
	"fmt"
	"slices"

	"rollproof/model"
)

// buildOneHotEncoder compiles OneHotEncoder: a column a category, 1 where it is that.
func buildOneHotEncoder(b *builder) error {
	x := b.ins[0]
	ints, texts := b.ints("cats_int64s"), b.texts("cats_strings")
	zeros := b.integer("zeros", 1) != 0
	n := len(ints) + len(texts)
	if (len(ints) == 0) == (len(texts) == 0) || (x.datatype == model.Bytes) != (len(texts) > 0) {
		return fmt.Errorf("%d cats_int64s and %d cats_strings for %s, want those of the type: %w",
			len(ints), len(texts), x.datatype, ErrInvalid)
	}
	b.output(0, model.FP32, nil)
	if x.shape != nil {
		if x.rank() >= maxDimensions {
			return fmt.Errorf("input %q has %d dimensions: %w", x.name, x.rank(), ErrUnsupported)
		}
		b.output(0, model.FP32, append(slices.Clone(x.shape), int64(n)))
	}
	switch x.datatype.Storage() {
	case model.Texts:
		b.emit(oneHot(places(texts), zeros, func(s string) string { return s }))
	case model.Floats:
		b.emit(oneHot(places(ints), zeros, func(x float32) int64 { return toInt(float64(x)) }))
	case model.Doubles:
		b.emit(oneHot(places(ints), zeros, toInt))
	default:
		b.emit(oneHot(places(ints), zeros, func(x int64) int64 { return x }))
	}
	return b.want(0, model.FP32, model.FP64, model.Int64, model.Int32, model.Bytes)
}

// places maps each entry to its index, the last of equals.
func places[T comparable](list []T) map[T]int {
	m := make(map[T]int, len(list))
	for i, x := range list {
		m[x] = i
	}
	return m
}

// oneHot is OneHotEncoder's kernel. Categories may be given twice: the columns are as
// many as the map's largest place says.
func oneHot[T element, K comparable](index map[K]int, zeros bool, key func(T) K) kernel {
	columns := 0
	for _, at := range index {
		columns = max(columns, at+1)
	}
	return func(_ context.Context, c call) error {
		in, out := c.in(0), c.out(0)
		if len(in.Shape) >= maxDimensions {
			return fmt.Errorf("%d dimensions: %w", len(in.Shape), model.ErrInput)
		}
		var buffer [maxDimensions]int64
		if err := c.reset(out, model.FP32, append(append(buffer[:0], in.Shape...), int64(columns))...); err != nil {
			return err
		}
		clear(out.Floats)
		for i, x := range elements[T](in) {
			at, known := index[key(x)]
			if known {
				out.Floats[i*columns+at] = 1
			} else if !zeros {
				return fmt.Errorf("element %d, %.40v, is no category: %w", i, x, model.ErrInput)
			}
		}
		return nil
	}
}

// table of a LabelEncoder: keys and values are lists of model.Value, which has one for
// each type.
type encoder struct {
	keys, values, otherwise *model.Value
}

// buildLabelEncoder compiles LabelEncoder in its three forms: one list of texts
// (operator set 1), lists of keys and values (2), and tensors of them (4).
func buildLabelEncoder(b *builder) error {
	x := b.ins[0]
	e := &encoder{}
	if b.opset < 2 {
		e.classes(b)
	} else {
		e.keys = b.oneOf("keys_", "s")
		e.values = b.oneOf("values_", "s")
	}
	if b.err != nil {
		return b.err
	}
	if e.keys == nil || e.values == nil || e.keys.Len() != e.values.Len() {
		return fmt.Errorf("keys and values are not there, or not as many: %w", ErrInvalid)
	}
	if b.opset >= 2 {
		e.defaults(b)
	}
	if e.otherwise.Datatype != e.values.Datatype || e.otherwise.Len() != 1 {
		return fmt.Errorf("default_tensor has %d elements of %s, want 1 of %s: %w",
			e.otherwise.Len(), e.otherwise.Datatype, e.values.Datatype, ErrInvalid)
	}
	if x.datatype != e.keys.Datatype {
		return fmt.Errorf("input %q is %s, want %s as the keys are: %w", x.name, x.datatype, e.keys.Datatype, ErrInvalid)
	}
	b.output(0, e.values.Datatype, x.shape)
	// Before operator set 4 NaN as a key is found by nothing, in ONNX Runtime too.
	b.emit(e.kernel(b.opset >= 4))
	return nil
}

// buildCategoryMapper compiles CategoryMapper: texts to whole numbers or the reverse.
func buildCategoryMapper(b *builder) error {
	texts := &model.Value{Datatype: model.Bytes, Texts: b.texts("cats_strings")}
	ints := &model.Value{Datatype: model.Int64, Ints: b.ints("cats_int64s")}
	otherText := &model.Value{Datatype: model.Bytes, Texts: []string{b.text("default_string", "_Unused")}}
	otherInt := &model.Value{Datatype: model.Int64, Ints: []int64{b.integer("default_int64", -1)}}
	if texts.Len() != ints.Len() {
		return fmt.Errorf("%d cats_strings and %d cats_int64s: %w", texts.Len(), ints.Len(), ErrInvalid)
	}
	e := &encoder{texts, ints, otherInt}
	if b.ins[0].datatype == model.Int64 {
		e = &encoder{ints, texts, otherText}
	}
	b.output(0, e.values.Datatype, b.ins[0].shape)
	b.emit(e.kernel(false))
	return b.want(0, model.Bytes, model.Int64)
}

// classes reads the form of operator set 1: texts stand for their places, and places
// for texts.
func (e *encoder) classes(b *builder) {
	texts := &model.Value{Datatype: model.Bytes, Texts: b.texts("classes_strings")}
	numbers := &model.Value{Datatype: model.Int64}
	for i := range texts.Texts {
		numbers.Ints = append(numbers.Ints, int64(i))
	}
	otherText, otherInt := b.text("default_string", "_Unused"), b.integer("default_int64", -1)
	if b.ins[0].datatype == model.Int64 {
		e.keys, e.values = numbers, texts
		e.otherwise = &model.Value{Datatype: model.Bytes, Texts: []string{otherText}}
		return
	}
	e.keys, e.values = texts, numbers
	e.otherwise = &model.Value{Datatype: model.Int64, Ints: []int64{otherInt}}
}

// oneOf reads the one of a family of attributes that is there: texts, int64s, floats
// or a tensor.
func (b *builder) oneOf(prefix, suffix string) *model.Value {
	switch {
	case b.has(prefix + "string" + suffix):
		return &model.Value{Datatype: model.Bytes, Texts: b.texts(prefix + "string" + suffix)}
	case b.has(prefix + "int64" + suffix):
		return &model.Value{Datatype: model.Int64, Ints: b.ints(prefix + "int64" + suffix)}
	case b.has(prefix + "float" + suffix):
		return &model.Value{Datatype: model.FP32, Floats: b.floats(prefix + "float" + suffix)}
	}
	return b.tensor(prefix + "tensor")
}

// defaults reads the value of what is no key. Those of the other types mean nothing.
func (e *encoder) defaults(b *builder) {
	text, whole := b.text("default_string", "_Unused"), b.integer("default_int64", -1)
	float := b.number("default_float", 0)
	if e.otherwise = b.tensor("default_tensor"); e.otherwise != nil {
		return
	}
	e.otherwise = &model.Value{Datatype: e.values.Datatype}
	switch e.values.Datatype.Storage() {
	case model.Texts:
		e.otherwise.Texts = []string{text}
	case model.Floats:
		e.otherwise.Floats = []float32{float}
	case model.Doubles:
		e.otherwise.Doubles = []float64{float64(float)}
	default:
		e.otherwise.Ints = []int64{whole}
	}
}

// kernel for the types of the keys and values.
func (e *encoder) kernel(nan bool) kernel {
	switch e.keys.Datatype.Storage() {
	case model.Texts:
		return encodeFrom[string](e, nan)
	case model.Floats:
		return encodeFrom[float32](e, nan)
	case model.Doubles:
		return encodeFrom[float64](e, nan)
	}
	return encodeFrom[int64](e, nan)
}

func encodeFrom[K element](e *encoder, nan bool) kernel {
	switch e.values.Datatype.Storage() {
	case model.Texts:
		return encode[K, string](e, nan)
	case model.Floats:
		return encode[K, float32](e, nan)
	case model.Doubles:
		return encode[K, float64](e, nan)
	}
	return encode[K, int64](e, nan)
}

// encode looks every element up; the first of equal keys counts.
func encode[K, V element](e *encoder, nan bool) kernel {
	keys, values := elements[K](e.keys), elements[V](e.values)
	otherwise, d := elements[V](e.otherwise)[0], e.values.Datatype
	ofNaN := otherwise
	index := make(map[K]V, len(keys))
	for i := len(keys) - 1; i >= 0; i-- {
		if keys[i] != keys[i] { //nolint:gocritic // NaN, which a map would not find
			if nan {
				ofNaN = values[i]
			}
			continue
		}
		index[keys[i]] = values[i]
	}
	return func(_ context.Context, c call) error {
		in, out := c.in(0), c.out(0)
		if err := c.reset(out, d, in.Shape...); err != nil {
			return err
		}
		y := elements[V](out)
		for i, x := range elements[K](in) {
			v, known := index[x]
			switch {
			case known:
				y[i] = v
			case x != x: //nolint:gocritic // NaN
				y[i] = ofNaN
			default:
				y[i] = otherwise
			}
		}
		return nil
	}
}
