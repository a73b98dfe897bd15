package cases

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// The ways in which an answer can be wrong; Check wraps one of them.
var (
	ErrWrongVersion = errors.New("wrong version")
	ErrWrongAnswer  = errors.New("wrong answer")
	ErrShortBody    = errors.New("short body")
)

// answer is an inference answer of the Open Inference Protocol.
type answer struct {
	ModelName    string   `json:"model_name"`
	ModelVersion string   `json:"model_version"`
	ID           string   `json:"id"`
	Outputs      []output `json:"outputs"`
}

type output struct {
	Name     string          `json:"name"`
	Datatype string          `json:"datatype"`
	Shape    []int           `json:"shape"`
	Data     json.RawMessage `json:"data"`
}

// Check implements Service.
func (s *Set) Check(batch *Batch, header string, body []byte) (string, error) {
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) && int(syntax.Offset) >= len(body) {
			return header, fmt.Errorf("%w: the JSON ends early, after %d bytes", ErrShortBody, len(body))
		}
		return header, fmt.Errorf("%w: not an inference answer: %w", ErrWrongAnswer, err)
	}
	got := prediction{model: a.ModelName, version: a.ModelVersion, id: a.ID}
	for _, o := range a.Outputs {
		got.outputs = append(got.outputs, tensor{name: o.Name, shape: o.Shape, numbers: func() ([]float64, error) { return flatten(o.Data) }})
	}
	return s.judge(batch, header, &got)
}

// prediction is an answer of the Open Inference Protocol, whatever carried it.
type prediction struct {
	model, version, id string
	outputs            []tensor
}

type tensor struct {
	name     string
	datatype string
	shape    []int
	numbers  func() ([]float64, error) // decodes its elements
}

// judge holds a prediction against the goldens of the version that it claims.
// Servers that are not Rollproof's may name it in the body alone.
func (s *Set) judge(batch *Batch, header string, a *prediction) (string, error) {
	version := header
	if version == "" && s.bare {
		version = a.version
	}
	return version, s.compare(batch, version, a)
}

func (s *Set) compare(batch *Batch, version string, a *prediction) error {
	if version == "" || a.version != version {
		return fmt.Errorf("%w: the header says %q and the body %q", ErrWrongVersion, version, a.version)
	}
	want, ok := s.Expected[version]
	if !ok {
		return fmt.Errorf("%w: %q has no goldens", ErrWrongVersion, version)
	}
	if a.model != s.Model {
		return fmt.Errorf("%w: model %q, want %q", ErrWrongAnswer, a.model, s.Model)
	}
	if a.id != batch.ID {
		return fmt.Errorf("%w: it answers request %q, want %q", ErrWrongAnswer, a.id, batch.ID)
	}
	labels, err := find(a.outputs, s.Outputs.Label, len(batch.Rows))
	if err != nil {
		return err
	}
	classes := len(want.Probabilities[0])
	probabilities, err := find(a.outputs, s.Outputs.Probabilities, len(batch.Rows), classes)
	if err != nil {
		return err
	}
	for i, row := range batch.Rows {
		if got := labels[i]; got != float64(want.Label[row]) {
			return fmt.Errorf("%w: row %d: label %v, version %s says %d", ErrWrongAnswer, row, got, version, want.Label[row])
		}
		for j, p := range want.Probabilities[row] {
			// Written so that a NaN counts as different.
			if got := probabilities[i*classes+j]; !(math.Abs(got-p) <= Tolerance) {
				return fmt.Errorf("%w: row %d: probability %v of class %d, version %s says %v", ErrWrongAnswer, row, got, j, version, p)
			}
		}
	}
	return nil
}

// find returns the numbers of the named output, which must have the given shape.
func find(outputs []tensor, name string, shape ...int) ([]float64, error) {
	for _, o := range outputs {
		if o.name != name {
			continue
		}
		if !slices.Equal(o.shape, shape) {
			return nil, fmt.Errorf("%w: output %q has shape %v, want %v", ErrWrongAnswer, name, o.shape, shape)
		}
		numbers, err := o.numbers()
		if err != nil {
			return nil, fmt.Errorf("%w: output %q: %w", ErrWrongAnswer, name, err)
		}
		want := 1
		for _, n := range shape {
			want *= n
		}
		if len(numbers) != want {
			return nil, fmt.Errorf("%w: output %q holds %d numbers, want %d", ErrWrongAnswer, name, len(numbers), want)
		}
		return numbers, nil
	}
	return nil, fmt.Errorf("%w: no output %q", ErrWrongAnswer, name)
}

// flatten returns the numbers of data, a JSON array of numbers or of such
// arrays: the protocol allows both. data is valid JSON.
func flatten(data json.RawMessage) ([]float64, error) {
	out := make([]float64, 0, len(data)/8)
	for len(data) > 0 {
		switch ch := data[0]; {
		case ch == '[' || ch == ']' || ch == ',' || ch == ' ' || ch == '\n' || ch == '\t' || ch == '\r':
			data = data[1:]
		case ch == '-' || (ch >= '0' && ch <= '9'):
			end := bytes.IndexAny(data, ",] \n\t\r")
			if end < 0 {
				end = len(data)
			}
			f, err := strconv.ParseFloat(string(data[:end]), 64)
			if err != nil {
				return nil, fmt.Errorf("data: %w", err)
			}
			out = append(out, f)
			data = data[end:]
		default:
			return nil, fmt.Errorf("data: not numbers: %.20s", data)
		}
	}
	return out, nil
}
