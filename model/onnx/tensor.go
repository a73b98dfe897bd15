package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"rollproof/model"
)

// tensorProto is TensorProto while its fields are gathered.
type tensorProto struct {
	name     string
	element  int64
	dims     []int64
	raw      []byte
	hasRaw   bool
	floats   []float32
	doubles  []float64
	ints     []int64 // int32_data, int64_data or uint64_data
	strings  [][]byte
	external bool
}

// parseTensor reads a TensorProto. The value's memory is a multiple of the message's
// length: a shape that declares more elements than are there is an error.
func parseTensor(data []byte) (name string, v *model.Value, err error) {
	t := tensorProto{}
	err = fields(data, func(f field) (err error) {
		switch f.number {
		case 1:
			t.dims, err = f.appendIntegers(t.dims)
			if len(t.dims) > maxDimensions {
				err = fmt.Errorf("more than %d dimensions", maxDimensions)
			}
		case 2:
			t.element, err = f.integer()
		case 3, 13:
			t.external = true
		case 4:
			t.floats, err = f.appendFloats(t.floats)
		case 5, 7, 11:
			t.ints, err = f.appendIntegers(t.ints)
		case 6:
			var s []byte
			s, err = f.message()
			t.strings = append(t.strings, s)
		case 8:
			t.name, err = f.text()
		case 9:
			t.raw, err = f.message()
			t.hasRaw = true
		case 10:
			t.doubles, err = f.appendDoubles(t.doubles)
		case 14:
			var location int64
			location, err = f.integer()
			t.external = t.external || location != 0
		}
		return err
	})
	if err == nil {
		v, err = t.value()
	}
	if err != nil {
		err = fmt.Errorf("tensor %q: %w", t.name, err)
	}
	return t.name, v, err
}

// value checks that the elements are as many as the shape says.
func (t *tensorProto) value() (*model.Value, error) {
	if t.external {
		return nil, fmt.Errorf("its data is in another file: %w: save the model as one file", ErrUnsupported)
	}
	d, err := datatypeOf(t.element)
	if err != nil {
		return nil, err
	}
	want, err := count(t.dims)
	if err != nil {
		return nil, err
	}
	v := &model.Value{Datatype: d, Shape: append([]int64{}, t.dims...)}
	if t.hasRaw {
		err = t.fromRaw(v)
	} else {
		err = t.fromLists(v)
	}
	if err == nil && int64(v.Len()) != want {
		err = fmt.Errorf("%d elements, want %d for shape %v: %w", v.Len(), want, t.dims, ErrInvalid)
	}
	return v, err
}

// fromLists takes the elements from the typed lists.
func (t *tensorProto) fromLists(v *model.Value) error { //nolint:unparam // as its siblings
	switch v.Datatype.Storage() {
	case model.Doubles:
		v.Doubles = t.doubles
	case model.Texts:
		for _, s := range t.strings {
			v.Texts = append(v.Texts, string(s))
		}
	case model.Ints:
		v.Ints = t.ints
		wrap(v.Datatype, v.Ints)
	default:
		v.Floats = t.floats
		if v.Datatype != model.FP32 { // half floats are bits in int32_data
			v.Floats = make([]float32, len(t.ints))
			for i, bits := range t.ints {
				v.Floats[i] = narrowFloat(v.Datatype, uint16(bits))
			}
		}
	}
	return nil
}

// narrowFloat widens the bits of a FP16 or BF16.
func narrowFloat(d model.Datatype, bits uint16) float32 {
	if d == model.BF16 {
		return math.Float32frombits(uint32(bits) << 16)
	}
	return fromHalf(bits)
}

// fromRaw takes the elements from raw_data: little endian, fixed width.
func (t *tensorProto) fromRaw(v *model.Value) error {
	w := width(v.Datatype)
	if w == 0 || len(t.raw)%w != 0 {
		return fmt.Errorf("%d raw bytes for elements of %d bytes: %w", len(t.raw), w, ErrInvalid)
	}
	n := len(t.raw) / w
	switch v.Datatype.Storage() {
	case model.Doubles:
		v.Doubles = make([]float64, n)
		for i := range v.Doubles {
			v.Doubles[i] = math.Float64frombits(binary.LittleEndian.Uint64(t.raw[8*i:]))
		}
	case model.Floats:
		v.Floats = make([]float32, n)
		for i := range v.Floats {
			if w == 4 {
				v.Floats[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.raw[4*i:]))
			} else {
				v.Floats[i] = narrowFloat(v.Datatype, binary.LittleEndian.Uint16(t.raw[2*i:]))
			}
		}
	default:
		v.Ints = make([]int64, n)
		for i := range v.Ints {
			switch w {
			case 1:
				v.Ints[i] = int64(t.raw[i])
			case 2:
				v.Ints[i] = int64(binary.LittleEndian.Uint16(t.raw[2*i:]))
			case 4:
				v.Ints[i] = int64(binary.LittleEndian.Uint32(t.raw[4*i:]))
			default:
				v.Ints[i] = int64(binary.LittleEndian.Uint64(t.raw[8*i:]))
			}
		}
		wrap(v.Datatype, v.Ints)
	}
	return nil
}

// maxElements bounds one tensor: 2^28 elements are a GiB of float32.
const maxElements = 1 << 28

// count is the number of elements of a shape. (Errors hold a copy of it, so that the
// callers' shapes need no memory of the heap.)
func count(shape []int64) (int64, error) {
	n := int64(1)
	empty := false
	for _, size := range shape {
		if size < 0 {
			return 0, fmt.Errorf("shape %v has a size below 0: %w", slices.Clone(shape), ErrInvalid)
		}
		empty = empty || size == 0
		if size > 0 && n > maxElements/size {
			return 0, fmt.Errorf("shape %v has more than %d elements: %w", slices.Clone(shape), maxElements, ErrTooLarge)
		}
		n *= max(size, 1)
	}
	if empty {
		return 0, nil
	}
	return n, nil
}
