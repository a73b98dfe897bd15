package onnx

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"rollproof/model"
)

// TestOperators holds every operator against testdata/operators.json: graphs of one
// operator, and what ONNX Runtime answers for them. operators.py writes it.
func TestOperators(t *testing.T) {
	t.Parallel()
	for _, test := range readOperatorCases(t) {
		t.Run(test.Name, func(t *testing.T) {
			t.Parallel()
			a, err := Read(test.file(t))
			if err != nil {
				t.Fatal(err)
			}
			in, out := make([]model.Value, len(a.Inputs)), make([]model.Value, len(a.Outputs))
			for i, input := range a.Inputs {
				in[i] = test.Inputs[input.Name].value(t)
				if err := input.Fits(&in[i]); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // memory that is used again must not show
				if err := a.Predict(t.Context(), in, out); err != nil {
					t.Fatal(err)
				}
				for i, output := range a.Outputs {
					want := test.Outputs[output.Name].value(t)
					compare(t, output, &out[i], &want)
				}
			}
		})
	}
}

// operatorCase is a graph of one operator, and the runtime's answer.
type operatorCase struct {
	Name, Model     string
	Inputs, Outputs map[string]golden
}

// file is the graph's ONNX file.
func (c *operatorCase) file(t testing.TB) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(c.Model)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func readOperatorCases(t testing.TB) []operatorCase {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "operators.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []operatorCase
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// golden is a tensor in the file.
type golden struct {
	Datatype model.Datatype
	Shape    []int64
	Data     []any
}

func (g golden) value(t *testing.T) model.Value {
	t.Helper()
	var v model.Value
	v.Reset(g.Datatype, g.Shape...)
	if len(g.Data) != v.Len() {
		t.Fatalf("%d elements of %s %v", len(g.Data), g.Datatype, g.Shape)
	}
	for i, x := range g.Data {
		var s string
		switch x := x.(type) {
		case json.Number:
			s = x.String()
		case string:
			s = x
		}
		var err error
		switch g.Datatype.Storage() {
		case model.Texts:
			v.Texts[i] = s
		case model.Ints:
			if g.Datatype == model.Uint64 {
				var u uint64
				u, err = strconv.ParseUint(s, 10, 64)
				v.Ints[i] = int64(u)
			} else {
				v.Ints[i], err = strconv.ParseInt(s, 10, 64)
			}
		case model.Doubles:
			v.Doubles[i], err = strconv.ParseFloat(s, 64)
		default:
			var f float64
			f, err = strconv.ParseFloat(s, 64)
			v.Floats[i] = float32(f)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return v
}

// compare holds an output against its description and what it should be.
func compare(t *testing.T, described model.Tensor, got, want *model.Value) {
	t.Helper()
	if got.Datatype != want.Datatype || !slices.Equal(got.Shape, want.Shape) {
		t.Fatalf("%s is %s %v, want %s %v", described.Name, got.Datatype, got.Shape, want.Datatype, want.Shape)
	}
	if err := described.Fits(got); err != nil {
		t.Errorf("described wrongly: %v", err)
	}
	if !slices.Equal(got.Texts, want.Texts) || !slices.Equal(got.Ints, want.Ints) {
		t.Errorf("%s is %v %v, want %v %v", described.Name, got.Ints, got.Texts, want.Ints, want.Texts)
	}
	for i, x := range want.Floats {
		if !near(float64(got.Floats[i]), float64(x), 1e-6, 1e-5) {
			t.Errorf("%s[%d] is %v, want %v", described.Name, i, got.Floats[i], x)
		}
	}
	for i, x := range want.Doubles {
		if !near(got.Doubles[i], x, 1e-12, 1e-10) {
			t.Errorf("%s[%d] is %v, want %v", described.Name, i, got.Doubles[i], x)
		}
	}
}

// near compares numbers; NaN is NaN.
func near(got, want, absolute, relative float64) bool {
	return got == want || (got != got && want != want) || math.Abs(got-want) <= absolute+relative*math.Abs(want)
}
