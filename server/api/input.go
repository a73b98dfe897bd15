package api

import (
	"fmt"

	"rollproof/model"
)

// pending is one input while it is read: its fields may come in any order, so data that
// comes before what it is held against is passed over and read at the end.
type pending struct {
	// of is its place in the model's inputs.
	of int
	// datatype as it stands in the body.
	datatype []byte
	// at is where data begins, -1 if there is none.
	at   int
	read parameters
}

// The bits of inputFields.
const (
	fieldName = 1 << iota
	fieldShape
	fieldDatatype
	fieldData
	fieldParameters

	// fieldsBefore are those that data is held against.
	fieldsBefore = fieldName | fieldShape | fieldDatatype
)

// input reads one input.
func (d *decoder) input(int) *problem {
	t := pending{at: -1, read: parameters{size: -1}}
	var fields int
	decoded := false
	_, p := d.object(inputFields, func(field int) (p *problem) {
		switch 1 << field {
		case fieldName:
			t.of, p = d.inputName()
		case fieldShape:
			p = d.sizes()
		case fieldDatatype:
			t.datatype, p = d.text()
		case fieldData:
			t.at = d.at
			if fields&fieldsBefore != fieldsBefore || d.check(&t) != nil {
				return d.skip()
			}
			p = d.decode(&t)
			decoded = p == nil
			if p != nil && p.null && fields&fieldParameters == 0 {
				d.at = t.at // parameters may come that allow it
				return d.skip()
			}
		case fieldParameters:
			t.read, p = d.parameters(ofInput)
		}
		fields |= 1 << field
		return p
	})
	if p != nil {
		return p
	}
	for bit, name := range inputFields[:3] {
		if fields&(1<<bit) == 0 {
			return badRequest(reasonMissingField, "missing").in(name)
		}
	}
	return d.finish(&t, decoded)
}

// finish reads what is not decoded yet.
func (d *decoder) finish(t *pending, decoded bool) *problem {
	switch {
	case t.at >= 0 && t.read.size >= 0:
		return badRequest(reasonInvalidBinary, "the input has binary_data_size too, want one of them").in("data")
	case decoded:
		return nil
	}
	if p := d.check(t); p != nil {
		return p
	}
	switch {
	case t.read.size >= 0:
		return d.takeBinary(&d.in[t.of], t.read.size).in("binary_data_size").in("parameters")
	case t.at < 0:
		return badRequest(reasonMissingField, "missing, want it or parameters.binary_data_size").in("data")
	}
	end := d.at
	d.at = t.at
	p := d.decode(t).in("data")
	d.at = end
	return p
}

// inputName reads an input's name and returns its place.
func (d *decoder) inputName() (int, *problem) {
	name, p := d.text()
	if p != nil {
		return 0, p
	}
	i := 0
	if string(name) != d.codec.inputNames[0] {
		var ok bool
		if i, ok = d.codec.inputs[string(name)]; !ok {
			return 0, badRequest(reasonUnknownInput, "no input %s, want %s", quoted(name), d.inputsWanted())
		}
	}
	if d.given[i] {
		return 0, badRequest(reasonDuplicateInput, "input %q is given twice", d.codec.inputNames[i])
	}
	d.given[i] = true
	return i, nil
}

// inputsWanted names the model's inputs.
func (d *decoder) inputsWanted() string {
	if len(d.codec.inputNames) == 1 {
		return fmt.Sprintf("%q", d.codec.inputNames[0])
	}
	return fmt.Sprintf("one of %q", d.codec.inputNames)
}

// sizes reads a shape into d.shape.
func (d *decoder) sizes() *problem {
	d.shape = d.shape[:0]
	return d.list("an array of whole numbers", func(i int) *problem {
		if i >= maxDimensions {
			return badRequest(reasonShapeMismatch, "more than %d dimensions", maxDimensions)
		}
		size, p := d.integer()
		d.shape = append(d.shape, size)
		return p
	})
}

// maxDimensions is more than any model's tensor has.
const maxDimensions = 16

// check holds an input's datatype and shape against the model's, and takes the shape.
func (d *decoder) check(t *pending) *problem {
	want := &d.codec.model.Inputs[t.of]
	if string(t.datatype) != string(want.Datatype) {
		return badRequest(reasonDatatypeMismatch, "%s, want %q, which is what the model takes as %q",
			quoted(t.datatype), want.Datatype, want.Name).in("datatype")
	}
	if p := d.fits(d.shape, want); p != nil {
		return p.in("shape")
	}
	v := &d.in[t.of]
	v.Shape = append(v.Shape[:0], d.shape...)
	return nil
}

// decode reads data, whose shape has been checked.
func (d *decoder) decode(t *pending) *problem {
	d.nulls = t.read.missing || d.common.missing
	return d.values(&d.in[t.of])
}

// values reads a value, as one flat array or nested as its shape says.
func (d *decoder) values(v *model.Value) *problem {
	empty(v)
	start := d.at
	if p := d.open('[', "an array of values"); p != nil {
		return p
	}
	if len(v.Shape) > 1 && d.peek() == '[' {
		d.at = start
		return d.array(v, 0)
	}
	want, _ := count(v.Shape, len(d.body))
	n, p := d.elements(v, want)
	if p == nil && n != want {
		p = badRequest(reasonShapeMismatch, "%d values, want %d for shape %v", n, want, v.Shape)
	}
	return p
}
