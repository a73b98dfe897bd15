package onnx

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// errWire says that bytes are not the protobuf message they should be.
var errWire = errors.New("not an ONNX protobuf message")

// field is one field of a message: its number, its wire type and its value, which is
// in varint for numbers and in bytes for everything else.
type field struct {
	number protowire.Number
	kind   protowire.Type
	varint uint64
	bytes  []byte
}

// fields calls each with every field of a message, in order, until each fails. The
// bytes that it hands out are slices of message: nothing is copied, so what a message
// costs is bounded by its length.
func fields(message []byte, each func(field) error) error {
	for len(message) > 0 {
		f, rest, err := nextField(message)
		if err == nil {
			err = each(f)
		}
		if err != nil {
			return err
		}
		message = rest
	}
	return nil
}

// nextField returns the first field of a message, and what follows it.
func nextField(message []byte) (f field, rest []byte, err error) {
	number, kind, n := protowire.ConsumeTag(message)
	if n < 0 {
		return f, nil, fmt.Errorf("%w: %w", errWire, protowire.ParseError(n))
	}
	if number > protowire.MaxValidNumber { // protowire leaves this to its caller
		return f, nil, fmt.Errorf("%w: a field's number of %d: at most %d can be", errWire, number, protowire.MaxValidNumber)
	}
	message = message[n:]
	f = field{number: number, kind: kind}
	switch kind {
	case protowire.VarintType:
		f.varint, n = protowire.ConsumeVarint(message)
	case protowire.Fixed32Type:
		var v uint32
		v, n = protowire.ConsumeFixed32(message)
		f.varint = uint64(v)
	case protowire.Fixed64Type:
		f.varint, n = protowire.ConsumeFixed64(message)
	case protowire.BytesType:
		f.bytes, n = protowire.ConsumeBytes(message)
	default:
		n = protowire.ConsumeFieldValue(number, kind, message)
	}
	if n < 0 {
		return f, nil, fmt.Errorf("%w: field %d: %w", errWire, number, protowire.ParseError(n))
	}
	return f, message[n:], nil
}

// wrongKind reports a field whose wire type is not the one that ONNX gives it.
func (f field) wrongKind(want string) error {
	return fmt.Errorf("%w: field %d has wire type %d, want %s", errWire, f.number, f.kind, want)
}

// message returns the bytes of a nested message.
func (f field) message() ([]byte, error) {
	if f.kind != protowire.BytesType {
		return nil, f.wrongKind("a message")
	}
	return f.bytes, nil
}

// text returns a string.
func (f field) text() (string, error) {
	if f.kind != protowire.BytesType {
		return "", f.wrongKind("a string")
	}
	return string(f.bytes), nil
}

// integer returns an int64.
func (f field) integer() (int64, error) {
	if f.kind != protowire.VarintType {
		return 0, f.wrongKind("a varint")
	}
	return int64(f.varint), nil
}

// float returns a float.
func (f field) float() (float32, error) {
	if f.kind != protowire.Fixed32Type {
		return 0, f.wrongKind("a float")
	}
	return math.Float32frombits(uint32(f.varint)), nil
}

// appendIntegers adds a repeated int64, packed or not, to list.
func (f field) appendIntegers(list []int64) ([]int64, error) {
	if f.kind != protowire.BytesType {
		v, err := f.integer()
		return append(list, v), err
	}
	for rest := f.bytes; len(rest) > 0; {
		v, n := protowire.ConsumeVarint(rest)
		if n < 0 {
			return nil, fmt.Errorf("%w: field %d: %w", errWire, f.number, protowire.ParseError(n))
		}
		list, rest = append(list, int64(v)), rest[n:]
	}
	return list, nil
}

// appendFloats adds a repeated float, packed or not, to list.
func (f field) appendFloats(list []float32) ([]float32, error) {
	if f.kind == protowire.Fixed32Type {
		return append(list, math.Float32frombits(uint32(f.varint))), nil
	}
	if f.kind != protowire.BytesType || len(f.bytes)%4 != 0 {
		return nil, f.wrongKind("floats")
	}
	for rest := f.bytes; len(rest) > 0; rest = rest[4:] {
		v, _ := protowire.ConsumeFixed32(rest) // four bytes are there
		list = append(list, math.Float32frombits(v))
	}
	return list, nil
}

// appendDoubles adds a repeated double, packed or not, to list.
func (f field) appendDoubles(list []float64) ([]float64, error) {
	if f.kind == protowire.Fixed64Type {
		return append(list, math.Float64frombits(f.varint)), nil
	}
	if f.kind != protowire.BytesType || len(f.bytes)%8 != 0 {
		return nil, f.wrongKind("doubles")
	}
	for rest := f.bytes; len(rest) > 0; rest = rest[8:] {
		v, _ := protowire.ConsumeFixed64(rest) // eight bytes are there
		list = append(list, math.Float64frombits(v))
	}
	return list, nil
}
