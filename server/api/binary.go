package api

import (
	"encoding/binary"
	"math"

	"github.com/x448/float16"

	"rollproof/model"
)

// The binary tensor data extension
// (https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md):
// elements row-major and little-endian without gaps, a BOOL as one byte of 0 or 1, a
// BYTES element behind its length in four bytes.

// widths are the bytes of an element, 0 for BYTES.
var widths = map[model.Datatype]int{
	model.Bool: 1, model.Uint8: 1, model.Int8: 1,
	model.Uint16: 2, model.Int16: 2, model.FP16: 2, model.BF16: 2,
	model.Uint32: 4, model.Int32: 4, model.FP32: 4,
	model.Uint64: 8, model.Int64: 8, model.FP64: 8,
	model.Bytes: 0,
}

// takeBinary reads the next size bytes behind the JSON as the value's elements, whose
// shape has been checked.
func (d *decoder) takeBinary(v *model.Value, size int64) *problem {
	if size > int64(len(d.binary)) {
		return badRequest(reasonInvalidBinary, "%d, but %d bytes are left behind the JSON; the header %s says where that ends",
			size, len(d.binary), headerLength)
	}
	data := d.binary[:size]
	d.binary = d.binary[size:]
	n, _ := count(v.Shape, len(d.body))
	empty(v)
	width := widths[v.Datatype]
	if width == 0 {
		return takeTexts(v, data, n)
	}
	if len(data) != n*width {
		return badRequest(reasonInvalidBinary, "%d, want %d for shape %v of %s", size, n*width, v.Shape, v.Datatype)
	}
	switch v.Datatype.Storage() {
	case model.Floats:
		v.Floats = model.Sized(v.Floats, n)
		takeFloats(v.Floats, v.Datatype, data)
	case model.Doubles:
		v.Doubles = model.Sized(v.Doubles, n)
		for i := range v.Doubles {
			v.Doubles[i] = math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:]))
		}
	default:
		v.Ints = model.Sized(v.Ints, n)
		return takeInts(v.Ints, v.Datatype, data)
	}
	return nil
}

// takeFloats reads as many floats as the list has.
func takeFloats(list []float32, d model.Datatype, data []byte) {
	for i := range list {
		switch d {
		case model.FP16:
			list[i] = float16.Frombits(binary.LittleEndian.Uint16(data[2*i:])).Float32()
		case model.BF16:
			list[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(data[2*i:])) << 16)
		default:
			list[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
	}
}

// takeInts reads as many integers as the list has.
func takeInts(list []int64, d model.Datatype, data []byte) *problem {
	for i := range list {
		switch d {
		case model.Bool:
			if data[i] > 1 {
				return badRequest(reasonInvalidBinary, "the BOOL at byte %d is %d, want 0 or 1", i, data[i])
			}
			list[i] = int64(data[i])
		case model.Uint8:
			list[i] = int64(data[i])
		case model.Int8:
			list[i] = int64(int8(data[i]))
		case model.Uint16:
			list[i] = int64(binary.LittleEndian.Uint16(data[2*i:]))
		case model.Int16:
			list[i] = int64(int16(binary.LittleEndian.Uint16(data[2*i:])))
		case model.Uint32:
			list[i] = int64(binary.LittleEndian.Uint32(data[4*i:]))
		case model.Int32:
			list[i] = int64(int32(binary.LittleEndian.Uint32(data[4*i:])))
		default:
			list[i] = int64(binary.LittleEndian.Uint64(data[8*i:]))
		}
	}
	return nil
}

// takeTexts reads n texts, which all of the data must be.
func takeTexts(v *model.Value, data []byte, n int) *problem {
	if n > len(data)/4 {
		return badRequest(reasonInvalidBinary, "%d, want %d or more: shape %v is %d elements, each behind a length of 4 bytes",
			len(data), 4*n, v.Shape, n)
	}
	v.Texts = model.Sized(v.Texts, n)
	clear(v.Texts)
	all, at := string(data), 0
	for i := range v.Texts {
		if len(data)-at < 4 {
			return badRequest(reasonInvalidBinary, "element %d begins at byte %d of %d, want 4 bytes of length there", i, at, len(data))
		}
		length := int64(binary.LittleEndian.Uint32(data[at:]))
		at += 4
		if length > int64(len(data)-at) {
			return badRequest(reasonInvalidBinary, "element %d is %d bytes long, but %d are left of the input", i, length, len(data)-at)
		}
		v.Texts[i] = all[at : at+int(length)]
		at += int(length)
	}
	if at != len(data) {
		return badRequest(reasonInvalidBinary, "%d, but %d elements take %d", len(data), n, at)
	}
	return nil
}

// binarySize is how many bytes the value's elements take.
func binarySize(v *model.Value) int {
	if width := widths[v.Datatype]; width > 0 {
		return width * v.Len()
	}
	size := 4 * len(v.Texts)
	for _, text := range v.Texts {
		size += len(text)
	}
	return size
}

// appendBinary writes the value's elements behind out.
func appendBinary(out []byte, v *model.Value) []byte {
	for _, x := range v.Floats {
		switch v.Datatype {
		case model.FP16:
			out = binary.LittleEndian.AppendUint16(out, float16.Fromfloat32(x).Bits())
		case model.BF16:
			out = binary.LittleEndian.AppendUint16(out, uint16(math.Float32bits(x)>>16))
		default:
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(x))
		}
	}
	for _, x := range v.Doubles {
		out = binary.LittleEndian.AppendUint64(out, math.Float64bits(x))
	}
	for _, x := range v.Ints {
		switch widths[v.Datatype] {
		case 1:
			out = append(out, byte(x))
		case 2:
			out = binary.LittleEndian.AppendUint16(out, uint16(x))
		case 4:
			out = binary.LittleEndian.AppendUint32(out, uint32(x))
		default:
			out = binary.LittleEndian.AppendUint64(out, uint64(x))
		}
	}
	for _, text := range v.Texts {
		out = binary.LittleEndian.AppendUint32(out, uint32(len(text)))
		out = append(out, text...)
	}
	return out
}
