package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"rollproof/model"
)

// column is where one field of a row goes.
type column struct {
	// name in a header, "" if the model has none for it.
	name  string
	input int
	// at is the place in the input's row.
	at       int
	datatype model.Datatype
}

// layout is how rows of fields become a model's inputs.
type layout struct {
	inputs  []model.Tensor
	widths  []int
	columns []column
	// from[i] is the field of a row that column i takes: i without a header.
	from []int
	// named says that every column has a name.
	named bool
	// matched says that a header's names have been found, so that rows may have other
	// fields besides.
	matched bool
}

// newLayout returns the layout of a model whose inputs are rows of fixed width.
func newLayout(inputs []model.Tensor) (*layout, error) {
	l := &layout{inputs: inputs, named: true}
	for i := range inputs {
		in := &inputs[i]
		switch {
		case len(in.Shape) == 2 && in.Shape[0] == model.Any && in.Shape[1] > 0:
			l.add(in, int(in.Shape[1]))
		case len(in.Shape) == 1 && in.Shape[0] == model.Any:
			l.add(in, 1)
		case len(in.Shape) == 2 && in.Shape[0] == model.Any && in.Shape[1] == model.Any && len(inputs) == 1:
			// The first row decides.
		default:
			return nil, fmt.Errorf("input %q has shape %v, want [-1] or [-1, columns] to fill it from rows", in.Name, in.Shape)
		}
	}
	return l, nil
}

// add gives an input its columns.
func (l *layout) add(in *model.Tensor, width int) {
	l.widths = append(l.widths, width)
	for at := range width {
		c := column{input: len(l.widths) - 1, at: at, datatype: in.Datatype}
		switch {
		case len(in.Labels) == width:
			c.name = in.Labels[at]
		case width == 1:
			c.name = in.Name
		}
		l.named = l.named && c.name != ""
		l.from = append(l.from, len(l.columns))
		l.columns = append(l.columns, c)
	}
}

// header says whether the first row is one: names of the model's columns, or a field
// that is no value where a number must stand. It takes the order of the columns from
// the names. A header that does not have all of the model's names is an error; more
// than those are left unread, such as the column to predict.
func (l *layout) header(row []string) (bool, error) {
	if len(l.columns) == 0 {
		l.add(&l.inputs[0], len(row))
	}
	places := make(map[string]int, len(row))
	for i, name := range row {
		if _, taken := places[name]; !taken {
			places[name] = i
		}
	}
	known, missing := 0, []string(nil)
	for _, c := range l.columns {
		if _, found := places[c.name]; found && c.name != "" {
			known++
		} else if len(missing) < 5 {
			missing = append(missing, strconv.Quote(c.name))
		}
	}
	if l.named && known == len(l.columns) {
		for i, c := range l.columns {
			l.from[i] = places[c.name]
		}
		l.matched = true
		return true, nil
	}
	if l.values(row) {
		return false, nil
	}
	if l.named && known > 0 {
		return false, fmt.Errorf("the header has %d of the model's %d columns; it lacks %s", known, len(l.columns), strings.Join(missing, ", "))
	}
	return len(row) == len(l.columns), nil // of names that the model does not know: in the model's order
}

// values says whether a row could be one of values. Of text any is.
func (l *layout) values(row []string) bool {
	if len(row) != len(l.columns) {
		return false
	}
	for i, c := range l.columns {
		if _, err := strconv.ParseFloat(row[i], 64); err != nil && !missing(row[i]) && c.datatype != model.Bytes &&
			(c.datatype != model.Bool || !truth(row[i])) {
			return false
		}
	}
	return true
}

// missing says whether a field stands for a missing value: it is empty, or what other
// programs write for one.
func missing(field string) bool {
	switch field {
	case "", "NA", "N/A", "NaN", "nan", "null", "NULL", "None":
		return true
	}
	return false
}

// truth says whether a field is a word for true or false.
func truth(field string) bool {
	_, err := strconv.ParseBool(field)
	return err == nil
}

// bits of a whole number's datatype.
func bits(datatype model.Datatype) int {
	switch datatype {
	case model.Uint8, model.Int8:
		return 8
	case model.Uint16, model.Int16:
		return 16
	case model.Uint32, model.Int32:
		return 32
	}
	return 64
}

// store puts a field into its place in a value whose rows are that wide.
func (c *column) store(v *model.Value, at int, field string) error {
	field = strings.TrimSpace(field)
	switch c.datatype.Storage() {
	case model.Floats, model.Doubles:
		x, err := number(field, c.datatype)
		if err != nil {
			return err
		}
		if c.datatype.Storage() == model.Floats {
			v.Floats[at] = float32(x)
		} else {
			v.Doubles[at] = x
		}
		return nil
	case model.Texts:
		v.Texts[at] = strings.Clone(field) // the reader uses its memory again
		return nil
	}
	n, err := c.integer(field)
	v.Ints[at] = n
	return err
}

// number is a field as a floating-point number, NaN if it is missing.
func number(field string, datatype model.Datatype) (float64, error) {
	if missing(field) {
		return math.NaN(), nil
	}
	size := 64
	if datatype != model.FP64 {
		size = 32
	}
	x, err := strconv.ParseFloat(field, size)
	if datatype == model.FP16 && err == nil && math.Abs(x) > 65504 && !math.IsInf(x, 0) {
		err = strconv.ErrRange
	}
	if err != nil {
		return 0, fmt.Errorf("%s is no %s: want a number, or an empty field for a missing one", quoted(field), datatype)
	}
	return x, nil
}

// integer is a field as a whole number or a truth.
func (c *column) integer(field string) (int64, error) {
	if c.datatype == model.Bool {
		b, err := strconv.ParseBool(field)
		if err != nil {
			return 0, fmt.Errorf("%s is no BOOL: want true, false, 1 or 0", quoted(field))
		}
		if b {
			return 1, nil
		}
		return 0, nil
	}
	var n int64
	var err error
	if strings.HasPrefix(string(c.datatype), "U") {
		var u uint64
		u, err = strconv.ParseUint(field, 10, bits(c.datatype))
		n = int64(u)
	} else {
		n, err = strconv.ParseInt(field, 10, bits(c.datatype))
	}
	if err != nil {
		return 0, fmt.Errorf("%s is no %s: want a whole number in its range, which cannot be missing", quoted(field), c.datatype)
	}
	return n, nil
}

// quoted is a field for an error, which may be long.
func quoted(field string) string {
	const most = 40
	if len(field) > most {
		field = field[:most] + "..."
	}
	return strconv.Quote(field)
}
