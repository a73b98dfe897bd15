package lightgbm

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"rollproof/model"
)

// library reads a file of LightGBM's own (testdata/leaves/README.md).
func library(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "leaves", name+".gz"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	data, err = io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// table is a file of numbers, row by row.
func table(t testing.TB, name string) [][]float64 {
	t.Helper()
	var rows [][]float64
	for line := range strings.Lines(string(library(t, name))) {
		var row []float64
		for word := range strings.FieldsSeq(line) {
			x, err := strconv.ParseFloat(word, 64)
			if err != nil {
				t.Fatal(err)
			}
			row = append(row, x)
		}
		rows = append(rows, row)
	}
	return rows
}

// predict reads the model and predicts the rows at once.
func predict(t testing.TB, text []byte, rows [][]float64) (*model.Artifact, []model.Value) {
	t.Helper()
	a, err := Read(text)
	if err != nil {
		t.Fatal(err)
	}
	in := make([]model.Value, 1)
	in[0].Reset(model.FP64, int64(len(rows)), a.Inputs[0].Shape[1])
	in[0].Doubles = in[0].Doubles[:0]
	for _, row := range rows {
		in[0].Doubles = append(in[0].Doubles, row...)
	}
	if err := a.Inputs[0].Fits(&in[0]); err != nil {
		t.Fatal(err)
	}
	out := make([]model.Value, len(a.Outputs))
	if err := a.Predict(context.Background(), in, out); err != nil {
		t.Fatal(err)
	}
	for i := range out {
		if err := a.Outputs[i].Fits(&out[i]); err != nil {
			t.Fatal(err)
		}
	}
	return a, out
}

func TestLibraryProbabilities(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"dart", "forest", "multiclass"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := table(t, name+".probabilities")
			rows := table(t, name+".rows")
			_, out := predict(t, library(t, name+".model"), rows)
			classes := int(out[1].Shape[1])
			for i, row := range want {
				if len(row) == 1 {
					row = []float64{1 - row[0], row[0]}
				}
				best := 0
				for j, p := range row {
					if p > row[best] {
						best = j
					}
					if got := float64(out[1].Floats[i*classes+j]); math.Abs(got-p) > 1e-6 {
						t.Errorf("row %d class %d: %v, want %v", i, j, got, p)
					}
				}
				if got := out[0].Ints[i]; got != int64(best) {
					t.Errorf("row %d: label %d, want %d", i, got, best)
				}
			}
			if len(want) != len(rows) || len(rows) < 30 {
				t.Errorf("%d rows, %d predictions", len(rows), len(want))
			}
		})
	}
}

// Without an objective the scores are given as they are, which holds sums of
// categorical splits to the library's last digits.
func TestLibraryRawScores(t *testing.T) {
	t.Parallel()
	text := bytes.Replace(library(t, "kddcup99.model"), []byte("objective=multiclass num_class:13"), []byte("objective=custom"), 1)
	want, rows := table(t, "kddcup99.raw"), table(t, "kddcup99.rows")
	a, out := predict(t, text, rows)
	if len(a.Outputs) != 1 || a.Outputs[0].Datatype != model.FP64 || a.Outputs[0].Shape[1] != 13 {
		t.Fatalf("outputs %+v", a.Outputs)
	}
	for i, row := range want {
		for j, x := range row {
			// The predictions were written with 19 digits: nothing but the order of sums is left.
			if got := out[0].Doubles[i*13+j]; math.Abs(got-x) > 1e-12*math.Abs(x) {
				t.Errorf("row %d score %d: %v, want %v", i, j, got, x)
			}
		}
	}
}

func TestLibraryLeaves(t *testing.T) {
	t.Parallel()
	text := library(t, "v3.model")
	var values [][]float64
	for line := range strings.Lines(string(text)) {
		if list, found := strings.CutPrefix(line, "leaf_value="); found {
			var tree []float64
			for word := range strings.FieldsSeq(list) {
				x, err := strconv.ParseFloat(word, 64)
				if err != nil {
					t.Fatal(err)
				}
				tree = append(tree, x)
			}
			values = append(values, tree)
		}
	}
	leaves := table(t, "v3.leaves")
	raw := bytes.Replace(text, []byte("objective=binary sigmoid:1"), []byte("objective=custom"), 1)
	a, out := predict(t, raw, table(t, "v3.rows"))
	if a.Format != "lightgbm_v3" || a.Summary.Trees != len(values) {
		t.Errorf("format %s, %d trees, want %d", a.Format, a.Summary.Trees, len(values))
	}
	for i, row := range leaves {
		want := 0.0
		for tree, leaf := range row {
			want += values[tree][int(leaf)]
		}
		if got := out[0].Doubles[i]; got != want {
			t.Errorf("row %d: %v, want %v", i, got, want)
		}
	}
}
