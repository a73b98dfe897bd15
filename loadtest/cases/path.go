package cases

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Path is a place in a JSON document, as outputs[0].data[1]: names behind dots,
// indices in brackets, and names with other signs in quotes: ['a.b']. A leading
// $ is the document itself.
type Path struct {
	text  string
	steps []step
}

type step struct {
	name  string
	index int // where isIndex
	isIdx bool
}

// maxSteps bounds a path.
const maxSteps = 64

// ParsePath reads a path; its error says where in the text something is wrong.
func ParsePath(text string) (Path, error) {
	p := Path{text: text}
	rest := strings.TrimPrefix(text, "$")
	first := rest == text // without the $ a name may come at once
	for rest != "" {
		at := len(text) - len(rest)
		if len(p.steps) == maxSteps {
			return Path{}, fmt.Errorf("path %q: more than %d steps", text, maxSteps)
		}
		var s step
		var ok bool
		switch {
		case strings.HasPrefix(rest, "["):
			s, rest, ok = bracket(rest)
		case strings.HasPrefix(rest, "."), first:
			s, rest, ok = dotted(strings.TrimPrefix(rest, "."))
		}
		first = false
		if !ok {
			return Path{}, fmt.Errorf("path %q: at %d: want .name, [0] or ['name']", text, at)
		}
		p.steps = append(p.steps, s)
	}
	return p, nil
}

func dotted(rest string) (s step, after string, ok bool) {
	end := strings.IndexAny(rest, ".[")
	if end < 0 {
		end = len(rest)
	}
	return step{name: rest[:end]}, rest[end:], end > 0 && !strings.ContainsAny(rest[:end], "]'\"")
}

func bracket(rest string) (s step, after string, ok bool) {
	if strings.HasPrefix(rest, "['") {
		name, after, ok := strings.Cut(rest[2:], "']")
		return step{name: name}, after, ok
	}
	digits, after, ok := strings.Cut(rest[1:], "]")
	index, err := strconv.ParseUint(digits, 10, 31)
	return step{index: int(index), isIdx: true}, after, ok && err == nil
}

// String returns the path as it was written.
func (p Path) String() string { return p.text }

// find returns what stands there in a document that was decoded by decodeJSON.
func (p Path) find(document any) (any, error) {
	at := document
	for i, s := range p.steps {
		missing := func() error {
			return fmt.Errorf("no %s: there is nothing at %s", p.text, Path{steps: p.steps[:i+1]}.written())
		}
		switch v := at.(type) {
		case map[string]any:
			next, ok := v[s.name]
			if s.isIdx || !ok {
				return nil, missing()
			}
			at = next
		case []any:
			if !s.isIdx || s.index >= len(v) {
				return nil, missing()
			}
			at = v[s.index]
		default:
			return nil, missing()
		}
	}
	return at, nil
}

// written writes the steps.
func (p Path) written() string {
	var b strings.Builder
	b.WriteByte('$')
	for _, s := range p.steps {
		switch {
		case s.isIdx:
			fmt.Fprintf(&b, "[%d]", s.index)
		case strings.ContainsAny(s.name, ".["):
			fmt.Fprintf(&b, "['%s']", s.name)
		default:
			b.WriteString("." + s.name)
		}
	}
	return b.String()
}

// same tells whether two decoded JSON values are the same, numbers to Tolerance.
func same(got, want any) bool {
	switch w := want.(type) {
	case json.Number:
		g, ok := got.(json.Number)
		return ok && sameNumber(g, w)
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for i := range w {
			if !same(g[i], w[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for name := range w {
			if v, ok := g[name]; !ok || !same(v, w[name]) {
				return false
			}
		}
		return true
	}
	return got == want // a text, a truth value or null
}

func sameNumber(got, want json.Number) bool {
	if got == want {
		return true
	}
	g, gErr := got.Float64()
	w, wErr := want.Float64()
	return gErr == nil && wErr == nil && g-w <= Tolerance && w-g <= Tolerance
}
