package api

import (
	"strconv"

	"rollproof/model"
)

// The plain protocol: TensorFlow Serving's predict
// (https://github.com/tensorflow/serving/blob/master/tensorflow_serving/g3doc/api_rest.md),
// which needs no names, shapes or datatypes where the model has one input.

var predictFields = []string{"instances", "inputs", "signature_name", "parameters"}

// decodePlain reads a request of the plain protocol into r.
func decodePlain(body []byte, c *codec, l limits, r *request) *problem {
	d := decoder{scanner: scanner{data: body}, request: r, codec: c, maxRows: l.rows, body: body, plain: true}
	return d.read(d.prediction)
}

// prediction reads the request object.
func (d *decoder) prediction() *problem {
	fields, p := d.object(predictFields, func(field int) (p *problem) {
		d.nulls = d.common.missing
		switch {
		case d.scout && field != 3:
			return d.skip()
		case field == 0:
			return d.instances()
		case field == 1:
			d.columns = true
			return d.tensors()
		case field == 2:
			_, p = d.text() // there is one signature
			return p
		default:
			d.common, p = d.parameters(ofRequest)
			d.seen = true
			return p
		}
	})
	switch {
	case p != nil || d.scout:
		return p
	case fields&3 == 0:
		return badRequest(reasonMissingField, "missing, want the rows to predict").in("instances")
	case fields&3 == 3:
		return badRequest(reasonDuplicateField, "instances are given too, want one of them").in("inputs")
	}
	place := "instances"
	if d.columns {
		place = "inputs"
	}
	if p := d.complete(place); p != nil {
		return p
	}
	d.settleWants()
	return nil
}

// instances reads the rows: each the value of the one input, or an object with a value
// for each input.
func (d *decoder) instances() *problem {
	for i := range d.codec.model.Inputs {
		t := &d.codec.model.Inputs[i]
		if len(t.Shape) == 0 || t.Shape[0] != model.Any {
			return badRequest(reasonShapeMismatch, "input %q has no rows, want the field \"inputs\" instead", t.Name)
		}
		d.in[i].Shape = append(d.in[i].Shape[:0], t.Shape...)
	}
	start := d.at
	if p := d.open('[', "an array of rows"); p != nil {
		return p
	}
	objects := d.peek() == '{'
	d.at = start
	switch {
	case objects:
		if p := d.list("an array of rows", d.row); p != nil {
			return p
		}
		for i := range d.in {
			d.in[i].Shape[0] = int64(d.rows)
		}
	case len(d.in) > 1:
		return badRequest(reasonInvalidValue, "found %s at byte %d, want an object with the inputs %q",
			foundIn(&d.scanner), d.at, d.codec.inputNames).at(0)
	default:
		d.given[0] = true
		if p := d.array(&d.in[0], 0); p != nil {
			return p
		}
	}
	for i := range d.in {
		if p := d.share(d.in[i].Shape, &d.codec.model.Inputs[i]); p != nil {
			return p
		}
	}
	return nil
}

// foundIn describes the first thing in the array at the scanner's place, for errors.
func foundIn(s *scanner) string {
	inside := scanner{data: s.data, at: s.at + 1}
	return inside.found()
}

// row reads one row as an object with a value for each input.
func (d *decoder) row(i int) *problem {
	if i >= d.maxRows {
		return tooManyRows(int64(i)+1, d.maxRows)
	}
	clear(d.given)
	p := d.members(func(key []byte) *problem {
		return d.named(key, func(at int) *problem {
			v := &d.in[at]
			if len(v.Shape) == 1 {
				return d.element(v)
			}
			return d.array(v, 1)
		})
	})
	if p != nil {
		return p
	}
	d.rows = i + 1
	for at, given := range d.given {
		if !given {
			return badRequest(reasonMissingInput, "input %q is not given, want all of %q",
				d.codec.inputNames[at], d.codec.inputNames)
		}
	}
	return nil
}

