// Package model says what a trained model is to the rest of the project: what it
// takes, what it gives, and a way to predict. It knows nothing of files, formats or
// protocols: readers of formats (model/onnx, model/xgboost, model/lightgbm) make an
// Artifact of a file's bytes, and the server serves artifacts under names and versions.
package model

import (
	"context"
	"errors"
	"fmt"
)

// Any is the size of a dimension that a request decides. Where it is the first
// dimension it is the number of rows, which all tensors of a request share.
const Any int64 = -1

// Tensor describes one input or output.
type Tensor struct {
	// Name as the artifact gives it, for example "X" or "probabilities".
	Name string
	// Datatype of every element.
	Datatype Datatype
	// Shape, outermost dimension first; Any (-1) where the request decides.
	Shape []int64
	// Labels say what the indices of the last dimension stand for: the columns of an
	// input, the classes of probabilities. nil if the artifact does not say.
	Labels []string
}

// Predictor is the compute of a loaded model.
type Predictor interface {
	// Predict computes the outputs from the inputs. in[i] is for Artifact.Inputs[i] and
	// fits it (Tensor.Fits) with one number of rows throughout; out[j] becomes
	// Artifact.Outputs[j], in the memory that it has where that suffices. in is not
	// changed or kept. Predict may be called from many goroutines at once, each with its
	// own in and out. It returns the context's error soon after the context ends.
	Predict(ctx context.Context, in, out []Value) error
}

// Summary is what there is to know of a model without predicting. What does not apply
// is zero.
type Summary struct {
	// Producer is what wrote the file, with its version, as far as the file says.
	Producer string
	// Objective of the training, as the file names it, for example "binary:logistic".
	Objective string
	// Operators by which a graph computes, in their order, for example "Scaler".
	Operators []string
	// Trees, Splits and Leaves are counts over all ensembles, Depth the longest way
	// from a root to a leaf, in splits.
	Trees, Splits, Leaves, Depth int
	// Bytes of memory that the compute holds for the model, without what a request needs.
	Bytes int64
}

// Artifact is what a reader makes of a file: the compute and how it is described.
// Who loads it gives it a name and a version and so makes a Model.
type Artifact struct {
	Predictor
	// Format names the artifact's format and version, for example "onnx_v1".
	Format string
	// Inputs in the order of Predict, one or more.
	Inputs []Tensor
	// Outputs in the order of Predict, one or more.
	Outputs []Tensor
	// Summary of the model.
	Summary Summary
}

// Model is an artifact under the name and version that callers ask for.
type Model struct {
	// Name as it stands in a URL, for example "breastcancer".
	Name string
	// Version as it stands in a URL: a whole number without leading zeros.
	Version string
	Artifact
}

// ErrInput says that a value is not what an input takes.
var ErrInput = errors.New("does not fit the input")

// Fits returns ErrInput, saying what is wrong, unless the value has the tensor's
// datatype, a shape that it allows, and as many elements as that shape says.
func (t *Tensor) Fits(v *Value) error {
	if v.Datatype != t.Datatype {
		return fmt.Errorf("input %q: datatype %s, want %s: %w", t.Name, v.Datatype, t.Datatype, ErrInput)
	}
	fits := len(v.Shape) == len(t.Shape)
	elements := int64(1)
	for i, size := range v.Shape {
		fits = fits && size >= 0 && (t.Shape[i] == Any || t.Shape[i] == size)
		elements *= size
	}
	if !fits {
		return fmt.Errorf("input %q: shape %v, want %v: %w", t.Name, v.Shape, t.Shape, ErrInput)
	}
	if int64(v.Len()) != elements {
		return fmt.Errorf("input %q: %d elements, want %d for shape %v: %w", t.Name, v.Len(), elements, v.Shape, ErrInput)
	}
	return nil
}
