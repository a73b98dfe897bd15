// Package xgboost reads the model files that XGBoost's save_model writes, JSON and
// UBJSON, of releases 1.0 to 3.4: it parses both itself, within limits, and compiles
// trees to model/tree. What it does not know it refuses when reading, by name, never
// when predicting. It opens no files and evaluates no trees.
//
// A model predicts what Booster.predict answers for a DMatrix of the same rows: all
// trees count, also where early stopping noted a best iteration (only XGBoost's
// scikit-learn wrapper stops there). Where releases differ, the one that wrote the file
// is followed: base_score of binary:logitraw is a probability before 1.3.1, and several
// quantiles are sorted from 3.4 on.
package xgboost

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"rollproof/model"
)

// MaxBytes is the largest file that is read: 1 GiB, some ten to thirty million nodes.
const MaxBytes = 1 << 30

// ErrUnsupported says that a file is XGBoost's but holds something that is not served.
var ErrUnsupported = errors.New("not supported")

// ErrInvalid says that a file contradicts itself or what XGBoost writes.
var ErrInvalid = errors.New("invalid")

// Form is how a file of XGBoost's is written.
type Form uint8

// The forms. Read reads JSON and UBJ, and says of the others how to convert them.
const (
	// None is no form of XGBoost's.
	None Form = iota
	// JSON is what save_model("model.json") writes.
	JSON
	// UBJ is what save_model("model.ubj") writes, and save_model of any other name from
	// 2.1 on.
	UBJ
	// Binary is what save_model wrote before 2.1 for other names.
	Binary
	// Dump is what dump_model writes, as text or JSON.
	Dump
	// Pickle is a Python pickle, of whatever.
	Pickle
)

// Detect returns the form by the first bytes. JSON and UBJ may still be something else
// in the same notation, which Read says.
func Detect(data []byte) Form {
	start := bytes.TrimLeft(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), " \t\r\n")
	switch {
	case len(start) < 2:
		return None
	case start[0] == '{':
		// A UBJSON object goes on with a key's length or its own, JSON with a key.
		if bytes.IndexByte([]byte("iUIlL#$N"), start[1]) >= 0 {
			return UBJ
		}
		return JSON
	case start[0] == '[', bytes.HasPrefix(start, []byte("booster[")):
		return Dump
	case bytes.HasPrefix(data, []byte("binf")), bytes.HasPrefix(data, []byte("bs64\t")), parameterBlock(data):
		return Binary
	case data[0] == 0x80 && data[1] >= 2 && data[1] <= 5:
		return Pickle
	}
	return None
}

// parameterBlock says whether data begins as the old binary form does without a header:
// 136 bytes of parameters and the name of an objective after its length
// (https://github.com/dmlc/xgboost/blob/v1.7.4/src/learner.cc).
func parameterBlock(data []byte) bool {
	const block = 136
	if len(data) < block+8 {
		return false
	}
	size := binary.LittleEndian.Uint64(data[block:])
	name := data[block+8:]
	if size < 3 || size > 64 || size > uint64(len(name)) {
		return false
	}
	name = name[:size]
	for _, c := range name {
		if (c < 'a' || c > 'z') && c != ':' && c != '_' {
			return false
		}
	}
	return bytes.IndexByte(name, ':') > 0
}

// Read reads the model in data, which is not kept. Errors are ErrUnsupported or
// ErrInvalid, but of data that is no form of XGBoost's.
func Read(data []byte) (*model.Artifact, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("%d bytes, want an XGBoost model of at most %d", len(data), MaxBytes)
	}
	const convert = "load it where it was made and save_model(\"model.json\")"
	switch Detect(data) {
	case JSON:
		return read(newJSON(data), "xgboost_json", len(data))
	case UBJ:
		return read(newUBJ(data), "xgboost_ubj", len(data))
	case Binary:
		return nil, fmt.Errorf("XGBoost's old binary format: %s: %w", convert, ErrUnsupported)
	case Dump:
		return nil, fmt.Errorf("a list or a dump of trees, which lacks the objective and the base score: "+
			"want what save_model writes, not dump_model: %w", ErrUnsupported)
	case Pickle:
		return nil, fmt.Errorf("a Python pickle, which is a program to run: %s: %w", convert, ErrUnsupported)
	default:
		return nil, errors.New("not an XGBoost model, want JSON or UBJSON as save_model writes it")
	}
}

// read reads an outline, and then the booster that it is of.
func read(s source, format string, size int) (*model.Artifact, error) {
	l, err := readLearner(s)
	if err != nil {
		return nil, err
	}
	h, err := l.head()
	if err != nil {
		return nil, err
	}
	base, err := l.base(h.space)
	if err != nil {
		return nil, err
	}
	a := &model.Artifact{Format: format}
	a.Summary.Producer, a.Summary.Objective = l.producer(), l.objective
	if l.booster == "gblinear" {
		err = l.linear(a, h.Head, base)
	} else {
		err = l.ensemble(a, s, h.Head, base, size)
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}
