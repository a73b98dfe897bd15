package api

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"unicode/utf8"

	"rollproof/model"
)

// appendInference writes the answer to an inference request behind out. It returns how
// much of it is JSON; the rest is binary tensors.
func appendInference(out []byte, c *codec, r *request, values []model.Value) (all []byte, header int, p *problem) {
	begin := len(out)
	out = append(out, c.head...)
	if r.id != nil {
		out = append(out, `,"id":`...)
		out = append(out, r.id...)
	}
	out = append(out, `,"outputs":[`...)
	for i, w := range r.wants {
		if i > 0 {
			out = append(out, ',')
		}
		v := &values[w.output]
		out = append(out, c.heads[w.output]...)
		for j, size := range v.Shape {
			if j > 0 {
				out = append(out, ',')
			}
			out = strconv.AppendInt(out, size, 10)
		}
		if w.binary {
			out = append(out, `],"parameters":{"binary_data_size":`...)
			out = strconv.AppendInt(out, int64(binarySize(v)), 10)
			out = append(out, "}}"...)
			continue
		}
		out = append(out, `],"data":[`...)
		if out, p = appendElements(out, v, 0, v.Len(), w.nulls); p != nil {
			return out, 0, p.in(strconv.Quote(c.outputNames[w.output])).in("outputs")
		}
		out = append(out, "]}"...)
	}
	out = append(out, "]}\n"...)
	header = len(out) - begin
	for _, w := range r.wants {
		if w.binary {
			out = appendBinary(out, &values[w.output])
		}
	}
	return out, header, nil
}

// appendElements writes the value's elements from one place up to another with commas
// between them.
func appendElements(out []byte, v *model.Value, from, to int, nulls bool) (_ []byte, p *problem) {
	for i := from; i < to; i++ {
		if i > from {
			out = append(out, ',')
		}
		switch v.Datatype {
		case model.FP16, model.BF16, model.FP32:
			out, p = appendFloat(out, float64(v.Floats[i]), 32, nulls)
		case model.FP64:
			out, p = appendFloat(out, v.Doubles[i], 64, nulls)
		case model.Bool:
			out = strconv.AppendBool(out, v.Ints[i] != 0)
		case model.Uint64:
			out = strconv.AppendUint(out, uint64(v.Ints[i]), 10)
		case model.Bytes:
			if !utf8.ValidString(v.Texts[i]) {
				return out, newProblem(http.StatusUnprocessableEntity, reasonUnencodable,
					"not valid UTF-8, which a JSON string must be; ask for the output as binary data").at(i)
			}
			out = appendText(out, v.Texts[i])
		default:
			out = strconv.AppendInt(out, v.Ints[i], 10)
		}
		if p != nil {
			return out, p.at(i)
		}
	}
	return out, nil
}

// appendFloat writes the shortest decimal that reads back as x, in the form that
// encoding/json gives it.
func appendFloat(out []byte, x float64, bits int, nulls bool) ([]byte, *problem) {
	if math.IsNaN(x) && nulls {
		return append(out, "null"...), nil
	}
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return out, newProblem(http.StatusUnprocessableEntity, reasonUnencodable,
			"the model gives %v, which JSON cannot hold; ask for the output as binary data, "+
				`or for null instead of NaN by the parameter "missing": "null"`, x)
	}
	format := byte('f')
	if a := math.Abs(x); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(out, x, format, -1, bits), nil
}

// appendText writes the text, which is valid UTF-8, as a JSON string.
func appendText(out []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c == 0x7f {
			return append(out, bytes.TrimSuffix(marshal(text), []byte{'\n'})...)
		}
	}
	out = append(out, '"')
	out = append(out, text...)
	return append(out, '"')
}

// marshal is value as JSON with a line end, without the escapes meant for HTML. The
// values are this package's own types, which have a JSON form.
func marshal(value any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return []byte(`{"error":"the answer has no JSON form","reason":"internal"}` + "\n")
	}
	return b.Bytes()
}
