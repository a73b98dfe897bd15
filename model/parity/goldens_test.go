package parity_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"rollproof/model"
)

// goldens is a NAME.golden.json: see golden.py, which writes it.
type goldens struct {
	Family  string            `json:"family"`
	About   string            `json:"about"`
	Library string            `json:"library"`
	Models  []string          `json:"models"`
	Inputs  map[string]tensor `json:"inputs"`
	Outputs map[string]tensor `json:"outputs"`
	// Whole says that rows do not stand for themselves: all or none are predicted.
	Whole bool `json:"whole"`
	// Noise is what rounding costs the library where a small score is the sum of large
	// terms. Skip names outputs that are not compared: About says why.
	Noise     float64    `json:"noise"`
	Skip      []string   `json:"skip"`
	Reference *reference `json:"reference"`
	folder    string
}

// reference is what a second library answers for the first rows.
type reference struct {
	Library string `json:"library"`
	Rows    int    `json:"rows"`
	// Tolerance replaces the test's own where the first library is further away.
	Tolerance float64           `json:"tolerance"`
	Outputs   map[string]tensor `json:"outputs"`
}

// tensor is a value as JSON has it.
type tensor struct {
	Datatype model.Datatype    `json:"datatype"`
	Shape    []int64           `json:"shape"`
	Data     []json.RawMessage `json:"data"`
}

// readGoldens reads all of testdata, in the order of its names.
func readGoldens(t *testing.T) []*goldens {
	t.Helper()
	paths, err := filepath.Glob("testdata/*/*.golden.json")
	if err != nil {
		t.Fatal(err)
	}
	all := make([]*goldens, 0, len(paths))
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		g := &goldens{folder: filepath.Dir(path)}
		if err := json.Unmarshal(data, g); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if g.Family == "" || len(g.Models) == 0 || len(g.Outputs) == 0 || len(g.Inputs) == 0 {
			t.Fatalf("%s: family, models, inputs or outputs are missing", path)
		}
		all = append(all, g)
	}
	return all
}

// value is the tensor as a model takes it.
func (x *tensor) value() (model.Value, error) {
	var v model.Value
	v.Reset(x.Datatype, x.Shape...)
	if v.Len() != len(x.Data) {
		return v, fmt.Errorf("%d elements for shape %v", len(x.Data), x.Shape)
	}
	for i, raw := range x.Data {
		text := string(raw)
		if strings.HasPrefix(text, `"`) {
			if err := json.Unmarshal(raw, &text); err != nil {
				return v, err
			}
		}
		var err error
		switch x.Datatype.Storage() {
		case model.Texts:
			v.Texts[i] = text
		case model.Floats:
			var f float64
			f, err = strconv.ParseFloat(text, 32)
			v.Floats[i] = float32(f)
		case model.Doubles:
			v.Doubles[i], err = strconv.ParseFloat(text, 64)
		case model.Ints:
			if x.Datatype == model.Uint64 {
				var u uint64
				u, err = strconv.ParseUint(text, 10, 64)
				v.Ints[i] = int64(u)
			} else {
				v.Ints[i], err = strconv.ParseInt(text, 10, 64)
			}
		case model.Invalid:
			err = fmt.Errorf("datatype %q", x.Datatype)
		}
		if err != nil {
			return v, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return v, nil
}

// row is the value's i-th row alone.
func row(v *model.Value, i int) model.Value {
	var one model.Value
	one.Reset(v.Datatype, append([]int64{1}, v.Shape[1:]...)...)
	at := i * one.Len()
	switch v.Datatype.Storage() {
	case model.Floats:
		copy(one.Floats, v.Floats[at:])
	case model.Doubles:
		copy(one.Doubles, v.Doubles[at:])
	case model.Ints:
		copy(one.Ints, v.Ints[at:])
	case model.Texts:
		copy(one.Texts, v.Texts[at:])
	}
	return one
}

// number is the i-th element as a float64, which holds those of a float exactly.
func number(v *model.Value, i int) float64 {
	if v.Datatype.Storage() == model.Floats {
		return float64(v.Floats[i])
	}
	return v.Doubles[i]
}

// difference compares elements i of got and j of want. What is no float must be the
// same. Of floats it returns how far they are apart, as a part of what is allowed:
// 1e-6, or of an output that is no probability 1e-5 of the value; tolerance, as a part
// of the value or of 1, replaces that where it is more, and noise comes on top.
func difference(name string, got *model.Value, i int, want *model.Value, j int, tolerance, noise float64) (float64, bool) {
	switch got.Datatype.Storage() {
	case model.Texts:
		return 0, got.Texts[i] == want.Texts[j]
	case model.Ints:
		return 0, got.Ints[i] == want.Ints[j]
	}
	x, y := number(got, i), number(want, j)
	if math.IsNaN(y) || math.IsInf(y, 0) {
		return 0, x == y || math.IsNaN(x) && math.IsNaN(y)
	}
	allowed := 1e-6
	if !strings.Contains(name, "probabilit") {
		allowed = 1e-7 + 1e-5*math.Abs(y)
	}
	allowed = max(allowed, tolerance*max(1, math.Abs(y))) + noise
	d := math.Abs(x-y) / allowed
	return d, d <= 1
}

// width is the number of elements that a row has.
func width(v *model.Value) int {
	n := 1
	for _, size := range v.Shape[min(1, len(v.Shape)):] {
		n *= int(size)
	}
	return n
}

// element says how an element stands in a message.
func element(v *model.Value, i int) string {
	switch v.Datatype.Storage() {
	case model.Texts:
		return strconv.Quote(v.Texts[i])
	case model.Ints:
		return strconv.FormatInt(v.Ints[i], 10)
	}
	return strconv.FormatFloat(number(v, i), 'g', -1, 64)
}
