package grpcapi

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/x448/float16"

	"rollproof/model"
)

// width is how many bytes an element takes in raw contents, 0 if that is the element's
// own matter.
func width(d model.Datatype) int {
	switch d {
	case model.Bool, model.Int8, model.Uint8:
		return 1
	case model.Int16, model.Uint16, model.FP16, model.BF16:
		return 2
	case model.Int32, model.Uint32, model.FP32:
		return 4
	case model.Int64, model.Uint64, model.FP64:
		return 8
	}
	return 0
}

// fillRaw writes raw contents into v, whose datatype is set.
func fillRaw(v *model.Value, raw []byte, want int, path string) *problem {
	if v.Datatype == model.Bytes {
		return fillTexts(v, raw, want, path)
	}
	size := width(v.Datatype)
	if len(raw)/size != want || len(raw)%size != 0 {
		return invalid(reasonContentsMismatch, path, "%d bytes, want %d: %d elements of %s as shape says",
			len(raw), want*size, want, v.Datatype)
	}
	switch v.Datatype.Storage() {
	case model.Floats:
		v.Floats = model.Sized(v.Floats, want)
		fillFloats(v, raw)
	case model.Doubles:
		v.Doubles = model.Sized(v.Doubles, want)
		for i := range v.Doubles {
			v.Doubles[i] = math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:]))
		}
	case model.Ints:
		v.Ints = model.Sized(v.Ints, want)
		return fillInts(v, raw, path)
	}
	return nil
}

// fillFloats is fillRaw for what Floats holds.
func fillFloats(v *model.Value, raw []byte) {
	list := v.Floats
	switch v.Datatype {
	case model.FP16:
		for i := range list {
			list[i] = float16.Frombits(binary.LittleEndian.Uint16(raw[2*i:])).Float32()
		}
	case model.BF16:
		for i := range list {
			list[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(raw[2*i:])) << 16)
		}
	default:
		for i := range list {
			list[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw))
			raw = raw[4:]
		}
	}
}

// fillInts is fillRaw for what Ints holds.
func fillInts(v *model.Value, raw []byte, path string) *problem {
	list := v.Ints
	switch v.Datatype {
	case model.Bool:
		for i := range list {
			if raw[i] > 1 {
				return invalid(reasonInvalidValue, fmt.Sprintf("%s[%d]", path, i), "byte %d for a BOOL, want 0 or 1", raw[i])
			}
			list[i] = int64(raw[i])
		}
	case model.Uint8:
		for i := range list {
			list[i] = int64(raw[i])
		}
	case model.Int8:
		for i := range list {
			list[i] = int64(int8(raw[i]))
		}
	case model.Uint16:
		for i := range list {
			list[i] = int64(binary.LittleEndian.Uint16(raw[2*i:]))
		}
	case model.Int16:
		for i := range list {
			list[i] = int64(int16(binary.LittleEndian.Uint16(raw[2*i:])))
		}
	case model.Uint32:
		for i := range list {
			list[i] = int64(binary.LittleEndian.Uint32(raw[4*i:]))
		}
	case model.Int32:
		for i := range list {
			list[i] = int64(int32(binary.LittleEndian.Uint32(raw[4*i:])))
		}
	default:
		for i := range list {
			list[i] = int64(binary.LittleEndian.Uint64(raw[8*i:]))
		}
	}
	return nil
}

// fillTexts is fillRaw for BYTES: each element behind its length as 4 bytes.
func fillTexts(v *model.Value, raw []byte, want int, path string) *problem {
	all := len(raw)
	if want > all/4 {
		return invalid(reasonContentsMismatch, path, "%d bytes, want %d elements of BYTES as shape says, each behind its length as 4 bytes", all, want)
	}
	v.Texts = model.Sized(v.Texts, want)
	for i := range v.Texts {
		if len(raw) < 4 {
			return invalid(reasonContentsMismatch, path, "ends in the length of element %d, want %d elements as shape says", i, want)
		}
		n := binary.LittleEndian.Uint32(raw)
		raw = raw[4:]
		if uint64(n) > uint64(len(raw)) {
			return invalid(reasonContentsMismatch, path, "element %d is %d bytes long by its length, but %d bytes follow", i, n, len(raw))
		}
		v.Texts[i], raw = string(raw[:n]), raw[n:]
	}
	if len(raw) > 0 {
		return invalid(reasonContentsMismatch, path, "%d bytes behind the %d elements that shape says", len(raw), want)
	}
	return nil
}

// rawSize is how many bytes the value takes in raw contents.
func rawSize(v *model.Value) int {
	if v.Datatype != model.Bytes {
		return width(v.Datatype) * v.Len()
	}
	n := 0
	for _, text := range v.Texts {
		n += 4 + len(text)
	}
	return n
}

// appendRaw writes the value's elements as raw contents behind out.
func appendRaw(out []byte, v *model.Value) []byte {
	switch v.Datatype {
	case model.FP32:
		for _, x := range v.Floats {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(x))
		}
	case model.FP16:
		for _, x := range v.Floats {
			out = binary.LittleEndian.AppendUint16(out, float16.Fromfloat32(x).Bits())
		}
	case model.BF16:
		for _, x := range v.Floats {
			out = binary.LittleEndian.AppendUint16(out, brain(x))
		}
	case model.FP64:
		for _, x := range v.Doubles {
			out = binary.LittleEndian.AppendUint64(out, math.Float64bits(x))
		}
	case model.Bytes:
		for _, text := range v.Texts {
			out = append(binary.LittleEndian.AppendUint32(out, uint32(len(text))), text...)
		}
	default:
		size := width(v.Datatype)
		for _, x := range v.Ints {
			var word [8]byte
			binary.LittleEndian.PutUint64(word[:], uint64(x))
			out = append(out, word[:size]...)
		}
	}
	return out
}

// brain is x as a BF16, the nearest, of two as near the even one.
func brain(x float32) uint16 {
	bits := math.Float32bits(x)
	if x != x {
		return uint16(bits>>16) | 0x40 // stays a NaN
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}