// named finds the input of that name and reads it by the function.
func (d *decoder) named(key []byte, read func(at int) *problem) *problem {
	at, ok := d.codec.inputs[string(key)]
	switch {
	case !ok:
		return badRequest(reasonUnknownInput, "no such input, want %s", d.inputsWanted()).in(printable(key))
	case d.given[at]:
		return badRequest(reasonDuplicateInput, "given twice").in(printable(key))
	}
	d.given[at] = true
	d.peek()
	return read(at).in(printable(key))
}

// tensors reads the inputs as one entry each: an object, or the value of the one input.
func (d *decoder) tensors() *problem {
	whole := func(at int) *problem {
		t, v := &d.codec.model.Inputs[at], &d.in[at]
		v.Shape = append(v.Shape[:0], t.Shape...)
		if len(v.Shape) == 0 {
			return d.element(v)
		}
		if p := d.array(v, 0); p != nil {
			return p
		}
		return d.share(v.Shape, t)
	}
	if d.peek() == '{' {
		return d.members(func(key []byte) *problem { return d.named(key, whole) })
	}
	if len(d.in) > 1 {
		return d.unexpected("an object with the inputs " + strconv.Quote(d.codec.inputNames[0]) + " and others")
	}
	d.given[0] = true
	return whole(0)
}

// appendPlain writes the answer to a request of the plain protocol behind out.
func appendPlain(out []byte, c *codec, r *request, values []model.Value) (_ []byte, p *problem) {
	if r.columns {
		return appendColumns(out, c, r, values)
	}
	out = append(out, `{"predictions":[`...)
	for row := range r.rows {
		if row > 0 {
			out = append(out, ',')
		}
		if len(r.wants) > 1 {
			out = append(out, '{')
		}
		for i, w := range r.wants {
			v := &values[w.output]
			if v.Rows() != r.rows || len(v.Shape) == 0 {
				return out, badRequest(reasonShapeMismatch,
					"output %q has no rows, want the field \"inputs\" instead", c.outputNames[w.output]).in("instances")
			}
			if i > 0 {
				out = append(out, ',')
			}
			if len(r.wants) > 1 {
				out = append(out, c.keys[w.output]...)
			}
			each := v.Len() / r.rows
			if out, p = appendNested(out, v, v.Shape[1:], row*each, each, w.nulls); p != nil {
				return out, p.in(c.outputNames[w.output]).in("predictions")
			}
		}
		if len(r.wants) > 1 {
			out = append(out, '}')
		}
	}
	return append(out, "]}\n"...), nil
}

// appendColumns is appendPlain for the form with one entry a tensor.
func appendColumns(out []byte, c *codec, r *request, values []model.Value) (_ []byte, p *problem) {
	out = append(out, `{"outputs":`...)
	for i, w := range r.wants {
		v := &values[w.output]
		if len(r.wants) > 1 {
			out = append(out, "{,"[min(i, 1)])
			out = append(out, c.keys[w.output]...)
		}
		if out, p = appendNested(out, v, v.Shape, 0, v.Len(), w.nulls); p != nil {
			return out, p.in(c.outputNames[w.output]).in("outputs")
		}
	}
	if len(r.wants) > 1 {
		out = append(out, '}')
	}
	return append(out, "}\n"...), nil
}

// appendNested writes the elements from a place on as arrays of the given sizes.
func appendNested(out []byte, v *model.Value, sizes []int64, from, elements int, nulls bool) (_ []byte, p *problem) {
	switch len(sizes) {
	case 0:
		return appendElements(out, v, from, from+1, nulls)
	case 1:
		out = append(out, '[')
		out, p = appendElements(out, v, from, from+elements, nulls)
		return append(out, ']'), p
	}
	out = append(out, '[')
	n := int(sizes[0])
	for i := range n {
		if i > 0 {
			out = append(out, ',')
		}
		each := elements / n
		if out, p = appendNested(out, v, sizes[1:], from+i*each, each, nulls); p != nil {
			return out, p
		}
	}
	return append(out, ']'), nil
}
