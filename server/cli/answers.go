package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"rollproof/model"
)

// answers writes a model's outputs, one row a line.
type answers struct {
	outputs []model.Tensor
	// order of the outputs on a line.
	order     []int
	names     []string // as JSON
	json      bool
	separator string
	line      []byte
}

// newAnswers decides what stands on a line. A classifier is known by an output of one
// class a row beside one of numbers for each: that class is written if labels are asked for.
func newAnswers(outputs []model.Tensor, p *predictFlags) (*answers, error) {
	a := &answers{outputs: outputs, json: p.json, separator: string(p.separator)}
	label, numbers := -1, false
	for i := range outputs {
		o := &outputs[i]
		if len(o.Shape) == 0 || o.Shape[0] != model.Any {
			return nil, fmt.Errorf("output %q has shape %v, want one with a row for each row of the input", o.Name, o.Shape)
		}
		storage := o.Datatype.Storage()
		switch {
		case len(o.Shape) == 1 && (storage == model.Ints || storage == model.Texts) && label < 0:
			label = i
		case len(o.Shape) == 2 && (storage == model.Floats || storage == model.Doubles):
			numbers = true
		}
		name, err := json.Marshal(o.Name)
		if err != nil {
			return nil, err // of a string there is none
		}
		a.names = append(a.names, string(name))
	}
	classifier := label >= 0 && numbers
	switch {
	case p.labels && !classifier:
		return nil, errors.New("--labels: the model gives no class beside probabilities")
	case classifier && (p.labels || p.json):
		a.order = append(a.order, label)
	}
	for i := range outputs {
		if !classifier || i != label {
			a.order = append(a.order, i)
		}
	}
	return a, nil
}

// write writes the rows of one batch.
func (a *answers) write(out *bufio.Writer, values []model.Value, rows int) error {
	for _, i := range a.order {
		if v := &values[i]; v.Rows() != rows || v.Len()%rows != 0 {
			return fmt.Errorf("output %q has %d rows and %d elements for %d rows of the input", a.outputs[i].Name, v.Rows(), v.Len(), rows)
		}
	}
	for row := range rows {
		a.line = a.line[:0]
		if a.json {
			a.object(values, row, rows)
		} else {
			a.fields(values, row, rows)
		}
		if _, err := out.Write(append(a.line, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// fields appends a row as CSV.
func (a *answers) fields(values []model.Value, row, rows int) {
	for _, i := range a.order {
		v := &values[i]
		width := v.Len() / rows
		for at := row * width; at < (row+1)*width; at++ {
			if len(a.line) > 0 {
				a.line = append(a.line, a.separator...)
			}
			a.element(v, at)
		}
	}
}

// element appends one element as a field.
func (a *answers) element(v *model.Value, at int) {
	switch v.Datatype.Storage() {
	case model.Floats:
		a.line = strconv.AppendFloat(a.line, float64(v.Floats[at]), 'g', -1, 32)
	case model.Doubles:
		a.line = strconv.AppendFloat(a.line, v.Doubles[at], 'g', -1, 64)
	case model.Texts:
		text := v.Texts[at]
		if strings.ContainsAny(text, "\"\r\n") || strings.Contains(text, a.separator) {
			text = `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
		}
		a.line = append(a.line, text...)
	default:
		a.whole(v, at)
	}
}

// whole appends a whole number or a truth.
func (a *answers) whole(v *model.Value, at int) {
	switch n := v.Ints[at]; v.Datatype {
	case model.Bool:
		a.line = strconv.AppendBool(a.line, n != 0)
	case model.Uint64:
		a.line = strconv.AppendUint(a.line, uint64(n), 10)
	default:
		a.line = strconv.AppendInt(a.line, n, 10)
	}
}

// object appends a row as a JSON object: an output of one element a row as that, every
// other as a list.
func (a *answers) object(values []model.Value, row, rows int) {
	a.line = append(a.line, '{')
	for place, i := range a.order {
		v := &values[i]
		width := v.Len() / rows
		if place > 0 {
			a.line = append(a.line, ',')
		}
		a.line = append(append(a.line, a.names[i]...), ':')
		if list := len(a.outputs[i].Shape) > 1; list {
			a.line = append(a.line, '[')
		}
		for at := row * width; at < (row+1)*width; at++ {
			if at > row*width {
				a.line = append(a.line, ',')
			}
			a.jsonElement(v, at)
		}
		if len(a.outputs[i].Shape) > 1 {
			a.line = append(a.line, ']')
		}
	}
	a.line = append(a.line, '}')
}

// jsonElement appends one element. JSON has no NaN and no infinities: null.
func (a *answers) jsonElement(v *model.Value, at int) {
	x := 0.0
	switch v.Datatype.Storage() {
	case model.Floats:
		x = float64(v.Floats[at])
	case model.Doubles:
		x = v.Doubles[at]
	case model.Texts:
		text, err := json.Marshal(v.Texts[at])
		if err != nil {
			text = []byte("null") // of a string there is no error
		}
		a.line = append(a.line, text...)
		return
	}
	if math.IsNaN(x) || math.IsInf(x, 0) {
		a.line = append(a.line, "null"...)
		return
	}
	a.element(v, at)
}
