package api

import (
	"errors"
	"fmt"
	"net/http"
)

// tensor is an input while it is read: its fields may come in any order, so they are
// held against one another at the end.
type tensor struct {
	path  string
	shape [2]int64
	// dimensions is how many the shape has; only two are kept.
	dimensions int
	// nested is true if data is an array of rows, each columns long.
	nested  bool
	rows    int
	columns int
}

// input reads one input. The models of today have one.
func (d *decoder) input(i int) *problem {
	t := tensor{path: fmt.Sprintf("inputs[%d]", i)}
	want := d.model.Input
	seen, p := d.object(t.path, inputFields, func(field string) *problem {
		switch field {
		case "name":
			name, p := d.text(t.path + ".name")
			switch {
			case p != nil:
				return p
			case name != want.Name:
				return badRequest(reasonUnknownInput, "%s.name: no input %q, want %q", t.path, name, want.Name)
			case d.inputs > 0:
				return badRequest(reasonDuplicateInput, "%s.name: input %q is given twice", t.path, name)
			}
		case "datatype":
			datatype, p := d.text(t.path + ".datatype")
			if p == nil && datatype != string(want.Datatype) {
				return badRequest(reasonDatatypeMismatch, "%s.datatype: %q, want %q", t.path, datatype, want.Datatype)
			}
			return p
		case "shape":
			return d.shape(&t)
		case "data":
			return d.data(&t)
		case "parameters":
			return d.parameters(t.path + ".parameters")
		}
		return nil
	})
	if p != nil {
		return p
	}
	for bit, name := range inputFields[:4] {
		if seen&(1<<bit) == 0 {
			return badRequest(reasonMissingField, "%s.%s: missing", t.path, name)
		}
	}
	d.inputs++
	return d.fits(&t)
}

// shape reads an input's shape.
func (d *decoder) shape(t *tensor) *problem {
	path := t.path + ".shape"
	if p := d.open('[', path, "an array of whole numbers"); p != nil {
		return p
	}
	for i := 0; ; i++ {
		more, p := d.more(']', i == 0, path)
		if p != nil || !more {
			return p
		}
		if i >= maxTensors {
			return badRequest(reasonShapeMismatch, "%s: more than %d dimensions, want 2", path, maxTensors)
		}
		size, p := d.integer(fmt.Sprintf("%s[%d]", path, i))
		if p != nil {
			return p
		}
		if i < len(t.shape) {
			t.shape[i] = size
		}
		t.dimensions++
	}
}

// data reads an input's values: numbers behind one another, or one array a row.
func (d *decoder) data(t *tensor) *problem {
	if p := d.open('[', t.path+".data", "an array of numbers"); p != nil {
		return p
	}
	if t.nested = d.peek() == '['; !t.nested {
		n, p := d.numbers(t, -1)
		t.rows, t.columns = 1, n
		return p
	}
	for i := 0; ; i++ {
		more, p := d.more(']', i == 0, t.path+".data")
		if p != nil || !more {
			return p
		}
		if p := d.open('[', fmt.Sprintf("%s.data[%d]", t.path, i), "an array of numbers"); p != nil {
			return p
		}
		n, p := d.numbers(t, i)
		if p != nil {
			return p
		}
		if i == 0 {
			t.columns = n
		} else if n != t.columns {
			return badRequest(reasonShapeMismatch, "%s.data[%d]: %d values, want %d as in data[0]", t.path, i, n, t.columns)
		}
		t.rows++
	}
}

// numbers reads numbers up to the closing bracket and returns how many there were.
// row is the row they are of, -1 for data that is not nested.
func (d *decoder) numbers(t *tensor, row int) (int, *problem) {
	values := d.request.values
	before := len(values)
	for {
		i := len(values) - before
		// The usual course, written out: this loop is most of a request's time.
		c := d.peek()
		if c == ']' {
			d.at++
			d.request.values = values
			return i, nil
		}
		if i > 0 {
			if c != ',' {
				p := d.unexpected(t.place(row, i), "',' or ']'")
				p.reason = reasonInvalidJSON
				return 0, p
			}
			d.at++
			c = d.peek()
		}
		if c != '-' && !isDigit(c) {
			return 0, d.unexpected(t.place(row, i), "a number")
		}
		v, err := d.number()
		switch {
		case errors.Is(err, errRange):
			return 0, badRequest(reasonInvalidValue, "%s: %v", t.place(row, i), err)
		case err != nil:
			return 0, badRequest(reasonInvalidJSON, "%s: not a JSON number at byte %d", t.place(row, i), d.at)
		}
		values = append(values, v)
	}
}

// place is the path of a value.
func (t *tensor) place(row, i int) string {
	if row < 0 {
		return fmt.Sprintf("%s.data[%d]", t.path, i)
	}
	return fmt.Sprintf("%s.data[%d][%d]", t.path, row, i)
}

// fits holds shape and data against each other and the model.
func (d *decoder) fits(t *tensor) *problem {
	columns := d.model.Columns()
	rows := t.shape[0]
	if t.dimensions != 2 || t.shape[1] != int64(columns) || rows < 1 {
		shape := t.shape[:min(t.dimensions, 2)]
		more := ""
		if t.dimensions > 2 {
			more = fmt.Sprintf(" and %d more dimensions", t.dimensions-2)
		}
		return badRequest(reasonShapeMismatch, "%s.shape: %v%s, want [n %d] with n of 1 or more", t.path, shape, more, columns)
	}
	if rows > int64(d.maxRows) {
		return newProblem(http.StatusRequestEntityTooLarge, reasonTooManyRows,
			"%s.shape[0]: %d rows, want at most %d in one request", t.path, rows, d.maxRows)
	}
	values := len(d.request.values)
	switch {
	case t.nested && (int64(t.rows) != rows || t.columns != columns):
		return badRequest(reasonShapeMismatch, "%s.data: %d rows of %d values, want %d of %d as shape says",
			t.path, t.rows, t.columns, rows, columns)
	case int64(values) != rows*int64(columns):
		return badRequest(reasonShapeMismatch, "%s.data: %d values, want %d for shape [%d %d]",
			t.path, values, rows*int64(columns), rows, columns)
	}
	d.request.rows = int(rows)
	return nil
}
