// Package parity_test holds the readers of every format against the libraries that
// the formats come from: scikit-learn, XGBoost and ONNX Runtime. testdata has their
// models and their answers, make.sh writes it. The folder holds no Go code but tests.
package parity_test

import (
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"rollproof/model"
	"rollproof/model/onnx"
	"rollproof/model/xgboost"
)

// families that there must be goldens of.
var families = []string{
	"onnx/chain", "onnx/columns", "onnx/decision_tree", "onnx/ensemble_classifier", "onnx/ensemble_doubles", "onnx/ensemble_five",
	"onnx/ensemble_regressor", "onnx/extra_trees", "onnx/gradient_boosting", "onnx/hist_gradient_boosting",
	"onnx/linear_regression", "onnx/linear_svc", "onnx/logistic_regression", "onnx/naive_bayes",
	"onnx/perceptron", "onnx/random_forest", "onnx/svc", "onnx/svr", "onnx/transformer",
	"xgboost/base_score", "xgboost/categorical", "xgboost/dart", "xgboost/forest", "xgboost/gblinear",
	"xgboost/growth", "xgboost/missing", "xgboost/objective", "xgboost/targets", "xgboost/wrapper",
}

// read reads a model by its format's reader.
func read(path string) (*model.Artifact, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(path, ".onnx") {
		return onnx.Read(data)
	}
	return xgboost.Read(data)
}

// worst is the largest difference by family, as a part of what is allowed.
type worst struct {
	sync.Mutex
	own, reference map[string]float64
	models         map[string]int
}

// TestParity predicts the rows of all goldens, as one batch and one by one.
func TestParity(t *testing.T) {
	t.Parallel()
	w := &worst{own: map[string]float64{}, reference: map[string]float64{}, models: map[string]int{}}
	found := map[string]bool{}
	t.Run("models", func(t *testing.T) {
		for _, g := range readGoldens(t) {
			found[g.Family] = true
			for _, name := range g.Models {
				path := filepath.Join(g.folder, name)
				t.Run(strings.TrimPrefix(path, "testdata/"), func(t *testing.T) {
					t.Parallel()
					(&check{T: t, g: g, w: w}).model(path)
				})
			}
		}
	})
	if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, families) {
		t.Errorf("goldens are of the families %q, want %q", got, families)
	}
	for _, f := range slices.Sorted(maps.Keys(w.own)) {
		t.Logf("%-24s %3d models, largest difference %.3f of what is allowed, from the reference %.3f",
			f, w.models[f], w.own[f], w.reference[f])
	}
}

// check holds one model against its goldens.
type check struct {
	*testing.T
	g *goldens
	w *worst
	// own and reference are the model's largest differences.
	own, reference float64
	errors         int
}

func (c *check) model(path string) {
	a, err := read(path)
	if err != nil {
		c.Fatalf("%s: %v", c.g.About, err)
	}
	in := make([]model.Value, len(a.Inputs))
	for i := range a.Inputs {
		given, ok := c.g.Inputs[a.Inputs[i].Name]
		if !ok {
			c.Fatalf("input %q is not in the goldens", a.Inputs[i].Name)
		}
		if in[i], err = given.value(); err != nil {
			c.Fatalf("input %q: %v", a.Inputs[i].Name, err)
		}
		if err := a.Inputs[i].Fits(&in[i]); err != nil {
			c.Fatal(err)
		}
	}
	out := make([]model.Value, len(a.Outputs))
	if err := a.Predict(c.Context(), in, out); err != nil {
		c.Fatalf("%s: %v", c.g.About, err)
	}
	c.compare("batch", a, out, 0)
	if !c.g.Whole {
		one := make([]model.Value, len(in))
		for r := range in[0].Rows() {
			for i := range in {
				one[i] = row(&in[i], r)
			}
			if err := a.Predict(c.Context(), one, out); err != nil {
				c.Fatalf("row %d: %v", r, err)
			}
			c.compare("row", a, out, r)
		}
	}
	c.w.Lock()
	defer c.w.Unlock()
	c.w.models[c.g.Family]++
	c.w.own[c.g.Family] = max(c.w.own[c.g.Family], c.own)
	c.w.reference[c.g.Family] = max(c.w.reference[c.g.Family], c.reference)
}

// compare holds outputs, whose first row is that of the goldens, against both libraries.
func (c *check) compare(what string, a *model.Artifact, out []model.Value, first int) {
	for i := range out {
		name := a.Outputs[i].Name
		want, ok := c.g.Outputs[name]
		if slices.Contains(c.g.Skip, name) {
			continue
		}
		if !ok {
			c.Fatalf("output %q is not in the goldens", name)
		}
		shape := want.Shape
		if what == "row" {
			shape = append([]int64{1}, shape[1:]...)
		}
		if !slices.Equal(out[i].Shape, shape) || out[i].Datatype != want.Datatype {
			c.Fatalf("%s: output %q is %s %v, want %s %v", what, name, out[i].Datatype, out[i].Shape, want.Datatype, shape)
		}
		c.own = max(c.own, c.output(what, c.g.Library, name, &out[i], &want, first, -1, 0))
		r := c.g.Reference
		if r == nil {
			continue
		}
		if want, ok := r.Outputs[name]; ok {
			c.reference = max(c.reference, c.output(what, r.Library, name, &out[i], &want, first, r.Rows, r.Tolerance))
		}
	}
}

// output compares one output and returns the largest difference. rows bounds the
// rows that are compared, -1 for all.
func (c *check) output(what, library, name string, got *model.Value, want *tensor, first, rows int, tolerance float64) float64 {
	expected, err := want.value()
	if err != nil {
		c.Fatalf("output %q: %v", name, err)
	}
	largest, wide := 0.0, width(&expected)
	for i := range got.Len() {
		j := first*wide + i
		if rows >= 0 && j >= rows*wide {
			break
		}
		d, same := difference(name, got, i, &expected, j, tolerance, c.g.Noise)
		largest = max(largest, d)
		if !same {
			if c.errors++; c.errors <= 5 {
				c.Errorf("%s %d (%s): output %q, element %d: got %s, %s says %s",
					what, cmp.Or(first, j/max(wide, 1)), c.g.About, name, j%max(wide, 1), element(got, i), library, element(&expected, j))
			}
		}
	}
	return largest
}
