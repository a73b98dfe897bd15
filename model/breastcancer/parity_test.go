// Package breastcancer_test holds the shipped example's artifacts against the answers
// that scikit-learn gave when it trained them. The folder holds data, no Go code.
package breastcancer_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"rollproof/model"
	"rollproof/model/onnx"
)

// goldens is goldens.json: rows as float32, answers by version.
type goldens struct {
	Input struct {
		Name    string `json:"name"`
		Columns int    `json:"columns"`
	} `json:"input"`
	Outputs struct {
		Label         string `json:"label"`
		Probabilities string `json:"probabilities"`
	} `json:"outputs"`
	Rows     [][]float32 `json:"rows"`
	Expected map[string]struct {
		Label         []int64      `json:"label"`
		Probabilities [][2]float64 `json:"probabilities"`
	} `json:"expected"`
}

// tolerance is how far a probability may be from scikit-learn's.
const tolerance = 1e-6

func readGoldens(t testing.TB) *goldens {
	t.Helper()
	data, err := os.ReadFile("goldens.json")
	if err != nil {
		t.Fatal(err)
	}
	g := &goldens{}
	if err := json.Unmarshal(data, g); err != nil {
		t.Fatal(err)
	}
	if len(g.Rows) != 569 || len(g.Expected) != 2 {
		t.Fatalf("goldens have %d rows and %d versions, want 569 and 2", len(g.Rows), len(g.Expected))
	}
	return g
}

func readVersion(t testing.TB, version string) *model.Artifact {
	t.Helper()
	a, err := onnx.ReadFile(filepath.Join("v"+version, "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// input returns n rows from the given one on as the models' input.
func (g *goldens) input(at, n int) []model.Value {
	in := make([]model.Value, 1)
	in[0].Reset(model.FP32, int64(n), int64(g.Input.Columns))
	for i := range n {
		copy(in[0].Floats[i*g.Input.Columns:], g.Rows[at+i])
	}
	return in
}

func TestParityWithScikitLearn(t *testing.T) {
	t.Parallel()
	g := readGoldens(t)
	for version, want := range g.Expected {
		t.Run("version "+version, func(t *testing.T) {
			t.Parallel()
			a := readVersion(t, version)
			if a.Inputs[0].Name != g.Input.Name || a.Inputs[0].Shape[1] != int64(g.Input.Columns) ||
				a.Outputs[0].Name != g.Outputs.Label || a.Outputs[1].Name != g.Outputs.Probabilities {
				t.Errorf("described as %+v, %+v, want as the goldens say", a.Inputs, a.Outputs)
			}
			out := make([]model.Value, 2)
			if err := a.Predict(t.Context(), g.input(0, len(g.Rows)), out); err != nil {
				t.Fatal(err)
			}
			labels, probabilities := out[0].Ints, out[1].Floats
			worst := 0.0
			for i := range g.Rows {
				if labels[i] != want.Label[i] {
					t.Errorf("row %d: label %d, want %d", i, labels[i], want.Label[i])
				}
				for c := range 2 {
					d := math.Abs(float64(probabilities[2*i+c]) - want.Probabilities[i][c])
					if !(d <= tolerance) {
						t.Errorf("row %d: probability %d is %v, want %v", i, c, probabilities[2*i+c], want.Probabilities[i][c])
					}
					worst = max(worst, d)
				}
			}
			t.Logf("largest difference of a probability: %.2g", worst)
		})
	}
}

// TestVersionsDiffer holds what an upgrade test needs: that an answer tells which
// version gave it.
func TestVersionsDiffer(t *testing.T) {
	t.Parallel()
	g := readGoldens(t)
	differ := 0
	for i := range g.Rows {
		if math.Abs(g.Expected["1"].Probabilities[i][1]-g.Expected["2"].Probabilities[i][1]) > 1e-3 {
			differ++
		}
	}
	if differ*10 < len(g.Rows)*9 {
		t.Errorf("%d of %d rows differ by more than 1e-3, want nine in ten", differ, len(g.Rows))
	}
	t.Logf("%d of %d rows differ by more than 1e-3", differ, len(g.Rows))
}

func BenchmarkPredict(b *testing.B) {
	g := readGoldens(b)
	for _, version := range []string{"1", "2"} {
		a := readVersion(b, version)
		for name, n := range map[string]int{"row": 1, "200rows": 200} {
			b.Run("v"+version+"/"+name, func(b *testing.B) {
				in, out := g.input(0, n), make([]model.Value, 2)
				b.ReportAllocs()
				at := 0
				for b.Loop() {
					if at+n > len(g.Rows) {
						at = 0
					}
					for i := range n {
						copy(in[0].Floats[i*30:(i+1)*30], g.Rows[at+i])
					}
					if err := a.Predict(b.Context(), in, out); err != nil {
						b.Fatal(err)
					}
					at += n
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/row")
			})
		}
	}
}
