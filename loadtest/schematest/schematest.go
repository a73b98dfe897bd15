// Package schematest holds a JSON schema to the Go type that it describes, so that
// neither changes without the other. Nothing but tests may use it.
package schematest

import (
	"bytes"
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Compile returns the schema, ready to validate with. It is refused if it is no
// valid schema itself.
func Compile(t testing.TB, text []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Validate fails the test unless the JSON text fits the schema.
func Validate(t testing.TB, s *jsonschema.Schema, text []byte) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(doc); err != nil {
		t.Errorf("%#v", err)
	}
}

// Same fails the test unless the schema names the very fields of v's type, by the
// names of a struct tag (json or yaml), of the right kinds, and demands those that
// are always written. With loose it demands none.
func Same(t testing.TB, schema []byte, v any, tag string, loose bool) {
	t.Helper()
	var root map[string]any
	if err := json.Unmarshal(schema, &root); err != nil {
		t.Fatal(err)
	}
	w := &walk{TB: t, root: root, tag: tag, loose: loose, seen: map[reflect.Type]bool{}}
	w.typed("", root, reflect.TypeOf(v))
}

type walk struct {
	testing.TB
	root  map[string]any
	tag   string
	loose bool
	seen  map[reflect.Type]bool
}

var (
	timeType = reflect.TypeFor[time.Time]()
	textType = reflect.TypeFor[encoding.TextMarshaler]()
	jsonType = reflect.TypeFor[json.Marshaler]()
)

// resolved follows a reference.
func (w *walk) resolved(s map[string]any) map[string]any {
	ref, ok := s["$ref"].(string)
	if !ok {
		return s
	}
	defs, _ := w.root["$defs"].(map[string]any)
	def, ok := defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	if !ok {
		w.Fatalf("%s leads nowhere", ref)
	}
	return def
}

// typed compares one place of the schema with a type.
func (w *walk) typed(where string, s map[string]any, t reflect.Type) {
	s = w.resolved(s)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t != timeType && t.Implements(jsonType) {
		return // it has a form of its own, which its examples must show
	}
	want := ""
	switch {
	case t == timeType || t.Implements(textType):
		want = "string"
	default:
		switch t.Kind() {
		case reflect.Struct, reflect.Map:
			want = "object"
		case reflect.Slice:
			want = "array"
		case reflect.String:
			want = "string"
		case reflect.Bool:
			want = "boolean"
		case reflect.Float64:
			want = "number"
		default:
			want = "integer"
		}
	}
	if !slices.Contains(types(s), want) {
		w.Errorf("%s: the schema says %v, the type is %s: want %s", where, types(s), t, want)
		return
	}
	switch {
	case want == "array":
		if items, ok := s["items"].(map[string]any); ok {
			w.typed(where+"[]", items, t.Elem())
		} else {
			w.Errorf("%s: the schema does not say what is in it", where)
		}
	case want == "object" && t.Kind() == reflect.Map:
		if values, ok := s["additionalProperties"].(map[string]any); ok {
			w.typed(where+".*", values, t.Elem())
		} else {
			w.Errorf("%s: the schema does not say what is in it", where)
		}
	case want == "object":
		if !w.seen[t] {
			w.seen[t] = true
			w.fields(where, s, t)
		}
	}
}

func types(s map[string]any) []string {
	switch of := s["type"].(type) {
	case string:
		return []string{of}
	case []any:
		var out []string
		for _, x := range of {
			if text, ok := x.(string); ok {
				out = append(out, text)
			}
		}
		return out
	}
	return nil
}

// fields compares the properties of an object with the fields of a struct.
func (w *walk) fields(where string, s map[string]any, t reflect.Type) {
	properties, _ := s["properties"].(map[string]any)
	left := map[string]bool{}
	for name := range properties {
		left[name] = true
	}
	var required []string
	if list, ok := s["required"].([]any); ok {
		for _, x := range list {
			required = append(required, x.(string))
		}
	}
	for _, f := range reflect.VisibleFields(t) {
		if !f.IsExported() || f.Anonymous {
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get(w.tag), ",")
		if name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		at := strings.TrimPrefix(where+"."+name, ".")
		delete(left, name)
		property, ok := properties[name].(map[string]any)
		if !ok {
			w.Errorf("%s: the type has it, the schema does not", at)
			continue
		}
		if always := !strings.Contains(options, "omit"); !w.loose && always != slices.Contains(required, name) {
			w.Errorf("%s: required is %t, and it is always written: %t", at, !always, always)
		}
		w.typed(at, property, f.Type)
	}
	for name := range left {
		w.Errorf("%s.%s: the schema has it, the type does not", where, name)
	}
}
