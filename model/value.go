package model

// Datatype names an element type the way the Open Inference Protocol does
// (https://github.com/kserve/open-inference-protocol).
type Datatype string

// The protocol's datatypes. BF16 is Triton's addition to them.
const (
	Bool   Datatype = "BOOL"
	Uint8  Datatype = "UINT8"
	Uint16 Datatype = "UINT16"
	Uint32 Datatype = "UINT32"
	Uint64 Datatype = "UINT64"
	Int8   Datatype = "INT8"
	Int16  Datatype = "INT16"
	Int32  Datatype = "INT32"
	Int64  Datatype = "INT64"
	FP16   Datatype = "FP16"
	BF16   Datatype = "BF16"
	FP32   Datatype = "FP32"
	FP64   Datatype = "FP64"
	Bytes  Datatype = "BYTES"
)

// Storage is which of a Value's lists holds the elements of a datatype.
type Storage uint8

// The lists of a Value. Invalid is the storage of what is no datatype.
const (
	Invalid Storage = iota
	Floats
	Doubles
	Ints
	Texts
)

// Storage of the datatype. There are four for fourteen datatypes: a narrow type's
// elements are kept in a wider one that holds each of them exactly, UINT64 as its bits.
func (d Datatype) Storage() Storage {
	switch d {
	case FP16, BF16, FP32:
		return Floats
	case FP64:
		return Doubles
	case Bool, Uint8, Uint16, Uint32, Uint64, Int8, Int16, Int32, Int64:
		return Ints
	case Bytes:
		return Texts
	}
	return Invalid
}

// Value is the elements of one tensor, row-major, in the list that its datatype's
// Storage names; the other lists have no elements. The zero value is ready for Reset.
type Value struct {
	Datatype Datatype
	// Shape, outermost dimension first, all sizes 0 or more.
	Shape   []int64
	Floats  []float32
	Doubles []float64
	// Ints holds a BOOL as 0 or 1 and a UINT64 as its bits.
	Ints []int64
	// Texts may hold any bytes: BYTES says nothing of an encoding.
	Texts []string
}

// Reset makes the value one of that datatype and shape, with memory for its elements
// (whose values are left as they were). Memory that it has is used again.
func (v *Value) Reset(d Datatype, shape ...int64) {
	elements := int64(1)
	for _, size := range shape {
		elements *= size
	}
	v.Datatype = d
	v.Shape = append(v.Shape[:0], shape...)
	v.Floats, v.Doubles, v.Ints, v.Texts = v.Floats[:0], v.Doubles[:0], v.Ints[:0], v.Texts[:0]
	switch n := int(elements); d.Storage() {
	case Floats:
		v.Floats = Sized(v.Floats, n)
	case Doubles:
		v.Doubles = Sized(v.Doubles, n)
	case Ints:
		v.Ints = Sized(v.Ints, n)
	case Texts:
		v.Texts = Sized(v.Texts, n)
	}
}

// Len is the number of elements that the value's storage holds.
func (v *Value) Len() int {
	switch v.Datatype.Storage() {
	case Floats:
		return len(v.Floats)
	case Doubles:
		return len(v.Doubles)
	case Ints:
		return len(v.Ints)
	case Texts:
		return len(v.Texts)
	}
	return 0
}

// Rows is the size of the first dimension, 1 for a scalar.
func (v *Value) Rows() int {
	if len(v.Shape) == 0 {
		return 1
	}
	return int(v.Shape[0])
}

// Sized returns a slice of n elements: the given one if it is large enough, whose
// elements keep what they held.
func Sized[T any](list []T, n int) []T {
	if cap(list) < n {
		return make([]T, n)
	}
	return list[:n]
}
