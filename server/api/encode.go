package api

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"strconv"

	"rollproof/model"
)

// appendResponse writes the answer to an inference request behind out.
func appendResponse(out []byte, m *model.Model, r *request, labels []int64, probabilities []float32) ([]byte, *problem) {
	out = append(out, `{"model_name":"`...)
	out = append(out, m.Name...) // the repository lets no name in that needs escapes
	out = append(out, `","model_version":"`...)
	out = append(out, m.Version...)
	out = append(out, '"')
	if r.id != nil {
		out = append(out, `,"id":`...)
		out = append(out, r.id...)
	}
	out = append(out, `,"outputs":[`...)
	if r.label {
		out = appendHead(out, m.Label, len(labels))
		for i, v := range labels {
			if i > 0 {
				out = append(out, ',')
			}
			out = strconv.AppendInt(out, v, 10)
		}
		out = append(out, "]}"...)
	}
	if r.probabilities {
		if r.label {
			out = append(out, ',')
		}
		out = appendHead(out, m.Probabilities, len(labels))
		for i, v := range probabilities {
			if i > 0 {
				out = append(out, ',')
			}
			if math.IsInf(float64(v), 0) || v != v {
				return out, newProblem(http.StatusInternalServerError, reasonInternal,
					"outputs: the model gives %v for row %d, which JSON cannot hold", v, i/m.Classes())
			}
			out = strconv.AppendFloat(out, float64(v), 'g', -1, 32)
		}
		out = append(out, "]}"...)
	}
	return append(out, "]}\n"...), nil
}

// appendHead writes an output up to the bracket that opens its data.
func appendHead(out []byte, t model.Tensor, rows int) []byte {
	out = append(out, `{"name":`...)
	out = append(out, quote(t.Name)...)
	out = append(out, `,"datatype":"`...)
	out = append(out, t.Datatype...)
	out = append(out, `","shape":[`...)
	for i, size := range t.Shape {
		if i > 0 {
			out = append(out, ',')
		}
		if size == model.Rows {
			size = int64(rows)
		}
		out = strconv.AppendInt(out, size, 10)
	}
	return append(out, `],"data":[`...)
}

// quote is the text as a JSON string.
func quote(text string) []byte {
	plain := true
	for i := range len(text) {
		plain = plain && text[i] >= ' ' && text[i] < 0x7f && text[i] != '"' && text[i] != '\\'
	}
	if plain {
		return append(append([]byte{'"'}, text...), '"')
	}
	return marshal(text)
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
