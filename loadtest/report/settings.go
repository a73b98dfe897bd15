package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Setting is one setting by its name in report.json.
type Setting struct {
	Name, Value string
}

// Flat returns the settings and, as objectives.NAME, what must hold, in the order
// of report.json. It knows none of them, so that a new one needs no line here.
func (r *Report) Flat() []Setting {
	var out []Setting
	flatten("", r.Settings, &out)
	flatten("objectives", r.Objectives, &out)
	return out
}

func flatten(prefix string, v any, out *[]Setting) {
	data, err := json.Marshal(v)
	if err != nil {
		return // report.json could not be written either, which is told there
	}
	flattenJSON(prefix, data, out)
}

// flattenJSON takes an object's members one after the other.
func flattenJSON(prefix string, data []byte, out *[]Setting) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return
		}
		name := strings.TrimPrefix(fmt.Sprintf("%s.%v", prefix, key), ".")
		switch value[0] {
		case '{':
			flattenJSON(name, value, out)
		case '[':
			var list []any
			if json.Unmarshal(value, &list) == nil {
				words := make([]string, 0, len(list))
				for _, x := range list {
					words = append(words, fmt.Sprint(x))
				}
				*out = append(*out, Setting{name, strings.Join(words, " ")})
			}
		case '"':
			var text string
			if json.Unmarshal(value, &text) == nil {
				*out = append(*out, Setting{name, text})
			}
		default:
			*out = append(*out, Setting{name, string(value)})
		}
	}
}
