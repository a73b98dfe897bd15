package grpcapi

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"rollproof/model"
)

// contentNames are InferTensorContents' fields by number.
var contentNames = [...]string{
	1: "bool_contents", 2: "int_contents", 3: "int64_contents", 4: "uint_contents",
	5: "uint64_contents", 6: "fp32_contents", 7: "fp64_contents", 8: "bytes_contents",
}

// contentField is the field of InferTensorContents that holds a datatype's elements, 0
// if none does.
func contentField(d model.Datatype) protowire.Number {
	switch d {
	case model.Bool:
		return 1
	case model.Int8, model.Int16, model.Int32:
		return 2
	case model.Int64:
		return 3
	case model.Uint8, model.Uint16, model.Uint32:
		return 4
	case model.Uint64:
		return 5
	case model.FP32:
		return 6
	case model.FP64:
		return 7
	case model.Bytes:
		return 8
	}
	return 0
}

// bounds are the least and the largest element of an integer datatype that shares its
// field with wider ones.
func bounds(d model.Datatype) (least, largest int64) {
	switch d {
	case model.Int8:
		return math.MinInt8, math.MaxInt8
	case model.Int16:
		return math.MinInt16, math.MaxInt16
	case model.Uint8:
		return 0, math.MaxUint8
	case model.Uint16:
		return 0, math.MaxUint16
	}
	return math.MinInt64, math.MaxInt64
}

// typed reads elements out of InferTensorContents.
type typed struct {
	value *model.Value
	field protowire.Number
	// want is how many elements the shape says; seen how many there were. Those behind
	// want are counted and not kept.
	want, seen int
	// least and largest are the bounds of an integer.
	least, largest int64
}

// fillTyped writes the elements of contents into v, whose datatype is set.
func fillTyped(v *model.Value, contents [][]byte, want int, path string) *problem {
	bytes := 0
	for _, c := range contents {
		bytes += len(c)
	}
	t := typed{value: v, field: contentField(v.Datatype), want: want}
	t.least, t.largest = bounds(v.Datatype)
	// Each element takes a byte of the message or more: memory comes with bytes.
	room := min(want, bytes)
	switch v.Datatype.Storage() {
	case model.Floats:
		v.Floats = slices.Grow(v.Floats[:0], room)
	case model.Doubles:
		v.Doubles = slices.Grow(v.Doubles[:0], room)
	case model.Ints:
		v.Ints = slices.Grow(v.Ints[:0], room)
	case model.Texts:
		v.Texts = slices.Grow(v.Texts[:0], min(want, bytes/2))
	}
	for _, c := range contents {
		if p := t.read(c, path); p != nil {
			return p
		}
	}
	if t.seen != want {
		if t.field == 0 {
			return invalid(reasonContentsMismatch, path,
				"%s has no typed contents, want its elements in raw_input_contents", v.Datatype)
		}
		return invalid(reasonContentsMismatch, path+"."+contentNames[t.field], "%d elements, want %d as shape says", t.seen, want)
	}
	return nil
}

// read takes one InferTensorContents.
func (t *typed) read(contents []byte, path string) *problem {
	f := fields{rest: contents}
	for f.next() {
		if f.number < 1 || f.number > 8 {
			continue
		}
		if f.number != t.field {
			if p := t.misplaced(&f, path); p != nil {
				return p
			}
			continue
		}
		at, err := t.elements(&f)
		switch {
		case err != nil:
			return invalid(reasonInvalidMessage, path, "not an InferTensorContents: %v", err)
		case at >= 0:
			return invalid(reasonInvalidValue, fmt.Sprintf("%s.%s[%d]", path, contentNames[t.field], at),
				"outside %s, want %d to %d", t.value.Datatype, t.least, t.largest)
		}
	}
	if f.err != nil {
		return invalid(reasonInvalidMessage, path, "not an InferTensorContents: %v", f.err)
	}
	return nil
}

// misplaced is the problem with elements in a field of other datatypes, nil if the
// field, as unknown ones may, holds something else, or nothing.
func (t *typed) misplaced(f *fields, path string) *problem {
	kind := protowire.VarintType
	switch f.number {
	case 6:
		kind = protowire.Fixed32Type
	case 7:
		kind = protowire.Fixed64Type
	case 8:
		kind = protowire.BytesType
	}
	packed := f.kind == protowire.BytesType && len(f.bytes) > 0
	if f.kind != kind && !packed {
		return nil
	}
	want := "raw_input_contents"
	if t.field != 0 {
		want = contentNames[t.field]
	}
	return invalid(reasonContentsMismatch, path+"."+contentNames[f.number],
		"given for datatype %s, want %s", t.value.Datatype, want)
}

// elements takes a field's elements, one or a packed list. It returns the index of an
// element out of bounds, -1 if there is none.
func (t *typed) elements(f *fields) (int, error) {
	switch t.field {
	case 6:
		if f.kind == protowire.Fixed32Type {
			t.single(uint32(f.value))
		}
		if len(f.bytes)%4 != 0 {
			return -1, errPacked
		}
		n := len(f.bytes) / 4
		kept := f.bytes[:4*min(n, t.want-min(t.seen, t.want))]
		v := t.value
		for ; len(kept) >= 4; kept = kept[4:] {
			v.Floats = append(v.Floats, math.Float32frombits(binary.LittleEndian.Uint32(kept)))
		}
		t.seen += n
	case 7:
		if f.kind == protowire.Fixed64Type {
			t.double(f.value)
		}
		if len(f.bytes)%8 != 0 {
			return -1, errPacked
		}
		for rest := f.bytes; len(rest) > 0; rest = rest[8:] {
			t.double(binary.LittleEndian.Uint64(rest))
		}
	case 8:
		if f.kind == protowire.BytesType {
			if t.seen < t.want {
				t.value.Texts = append(t.value.Texts, string(f.bytes))
			}
			t.seen++
		}
	default:
		return t.integers(f)
	}
	return -1, nil
}

// integers is elements for the fields of integers.
func (t *typed) integers(f *fields) (int, error) {
	if f.kind == protowire.VarintType && !t.integer(f.value) {
		return t.seen - 1, nil
	}
	for rest := f.bytes; len(rest) > 0; {
		v, n := protowire.ConsumeVarint(rest)
		if n < 0 {
			return -1, protowire.ParseError(n)
		}
		if !t.integer(v) {
			return t.seen - 1, nil
		}
		rest = rest[n:]
	}
	return -1, nil
}

func (t *typed) single(bits uint32) {
	if t.seen < t.want {
		t.value.Floats = append(t.value.Floats, math.Float32frombits(bits))
	}
	t.seen++
}

func (t *typed) double(bits uint64) {
	if t.seen < t.want {
		t.value.Doubles = append(t.value.Doubles, math.Float64frombits(bits))
	}
	t.seen++
}

// integer takes a varint in the way of its field's type. It returns false if the
// element is out of bounds.
func (t *typed) integer(v uint64) bool {
	x := int64(v)
	switch t.field {
	case 1:
		x = 0
		if v != 0 {
			x = 1
		}
	case 2:
		x = int64(int32(v))
	case 4:
		x = int64(uint32(v))
	}
	if t.seen < t.want {
		t.value.Ints = append(t.value.Ints, x)
	}
	t.seen++
	return x >= t.least && x <= t.largest
}
