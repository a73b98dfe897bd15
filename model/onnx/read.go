// Package onnx reads ONNX files into models: it parses the protobuf itself, within
// limits, and compiles the graph from the inputs to the outputs to a program of
// kernels, one an operator; ensembles of trees become those of model/tree. What it does
// not know it refuses when reading, by name, never when predicting. Operators do what
// the specification says (https://onnx.ai/onnx/operators/), and what ONNX Runtime does
// where that is silent. It opens one file and does no other I/O.
//
// The protocols have no maps: what ZipMap would make one of is served as the tensor
// that goes into it, whose column i belongs to the ith class label.
package onnx

import (
	"errors"
	"fmt"
	"io"
	"os"

	"rollproof/model"
)

// MaxBytes is the largest file that is read: 1 GiB, some twenty million tree nodes.
const MaxBytes = 1 << 30

// ErrUnsupported says that a file is ONNX but holds something that is not served.
var ErrUnsupported = errors.New("not supported")

// ErrInvalid says that a file is ONNX but contradicts itself.
var ErrInvalid = errors.New("invalid")

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
	case m.graph.sparse > 0:
		return nil, fmt.Errorf("graph %q has %d sparse initializers: %w", m.graph.name, m.graph.sparse, ErrUnsupported)
	}
	return m.compile()
}
