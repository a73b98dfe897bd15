// Package model says what a trained model is to the rest of the project: a name, a
// version, what it takes, what it gives, and a way to predict. It knows nothing of
// files, formats or protocols: readers of formats (model/onnx) compile an artifact to
// an evaluator (model/tree) and hand it over as a Model; the server serves Models.
package model

import (
	"errors"
	"fmt"
)

// Datatype names an element type the way the Open Inference Protocol does.
type Datatype string

// The datatypes that models of today's readers take and give.
const (
	FP32  Datatype = "FP32"
	INT64 Datatype = "INT64"
)

// Rows is the size of a dimension that a request decides.
const Rows int64 = -1

// Tensor describes one input or output.
type Tensor struct {
	// Name as the artifact gives it, for example "X" or "probabilities".
	Name string
	// Datatype of every element.
	Datatype Datatype
	// Shape, outermost dimension first; Rows (-1) where the request decides.
	Shape []int64
}

// Classifier is the compute of a loaded classifier. Its methods may be called from
// many goroutines at once.
type Classifier interface {
	// Columns is the width of a row.
	Columns() int
	// Classes is the number of probabilities a row gets.
	Classes() int
	// Predict reads rows (row-major, n x Columns) and writes labels (n) and
	// probabilities (row-major, n x Classes). n is len(labels); buffers of other
	// sizes are ErrBuffer. It allocates nothing.
	Predict(rows []float32, labels []int64, probabilities []float32) error
}

// ErrBuffer says that a buffer handed to Predict has the wrong length.
var ErrBuffer = errors.New("buffer has the wrong length")

// CheckBuffers returns ErrBuffer, saying which buffer, its length and the right one,
// unless the three fit n = len(labels) rows of the given columns and classes.
func CheckBuffers(rows []float32, labels []int64, probabilities []float32, columns, classes int) error {
	n := len(labels)
	if len(rows) != n*columns {
		return fmt.Errorf("rows: %d values for %d labels of %d columns, want %d: %w",
			len(rows), n, columns, n*columns, ErrBuffer)
	}
	if len(probabilities) != n*classes {
		return fmt.Errorf("probabilities: room for %d values for %d labels of %d classes, want %d: %w",
			len(probabilities), n, classes, n*classes, ErrBuffer)
	}
	return nil
}

// Artifact is what a reader makes of a file: the compute and how it is described.
// Who loads it gives it a name and a version and so makes a Model.
type Artifact struct {
	Classifier
	// Format names the artifact's format and version, for example "onnx_v1".
	Format string
	// Input is the tensor of rows: FP32, [Rows, Columns].
	Input Tensor
	// Label is the output of labels: INT64, [Rows].
	Label Tensor
	// Probabilities is the output of probabilities: FP32, [Rows, Classes].
	Probabilities Tensor
}

// Model is an artifact under the name and version that callers ask for.
type Model struct {
	// Name as it stands in a URL, for example "breastcancer".
	Name string
	// Version as it stands in a URL: a whole number without leading zeros.
	Version string
	Artifact
}
