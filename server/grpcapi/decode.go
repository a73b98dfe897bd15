package grpcapi

import (
	"fmt"
	"slices"

	"rollproof/model"
)

// limits bound a request.
type limits struct {
	// bytes of a message, and so of elements: none takes less than a byte.
	bytes int
	rows  int
}

// decoded is a request fitted to a model.
type decoded struct {
	// in are the model's inputs.
	in []model.Value
	// given says which inputs have been seen, wanted which outputs are asked for.
	given, wanted []bool
	// rows is how many rows the inputs share, 1 if the model knows no rows.
	rows int
	// raw says whether the elements came as raw contents.
	raw bool
}

// decode fits a request to the model.
func (d *decoded) decode(r *request, m *model.Model, l limits) *problem {
	d.in = model.Sized(d.in, len(m.Inputs))
	d.given = model.Sized(d.given, len(m.Inputs))
	clear(d.given)
	d.rows, d.raw = -1, len(r.raw) > 0
	if d.raw && len(r.raw) != len(r.inputs) {
		return invalid(reasonContentsMismatch, "raw_input_contents",
			"%d elements, want %d: one for each of inputs, or none", len(r.raw), len(r.inputs))
	}
	for i := range r.inputs {
		if p := d.input(r, i, m, l); p != nil {
			return p
		}
	}
	for i := range m.Inputs {
		if !d.given[i] {
			return invalid(reasonMissingInput, "inputs", "no input %q, want each of %q", m.Inputs[i].Name, names(m.Inputs))
		}
	}
	d.rows = max(d.rows, 1)
	return d.outputs(r, m)
}

// input fits one input.
func (d *decoded) input(r *request, i int, m *model.Model, l limits) *problem {
	t := &r.inputs[i]
	at := slices.IndexFunc(m.Inputs, func(want model.Tensor) bool { return want.Name == string(t.name) })
	switch {
	case at < 0:
		return invalid(reasonUnknownInput, place("inputs", i, "name"), "no input %q, want one of %q", t.name, names(m.Inputs))
	case d.given[at]:
		return invalid(reasonDuplicateInput, place("inputs", i, "name"), "input %q is given twice", t.name)
	case string(t.datatype) != string(m.Inputs[at].Datatype):
		return invalid(reasonDatatypeMismatch, place("inputs", i, "datatype"), "%q, want %q", t.datatype, m.Inputs[at].Datatype)
	}
	d.given[at] = true
	elements, p := d.shape(t, i, &m.Inputs[at], l)
	if p != nil {
		return p
	}
	v := &d.in[at]
	v.Datatype = m.Inputs[at].Datatype
	v.Shape = append(v.Shape[:0], t.shape...)
	v.Floats, v.Doubles, v.Ints, v.Texts = v.Floats[:0], v.Doubles[:0], v.Ints[:0], v.Texts[:0]
	if !d.raw {
		return fillTyped(v, t.contents, elements, place("inputs", i, "contents"))
	}
	for _, c := range t.contents {
		if len(c) > 0 {
			return invalid(reasonContentsMismatch, place("inputs", i, "contents"),
				"given beside raw_input_contents, want one of the two")
		}
	}
	return fillRaw(v, r.raw[i], elements, fmt.Sprintf("raw_input_contents[%d]", i))
}

// shape holds an input's shape against the model and the limits. It returns the number
// of elements.
func (d *decoded) shape(t *tensor, i int, want *model.Tensor, l limits) (int, *problem) {
	mismatch := func() (int, *problem) {
		return 0, invalid(reasonShapeMismatch, place("inputs", i, "shape"), "%v, want %s", short(t.shape), pattern(want.Shape))
	}
	if len(t.shape) != len(want.Shape) {
		return mismatch()
	}
	elements := 1
	for at, size := range t.shape {
		if size < 0 || (want.Shape[at] != model.Any && want.Shape[at] != size) {
			return mismatch()
		}
		if size > 0 && int64(elements) > int64(l.bytes)/size {
			return 0, invalid(reasonShapeMismatch, place("inputs", i, "shape"),
				"%v are more elements than a message of %d bytes can hold", t.shape, l.bytes)
		}
		elements *= int(size)
	}
	if len(want.Shape) == 0 || want.Shape[0] != model.Any {
		return elements, nil
	}
	rows := int(t.shape[0])
	switch {
	case rows < 1:
		return mismatch()
	case rows > l.rows:
		return 0, invalid(reasonTooManyRows, place("inputs", i, "shape[0]"), "%d rows, want at most %d in one request", rows, l.rows)
	case d.rows >= 0 && rows != d.rows:
		return 0, invalid(reasonShapeMismatch, place("inputs", i, "shape[0]"), "%d rows, want %d as in the inputs before it", rows, d.rows)
	}
	d.rows = rows
	return elements, nil
}

// outputs finds out which outputs are wanted.
func (d *decoded) outputs(r *request, m *model.Model) *problem {
	d.wanted = model.Sized(d.wanted, len(m.Outputs))
	for i := range d.wanted {
		d.wanted[i] = len(r.outputs) == 0
	}
	for i, name := range r.outputs {
		at := slices.IndexFunc(m.Outputs, func(t model.Tensor) bool { return t.Name == string(name) })
		switch {
		case at < 0:
			return invalid(reasonUnknownOutput, place("outputs", i, "name"), "no output %q, want one of %q", name, names(m.Outputs))
		case d.wanted[at]:
			return invalid(reasonDuplicateOutput, place("outputs", i, "name"), "output %q is asked for twice", name)
		}
		d.wanted[at] = true
	}
	return nil
}

// place is the path of a field of an element of a list.
func place(list string, i int, field string) string { return fmt.Sprintf("%s[%d].%s", list, i, field) }

// names of the tensors.
func names(tensors []model.Tensor) []string {
	list := make([]string, len(tensors))
	for i, t := range tensors {
		list[i] = t.Name
	}
	return list
}

// short is a shape for an error, which a caller's longest does not make long.
func short(shape []int64) string {
	const most = 16
	if len(shape) > most {
		return fmt.Sprintf("%v and %d more dimensions", shape[:most], len(shape)-most)
	}
	return fmt.Sprint(shape)
}

// pattern is a model's shape for an error: n where the request decides.
func pattern(shape []int64) string {
	list := make([]any, len(shape))
	suffix := ""
	for i, size := range shape {
		list[i] = size
		if size == model.Any {
			list[i] = "n"
			if i == 0 {
				suffix = " with n of 1 or more"
			}
		}
	}
	return fmt.Sprint(list) + suffix
}
