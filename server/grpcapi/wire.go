package grpcapi

import (
	"errors"
	"unicode/utf8"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// request is a ModelInferRequest as views of its bytes: what fits no model is refused
// before memory is spent on it, and what fits is written straight into the model's
// inputs. Tests hold it against the generated code.
type request struct {
	// data is the message, held until the answer is made.
	data                        mem.Buffer
	modelName, modelVersion, id []byte
	inputs                      []tensor
	// outputs are the names of those that are wanted.
	outputs [][]byte
	// raw are the raw_input_contents.
	raw [][]byte
}

// tensor is one input as the request has it.
type tensor struct {
	name, datatype []byte
	shape          []int64
	// contents are InferTensorContents, one for each time that the field was there:
	// protobuf says that they are one message, cut.
	contents [][]byte
}

// Errors of messages that are not what they should be.
var (
	errUTF8   = errors.New("a text that is not UTF-8")
	errPacked = errors.New("a list of numbers that is cut")
	errNumber = errors.New("a field's number that is above 536,870,911")
)

// fields walks over the fields of one message.
type fields struct {
	rest   []byte
	number protowire.Number
	kind   protowire.Type
	// bytes is the field's value if kind is BytesType, value if it is a number.
	bytes []byte
	value uint64
	err   error
}

// next goes to the next field. It returns false at the end and at an error.
func (f *fields) next() bool {
	if len(f.rest) == 0 || f.err != nil {
		return false
	}
	number, kind, n := protowire.ConsumeTag(f.rest)
	if n < 0 {
		return f.fail(n)
	}
	if number > protowire.MaxValidNumber { // protowire leaves this to its caller
		f.err = errNumber
		return false
	}
	f.number, f.kind, f.rest, f.bytes = number, kind, f.rest[n:], nil
	switch kind {
	case protowire.BytesType:
		f.bytes, n = protowire.ConsumeBytes(f.rest)
	case protowire.VarintType:
		f.value, n = protowire.ConsumeVarint(f.rest)
	case protowire.Fixed32Type:
		var v uint32
		v, n = protowire.ConsumeFixed32(f.rest)
		f.value = uint64(v)
	case protowire.Fixed64Type:
		f.value, n = protowire.ConsumeFixed64(f.rest)
	default:
		n = protowire.ConsumeFieldValue(number, kind, f.rest)
	}
	if n < 0 {
		return f.fail(n)
	}
	f.rest = f.rest[n:]
	return true
}

// fail ends the walk with protowire's error code.
func (f *fields) fail(code int) bool {
	f.err = protowire.ParseError(code)
	return false
}

// is says whether the field has the number and holds bytes.
func (f *fields) is(number protowire.Number) bool {
	return f.number == number && f.kind == protowire.BytesType
}

// text is the field as a text.
func (f *fields) text() []byte {
	if !utf8.Valid(f.bytes) && f.err == nil {
		f.err = errUTF8
	}
	return f.bytes
}

// check takes over an error of a message inside.
func (f *fields) check(err error) {
	if f.err == nil {
		f.err = err
	}
}

// reset makes the request an empty one that keeps its memory.
func (r *request) reset() {
	r.modelName, r.modelVersion, r.id = nil, nil, nil
	clear(r.outputs)
	clear(r.raw)
	r.outputs, r.raw = r.outputs[:0], r.raw[:0]
	for i := range r.inputs {
		t := &r.inputs[i]
		clear(t.contents)
		*t = tensor{shape: t.shape[:0], contents: t.contents[:0]}
	}
	r.inputs = r.inputs[:0]
}

// parse reads the message that data holds. Elements of tensors are looked at later.
func (r *request) parse(message []byte) error {
	f := fields{rest: message}
	for f.next() {
		if f.kind != protowire.BytesType {
			continue
		}
		switch f.number {
		case 1:
			r.modelName = f.text()
		case 2:
			r.modelVersion = f.text()
		case 3:
			r.id = f.text()
		case 4:
			f.check(parameter(f.bytes))
		case 5:
			if len(r.inputs) < cap(r.inputs) {
				r.inputs = r.inputs[:len(r.inputs)+1] // with the memory of its lists
			} else {
				r.inputs = append(r.inputs, tensor{})
			}
			f.check(r.inputs[len(r.inputs)-1].parse(f.bytes))
		case 6:
			name, err := requested(f.bytes)
			f.check(err)
			r.outputs = append(r.outputs, name)
		case 7:
			r.raw = append(r.raw, f.bytes)
		}
	}
	return f.err
}

// parse reads an InferInputTensor.
func (t *tensor) parse(message []byte) error {
	f := fields{rest: message}
	for f.next() {
		switch {
		case f.is(1):
			t.name = f.text()
		case f.is(2):
			t.datatype = f.text()
		case f.number == 3 && f.kind == protowire.VarintType:
			t.shape = append(t.shape, int64(f.value))
		case f.is(3):
			for rest := f.bytes; len(rest) > 0; {
				v, n := protowire.ConsumeVarint(rest)
				if n < 0 {
					return protowire.ParseError(n)
				}
				t.shape, rest = append(t.shape, int64(v)), rest[n:]
			}
		case f.is(4):
			f.check(parameter(f.bytes))
		case f.is(5):
			t.contents = append(t.contents, f.bytes)
		}
	}
	return f.err
}

// requested reads an InferRequestedOutputTensor.
func requested(message []byte) (name []byte, err error) {
	f := fields{rest: message}
	for f.next() {
		switch {
		case f.is(1):
			name = f.text()
		case f.is(2):
			f.check(parameter(f.bytes))
		}
	}
	return name, f.err
}

// parameter passes over an entry of a map of InferParameters: the protocol lets a
// caller send any, and this server has none.
func parameter(entry []byte) error {
	f := fields{rest: entry}
	for f.next() {
		switch {
		case f.is(1):
			f.text()
		case f.is(2):
			value := fields{rest: f.bytes}
			for value.next() {
				if value.is(3) {
					value.text()
				}
			}
			f.check(value.err)
		}
	}
	return f.err
}
