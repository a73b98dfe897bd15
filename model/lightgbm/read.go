// Package lightgbm reads LightGBM's text model files (save_model, model_to_string), of
// format v2 to v4: it parses them itself, within limits, and compiles the trees to
// model/tree. What it does not know it refuses when reading, with the line and the key,
// never when predicting. It opens no files and evaluates no trees.
//
// A model predicts what Booster.predict answers for the same dense rows: every tree of
// the file counts (LightGBM saves no more than the best iteration), rows are doubles,
// and categories are their codes. The semantics are those of LightGBM's own source:
// https://github.com/microsoft/LightGBM, include/LightGBM/tree.h for the decisions,
// src/boosting/gbdt_model_text.cpp for the file, src/objective for the outputs.
package lightgbm

import (
	"bytes"
	"errors"
	"fmt"

	"rollproof/model"
	"rollproof/model/boosted"
	"rollproof/model/tree"
)

// MaxBytes is the largest file that is read: 1 GiB, some ten million splits.
const MaxBytes = 1 << 30

// ErrUnsupported says that a file is LightGBM's but holds something that is not served.
var ErrUnsupported = errors.New("not supported")

// ErrInvalid says that a file contradicts itself or what LightGBM writes.
var ErrInvalid = errors.New("invalid")

// Match says whether the bytes begin like a text model.
func Match(data []byte) bool {
	start := bytes.TrimLeft(bytes.TrimPrefix(data, []byte(mark)), " \t\r\n")
	line, _, found := bytes.Cut(start, []byte("\n"))
	switch string(bytes.TrimRight(line, "\r")) {
	case "tree":
		return found
	default:
		return bytes.HasPrefix(line, []byte("version=v")) || bytes.HasPrefix(line, []byte("num_class="))
	}
}

// mark is what some editors of Windows put before a text.
const mark = "\xef\xbb\xbf"

// Read reads the model in data. Its memory is a small multiple of the file's size. The
// error of what is no LightGBM model says so; others are ErrUnsupported or ErrInvalid.
func Read(data []byte) (*model.Artifact, error) {
	switch {
	case len(data) == 0:
		return nil, errors.New("the file is empty, want a LightGBM model")
	case len(data) > MaxBytes:
		return nil, fmt.Errorf("more than %d bytes, want a LightGBM model of at most that", MaxBytes)
	case !Match(data):
		return nil, errors.New("not a LightGBM text model, which begins with a line that says tree")
	}
	l := &lines{rest: string(bytes.TrimPrefix(data, []byte(mark)))}
	h, err := readHeader(l)
	if err != nil {
		return nil, err
	}
	f := newForest(h)
	if err := f.readTrees(l); err != nil {
		return nil, err
	}
	head, err := h.head(f)
	if err != nil {
		return nil, err
	}
	evaluator, err := tree.Compile[float64](f.ensemble)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrInvalid)
	}
	a := &model.Artifact{Format: "lightgbm_" + h.version}
	p := boosted.New(evaluator, head)
	a.Predictor = p
	a.Inputs, a.Outputs = p.Tensors()
	a.Summary.Producer = "LightGBM"
	a.Summary.Objective = h.objective
	evaluator.Summarise(&a.Summary)
	return a, nil
}
