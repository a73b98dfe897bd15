// Package onnx reads ONNX files into models: it parses the protobuf itself, within
// limits, follows the graph from the input to the outputs, and compiles the one
// ensemble it finds to model/tree. What it does not know it refuses when reading, by
// name, never when predicting. It opens one file and does no other I/O.
package onnx

import (
	"errors"
	"fmt"
	"io"
	"os"

	"rollproof/model"
)

// MaxBytes is the largest file that is read: 256 MiB, some ten million tree nodes.
const MaxBytes = 256 << 20

// ErrUnsupported says that a file is ONNX but holds something that is not served.
var ErrUnsupported = errors.New("not supported")

// ErrInvalid says that a file is ONNX but contradicts itself.
var ErrInvalid = errors.New("invalid")

// The data types of TensorProto that are served.
const (
	elementFloat = 1
	elementInt64 = 7
)

// ReadFile reads the model in the file of that path.
func ReadFile(path string) (*model.Artifact, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from: nothing can be lost
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return nil, err // names the path already
	}
	artifact, err := Read(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return artifact, nil
}

// Read reads the model in data, which must not be changed afterwards. The error of a
// file that is no ONNX at all says so; others are ErrUnsupported or ErrInvalid.
func Read(data []byte) (*model.Artifact, error) {
	switch {
	case len(data) == 0:
		return nil, errors.New("the file is empty, want an ONNX model")
	case len(data) > MaxBytes:
		return nil, fmt.Errorf("more than %d bytes, want an ONNX model of at most that", MaxBytes)
	}
	m, err := parseModel(data)
	if err != nil {
		return nil, err
	}
	switch {
	case m.graph == nil:
		return nil, fmt.Errorf("no graph in it: %w", errWire)
	case m.functions > 0:
		return nil, fmt.Errorf("%d functions of its own: %w", m.functions, ErrUnsupported)
	case m.graph.initializers > 0:
		return nil, fmt.Errorf("graph %q has %d initializers, want none beside a tree ensemble: %w",
			m.graph.name, m.graph.initializers, ErrUnsupported)
	}
	return m.compile()
}
