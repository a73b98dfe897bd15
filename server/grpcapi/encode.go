package grpcapi

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"rollproof/model"
)

// frame is what the answers of one model have in common, as bytes of the message.
type frame struct {
	// model is model_name and model_version.
	model []byte
	// outputs are each output's name and datatype.
	outputs [][]byte
	// half is true for outputs that have no typed contents.
	half []bool
}

// newFrame returns the frame of a model's answers.
func newFrame(m *model.Model) *frame {
	f := &frame{model: appendText(appendText(nil, 1, m.Name), 2, m.Version)}
	for _, t := range m.Outputs {
		f.outputs = append(f.outputs, appendText(appendText(nil, 1, t.Name), 2, string(t.Datatype)))
		f.half = append(f.half, contentField(t.Datatype) == 0)
	}
	return f
}

// appendText writes a field that is a text.
func appendText(out []byte, number protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(out, number, protowire.BytesType), text)
}

// appendResponse writes a ModelInferResponse of the wanted outputs behind out.
func (f *frame) appendResponse(out, id []byte, values []model.Value, wanted []bool, raw bool) []byte {
	out = append(out, f.model...)
	if len(id) > 0 {
		out = protowire.AppendBytes(protowire.AppendTag(out, 3, protowire.BytesType), id)
	}
	for i := range values {
		raw = raw || (wanted[i] && f.half[i])
	}
	for i := range values {
		if wanted[i] {
			out = f.appendOutput(out, i, &values[i], raw)
		}
	}
	if !raw {
		return out
	}
	for i := range values {
		if wanted[i] {
			out = protowire.AppendTag(out, 6, protowire.BytesType)
			out = protowire.AppendVarint(out, uint64(rawSize(&values[i])))
			out = appendRaw(out, &values[i])
		}
	}
	return out
}

// appendOutput writes an InferOutputTensor.
func (f *frame) appendOutput(out []byte, i int, v *model.Value, raw bool) []byte {
	shape := 0
	for _, size := range v.Shape {
		shape += protowire.SizeVarint(uint64(size))
	}
	size := len(f.outputs[i])
	if len(v.Shape) > 0 {
		size += 1 + protowire.SizeBytes(shape)
	}
	list, contents := 0, 0
	if !raw {
		list = listSize(v)
		if contents = list; v.Datatype != model.Bytes && list > 0 {
			contents = 1 + protowire.SizeBytes(list)
		}
		size += 1 + protowire.SizeBytes(contents)
	}
	out = protowire.AppendVarint(protowire.AppendTag(out, 5, protowire.BytesType), uint64(size))
	out = append(out, f.outputs[i]...)
	if len(v.Shape) > 0 {
		out = protowire.AppendVarint(protowire.AppendTag(out, 3, protowire.BytesType), uint64(shape))
		for _, size := range v.Shape {
			out = protowire.AppendVarint(out, uint64(size))
		}
	}
	if raw {
		return out
	}
	out = protowire.AppendVarint(protowire.AppendTag(out, 5, protowire.BytesType), uint64(contents))
	return appendTyped(out, v, list)
}

// listSize is how many bytes the elements take in their field of InferTensorContents,
// without the field's own tag and length where there is one for all.
func listSize(v *model.Value) int {
	switch v.Datatype.Storage() {
	case model.Floats:
		return 4 * len(v.Floats)
	case model.Doubles:
		return 8 * len(v.Doubles)
	}
	n := 0
	for _, x := range v.Ints {
		n += protowire.SizeVarint(uint64(x))
	}
	for _, text := range v.Texts {
		n += 1 + protowire.SizeBytes(len(text))
	}
	return n
}

// appendTyped writes the elements as InferTensorContents; list is their listSize.
func appendTyped(out []byte, v *model.Value, list int) []byte {
	field := contentField(v.Datatype)
	if v.Datatype == model.Bytes {
		for _, text := range v.Texts {
			out = appendText(out, field, text)
		}
		return out
	}
	if list == 0 {
		return out
	}
	out = protowire.AppendVarint(protowire.AppendTag(out, field, protowire.BytesType), uint64(list))
	switch v.Datatype.Storage() {
	case model.Floats:
		for _, x := range v.Floats {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(x))
		}
	case model.Doubles:
		for _, x := range v.Doubles {
			out = binary.LittleEndian.AppendUint64(out, math.Float64bits(x))
		}
	default:
		// A negative INT32 is a varint of 64 bits too: so protobuf has it.
		for _, x := range v.Ints {
			out = protowire.AppendVarint(out, uint64(x))
		}
	}
	return out
}
