package onnx

import (
	"fmt"
	"math"

	"rollproof/model"
)

// The values of TensorProto.DataType that are served.
const (
	elementFloat    = 1
	elementUint8    = 2
	elementInt8     = 3
	elementUint16   = 4
	elementInt16    = 5
	elementInt32    = 6
	elementInt64    = 7
	elementString   = 8
	elementBool     = 9
	elementFloat16  = 10
	elementDouble   = 11
	elementUint32   = 12
	elementUint64   = 13
	elementBfloat16 = 16
)

// datatypeOf translates a TensorProto.DataType.
func datatypeOf(element int64) (model.Datatype, error) {
	switch element {
	case elementFloat:
		return model.FP32, nil
	case elementUint8:
		return model.Uint8, nil
	case elementInt8:
		return model.Int8, nil
	case elementUint16:
		return model.Uint16, nil
	case elementInt16:
		return model.Int16, nil
	case elementInt32:
		return model.Int32, nil
	case elementInt64:
		return model.Int64, nil
	case elementString:
		return model.Bytes, nil
	case elementBool:
		return model.Bool, nil
	case elementFloat16:
		return model.FP16, nil
	case elementDouble:
		return model.FP64, nil
	case elementUint32:
		return model.Uint32, nil
	case elementUint64:
		return model.Uint64, nil
	case elementBfloat16:
		return model.BF16, nil
	}
	return "", fmt.Errorf("element type %d is %w", element, ErrUnsupported)
}

// width is the bytes that an element takes in TensorProto.raw_data, 0 for strings,
// which are not allowed there.
func width(d model.Datatype) int {
	switch d {
	case model.Bool, model.Uint8, model.Int8:
		return 1
	case model.Uint16, model.Int16, model.FP16, model.BF16:
		return 2
	case model.Uint32, model.Int32, model.FP32:
		return 4
	case model.Uint64, model.Int64, model.FP64:
		return 8
	}
	return 0
}

// element is what the lists of a model.Value hold.
type element interface {
	float32 | float64 | int64 | string
}

// number is an element to reckon with.
type number interface {
	float32 | float64 | int64
}

// elements returns the value's list of that type.
func elements[T element](v *model.Value) []T {
	var list []T
	switch p := any(&list).(type) {
	case *[]float32:
		*p = v.Floats
	case *[]float64:
		*p = v.Doubles
	case *[]int64:
		*p = v.Ints
	case *[]string:
		*p = v.Texts
	}
	return list
}

// isNumber says whether operators reckon with the datatype. Half floats and UINT64
// are stored and cast only.
func isNumber(d model.Datatype) bool {
	switch d {
	case model.FP32, model.FP64, model.Int64, model.Int32, model.Int16, model.Int8,
		model.Uint8, model.Uint16, model.Uint32:
		return true
	}
	return false
}

// wrap cuts whole numbers to the width of their datatype, as two's complement does.
func wrap(d model.Datatype, list []int64) {
	switch d {
	case model.Int32:
		for i, x := range list {
			list[i] = int64(int32(x))
		}
	case model.Int16:
		for i, x := range list {
			list[i] = int64(int16(x))
		}
	case model.Int8:
		for i, x := range list {
			list[i] = int64(int8(x))
		}
	case model.Uint32:
		for i, x := range list {
			list[i] = int64(uint32(x))
		}
	case model.Uint16:
		for i, x := range list {
			list[i] = int64(uint16(x))
		}
	case model.Uint8:
		for i, x := range list {
			list[i] = int64(uint8(x))
		}
	case model.Bool:
		for i, x := range list {
			if x != 0 {
				list[i] = 1
			}
		}
	}
}

// half rounds to the nearest number that IEEE 754's binary16 holds, ties to even.
func half(x float32) float32 {
	const largest, overflow = 65504, 65520
	a := float32(math.Abs(float64(x)))
	switch {
	case x != x || a == 0:
		return x
	case a >= overflow:
		return float32(math.Inf(1)) * x
	case a > largest:
		return float32(math.Copysign(largest, float64(x)))
	}
	// Ten bits behind the leading one; below 2^-14 the steps stay at 2^-24.
	_, exponent := math.Frexp(float64(a))
	step := math.Ldexp(1, max(exponent-11, -24))
	return float32(math.RoundToEven(float64(x)/step) * step)
}

// brain rounds to the nearest bfloat16, ties to even.
func brain(x float32) float32 {
	bits := math.Float32bits(x)
	if x == x {
		bits += 0x7fff + bits>>16&1
	}
	return math.Float32frombits(bits &^ 0xffff)
}

// fromHalf widens a binary16.
func fromHalf(bits uint16) float32 {
	sign, exponent, fraction := float64(1), int(bits>>10&0x1f), float64(bits&0x3ff)
	if bits>>15 == 1 {
		sign = -1
	}
	switch {
	case exponent == 0:
		return float32(math.Copysign(math.Ldexp(fraction, -24), sign))
	case exponent == 0x1f && fraction == 0:
		return float32(math.Inf(int(sign)))
	case exponent == 0x1f:
		return float32(math.NaN())
	}
	return float32(sign * math.Ldexp(1024+fraction, exponent-25))
}
