package api

import (
	"rollproof/model"
)

// codec is what decoding and encoding need of a model, made once for each.
type codec struct {
	model *model.Model
	// inputs and outputs are the places of the names in inputNames and outputNames.
	inputs, outputs         map[string]int
	inputNames, outputNames []string
	// head begins an answer: model_name and model_version.
	head []byte
	// heads begin the outputs: name and datatype, up to the bracket that opens the shape.
	heads [][]byte
	// keys are the outputs' names with a colon behind.
	keys [][]byte
}

// newCodec returns the model's codec.
func newCodec(m *model.Model) *codec {
	c := &codec{model: m, inputs: map[string]int{}, outputs: map[string]int{}}
	for i, t := range m.Inputs {
		c.inputs[t.Name] = i
		c.inputNames = append(c.inputNames, t.Name)
	}
	c.head = append(c.head, `{"model_name":`...)
	c.head = appendText(c.head, m.Name)
	c.head = append(c.head, `,"model_version":`...)
	c.head = appendText(c.head, m.Version)
	for i, t := range m.Outputs {
		c.outputs[t.Name] = i
		c.outputNames = append(c.outputNames, t.Name)
		head := appendText([]byte(`{"name":`), t.Name)
		head = append(head, `,"datatype":"`+string(t.Datatype)+`","shape":[`...)
		c.heads = append(c.heads, head)
		c.keys = append(c.keys, append(appendText(nil, t.Name), ':'))
	}
	return c
}

// request is what is asked of a model after decoding, in either protocol. It holds on
// to the body. Its memory is used again.
type request struct {
	// id is the request's id as it stands in the body, quotes included; nil if none.
	id []byte
	// rows is how many rows all inputs have, 0 while it is not known.
	rows int
	// in are the model's inputs; given says which have been read.
	in    []model.Value
	given []bool
	// shape is the one that was read last.
	shape []int64
	// wants are the wanted outputs in the order of the answer.
	wants []want
	// columns is true for the plain protocol's form with one entry a tensor.
	columns bool
}

// want is an output that is wanted.
type want struct {
	// output is its place in the model's outputs.
	output int
	// binary wants it behind the JSON; set says that the request says so for this output.
	binary, set bool
	// nulls wants a null for each element that is not a number.
	nulls bool
}

// reset makes the request one for the model with nothing read.
func (r *request) reset(m *model.Model) {
	r.id, r.rows, r.columns = nil, 0, false
	r.in = model.Sized(r.in, len(m.Inputs))
	r.given = model.Sized(r.given, len(m.Inputs))
	for i, t := range m.Inputs {
		v := &r.in[i]
		v.Datatype = t.Datatype
		v.Shape = v.Shape[:0]
		empty(v)
		r.given[i] = false
	}
	r.wants = r.wants[:0]
}

// empty takes the value's elements away and leaves the memory.
func empty(v *model.Value) {
	v.Floats, v.Doubles, v.Ints, v.Texts = v.Floats[:0], v.Doubles[:0], v.Ints[:0], v.Texts[:0]
}

// held is how many bytes of memory the values' lists have.
func held(values []model.Value) int {
	n := 0
	for i := range values {
		v := &values[i]
		n += 4*cap(v.Floats) + 8*cap(v.Doubles) + 8*cap(v.Ints) + 16*cap(v.Texts)
	}
	return n
}

// forget lets go of the texts that the values hold.
func forget(values []model.Value) {
	for i := range values {
		if texts := values[i].Texts; cap(texts) > 0 {
			clear(texts[:cap(texts)])
		}
	}
}
