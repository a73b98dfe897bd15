package api

import (
	"fmt"
	"unicode/utf8"

	"rollproof/model"
)

// maxTensors bounds how many inputs or outputs a request may name: far more than any
// model has, so that the error can name the wrong one.
const maxTensors = 16

// request is an inference request after decoding. It holds on to the body.
type request struct {
	// id is the request's id as it stands in the body, quotes included; nil if none.
	id []byte
	// rows is how many rows values holds.
	rows int
	// values are the rows, row-major.
	values []float32
	// label and probabilities say which outputs are wanted.
	label, probabilities bool
}

// decoder reads one request for one model.
type decoder struct {
	scanner
	model   *model.Model
	maxRows int
	request *request
	inputs  int
}

// decode reads the body into r, whose values it reuses. Every problem names its path.
func decode(body []byte, m *model.Model, maxRows int, r *request) *problem {
	*r = request{values: r.values[:0], label: true, probabilities: true}
	if !utf8.Valid(body) {
		return badRequest(reasonInvalidJSON, "the body is not valid UTF-8, want a JSON object")
	}
	d := decoder{scanner: scanner{data: body}, model: m, maxRows: maxRows, request: r}
	if p := d.top(); p != nil {
		return p
	}
	if d.peek(); d.at < len(body) {
		p := d.unexpected("", "nothing behind the JSON object")
		p.reason = reasonInvalidJSON
		return p
	}
	return nil
}

// object reads an object and calls each with every field, of which no name may come
// twice; names are those there may be, at most 8. It returns a bit for each name seen.
func (d *decoder) object(path string, names []string, each func(name string) *problem) (uint8, *problem) {
	where := path
	if path != "" {
		path += "."
	} else {
		where = "the body"
	}
	if p := d.open('{', where, "a JSON object"); p != nil {
		return 0, p
	}
	seen := uint8(0)
	for first := true; ; first = false {
		more, p := d.more('}', first, where)
		if p != nil || !more {
			return seen, p
		}
		name, p := d.key(where)
		if p != nil {
			return 0, p
		}
		bit := uint8(0)
		for i, n := range names {
			if n == name {
				bit = 1 << i
			}
		}
		switch {
		case bit == 0:
			return 0, badRequest(reasonUnknownField, "%s%s: no such field, want one of %q", path, name, names)
		case seen&bit != 0:
			return 0, badRequest(reasonDuplicateField, "%s%s: given twice", path, name)
		}
		seen |= bit
		if p := each(name); p != nil {
			return 0, p
		}
	}
}

var (
	requestFields = []string{"id", "inputs", "outputs", "parameters"}
	inputFields   = []string{"name", "shape", "datatype", "data", "parameters"}
	outputFields  = []string{"name", "parameters"}
)

// top reads the request object.
func (d *decoder) top() *problem {
	_, p := d.object("", requestFields, func(name string) (p *problem) {
		switch name {
		case "id":
			var escaped bool
			d.request.id, escaped, p = d.raw("id")
			if p == nil && escaped { // checks the escapes
				d.at -= len(d.request.id)
				_, p = d.text("id")
			}
		case "inputs":
			p = d.list("inputs", d.input)
		case "outputs":
			d.request.label, d.request.probabilities = false, false
			p = d.list("outputs", d.output)
			if p == nil && !d.request.label && !d.request.probabilities {
				d.request.label, d.request.probabilities = true, true // none named: all
			}
		case "parameters":
			p = d.parameters("parameters")
		}
		return p
	})
	if p == nil && d.inputs == 0 {
		return badRequest(reasonMissingInput, "inputs: none given, want the input %q", d.model.Input.Name)
	}
	return p
}

// list reads an array of at most maxTensors elements.
func (d *decoder) list(path string, each func(i int) *problem) *problem {
	if p := d.open('[', path, "an array"); p != nil {
		return p
	}
	for i := 0; ; i++ {
		more, p := d.more(']', i == 0, path)
		if p != nil || !more {
			return p
		}
		if i >= maxTensors {
			return badRequest(reasonInvalidValue, "%s: more than %d", path, maxTensors)
		}
		if p := each(i); p != nil {
			return p
		}
	}
}

// parameters passes over an object of parameters: the protocol lets a client send any,
// and this server has none.
func (d *decoder) parameters(path string) *problem {
	if d.peek() != '{' {
		return d.unexpected(path, "an object")
	}
	return d.skip(path)
}

// output reads one wanted output.
func (d *decoder) output(i int) *problem {
	path := fmt.Sprintf("outputs[%d]", i)
	seen, p := d.object(path, outputFields, func(field string) *problem {
		if field == "parameters" {
			return d.parameters(path + ".parameters")
		}
		name, p := d.text(path + ".name")
		if p != nil {
			return p
		}
		wanted := &d.request.label
		switch name {
		case d.model.Label.Name:
		case d.model.Probabilities.Name:
			wanted = &d.request.probabilities
		default:
			return badRequest(reasonUnknownOutput, "%s.name: no output %q, want %q or %q",
				path, name, d.model.Label.Name, d.model.Probabilities.Name)
		}
		if *wanted {
			return badRequest(reasonDuplicateOutput, "%s.name: output %q is asked for twice", path, name)
		}
		*wanted = true
		return nil
	})
	if p == nil && seen&1 == 0 {
		return badRequest(reasonMissingField, "%s.name: missing, want an output's name", path)
	}
	return p
}
