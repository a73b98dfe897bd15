package lightgbm

import (
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"rollproof/model"
)

func TestReadsWhatTheLibraryDecides(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		m := drawModel(r)
		rows := make([][]float64, rapid.IntRange(1, 5).Draw(r, "rows"))
		for i := range rows {
			for range m.columns {
				x := rapid.SampledFrom(special).Draw(r, "value")
				if rapid.Bool().Draw(r, "other") {
					x = rapid.Float64Range(-70, 70).Draw(r, "value")
				}
				rows[i] = append(rows[i], x)
			}
		}
		_, out := predict(t, []byte(m.text()), rows)
		for i, row := range rows {
			for k, want := range m.raw(row) {
				if got := out[0].Doubles[i*m.per+k]; got != want {
					r.Fatalf("row %v score %d: %v, want %v\n%s", row, k, got, want, m.text())
				}
			}
		}
	})
}

// stump is one split of column 0 at 0.5 (left -1, right 2), for an objective.
func stump(objective string) string {
	m := plainModel{version: "v4", columns: 1, classes: 1, per: 1, objective: objective, trees: []plainTree{{
		feature: []int{0}, decision: []int{2}, left: []int{^0}, right: []int{^1},
		threshold: []float64{0.5}, value: []float64{-1, 2}, boundaries: []int{0},
	}}}
	return m.text()
}

func TestObjectives(t *testing.T) {
	t.Parallel()
	identity := func(x float64) float64 { return x }
	square := func(x float64) float64 { return math.Copysign(x*x, x) }
	logistic := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	for objective, link := range map[string]func(float64) float64{
		"": identity, "custom": identity, "none": identity, "regression": identity, "regression sqrt": square,
		"mean_squared_error": identity, "regression_l1": identity, "regression_l1 sqrt": square, "fair sqrt": square,
		"huber": identity, "huber sqrt": identity, "mape sqrt": identity, "quantile": identity,
		"poisson": math.Exp, "poisson sqrt": math.Exp, "gamma": math.Exp, "tweedie": math.Exp,
		"lambdarank": identity, "rank_xendcg": identity, "cross_entropy": logistic, "xentropy": logistic,
		"cross_entropy_lambda": func(x float64) float64 { return math.Log(1 + math.Exp(x)) },
	} {
		a, out := predict(t, []byte(stump(objective)), [][]float64{{0}, {1}})
		if a.Outputs[0].Datatype != model.FP64 || a.Summary.Objective != objective {
			t.Errorf("%q: %+v", objective, a)
		}
		for i, x := range []float64{-1, 2} {
			if got, want := out[0].Doubles[i], link(x); math.Abs(got-want) > 1e-15*math.Abs(want) {
				t.Errorf("%q: %v, want %v", objective, got, want)
			}
		}
	}
	_, out := predict(t, []byte(stump("binary sigmoid:0.5")), [][]float64{{0}, {1}})
	for i, x := range []float64{-1, 2} {
		want := logistic(0.5 * x)
		if got := float64(out[1].Floats[2*i+1]); math.Abs(got-want) > 1e-7 || out[0].Ints[i] != int64(i) {
			t.Errorf("binary: %v, want %v; label %d", got, want, out[0].Ints[i])
		}
	}
}

func TestClasses(t *testing.T) {
	t.Parallel()
	m := plainModel{version: "v4", columns: 1, classes: 3, per: 3}
	scores := []float64{0.5, -1, 2}
	total := 0.0
	for _, x := range scores {
		m.trees = append(m.trees, plainTree{value: []float64{x}, boundaries: []int{0}})
		total += math.Exp(x)
	}
	for objective, link := range map[string]func(float64) float64{
		"multiclass num_class:3":              func(x float64) float64 { return math.Exp(x) / total },
		"multiclassova num_class:3 sigmoid:2": func(x float64) float64 { return 1 / (1 + math.Exp(-2*x)) },
	} {
		m.objective = objective
		a, out := predict(t, []byte(m.text()), [][]float64{{math.NaN()}})
		if out[0].Ints[0] != 2 || a.Summary.Trees != 3 || a.Summary.Leaves != 3 || a.Summary.Splits != 0 {
			t.Errorf("%s: label %d, summary %+v", objective, out[0].Ints[0], a.Summary)
		}
		for i, x := range scores {
			if got, want := float64(out[1].Floats[i]), link(x); math.Abs(got-want) > 1e-7 {
				t.Errorf("%s class %d: %v, want %v", objective, i, got, want)
			}
		}
	}
}

// Labels are those of the probabilities, which are equal where scores are close or
// far out: the first class of equals, and the second of two above a half only.
func TestLabelsOfEquals(t *testing.T) {
	t.Parallel()
	m := plainModel{version: "v4", columns: 1, classes: 2, per: 2, objective: "multiclassova num_class:2 sigmoid:1"}
	for _, x := range []float64{40, 50} {
		m.trees = append(m.trees, plainTree{value: []float64{x}, boundaries: []int{0}})
	}
	if _, out := predict(t, []byte(m.text()), [][]float64{{0}}); out[0].Ints[0] != 0 || out[1].Floats[1] != 1 {
		t.Errorf("label %d of %v", out[0].Ints[0], out[1].Floats)
	}
	one := strings.Replace(stump("binary sigmoid:1"), "leaf_value=-1 2", "leaf_value=1e-18 1e-15", 1)
	if _, out := predict(t, []byte(one), [][]float64{{0}, {1}}); out[0].Ints[0] != 0 || out[0].Ints[1] != 1 {
		t.Errorf("labels %v of %v", out[0].Ints, out[1].Floats)
	}
}

func TestFeatures(t *testing.T) {
	t.Parallel()
	a, err := Read([]byte(strings.Replace(stump(""), "feature_names=Column_0", "feature_names=a=b", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if names := a.Inputs[0].Labels; len(names) != 1 || names[0] != "a=b" {
		t.Errorf("names of the columns: %q", names)
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"ends of lines of Windows": strings.ReplaceAll(stump("regression"), "\n", "\r\n"),
		"a byte order mark":        mark + stump("regression"),
		"no tree_sizes":            strings.Replace(stump("regression"), "tree_sizes=", "ignored=", 1),
		"no decision_type":         strings.Replace(stump("regression"), "decision_type=", "ignored=", 1),
		"cut behind the trees":     stump("regression")[:strings.Index(stump("regression"), endOfTrees)], //nolint:gocritic // it is there
	} {
		if _, err := Read([]byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	with := func(old, new string) string {
		text := stump("regression")
		if !strings.Contains(text, old) {
			t.Fatalf("no %q in %s", old, text)
		}
		return strings.Replace(text, old, new, 1)
	}
	for _, c := range []struct {
		name, text string
		kind       error
		want       string
	}{
		{"empty", "", nil, "the file is empty"},
		{"other", "<html>", nil, "not a LightGBM text model"},
		{"version", with("version=v4", "version=v9"), ErrUnsupported, `line 2: version: "v9", want v2, v3 or v4`},
		{"no version", with("version=v4\n", ""), ErrInvalid, "no version before the first tree"},
		{"classes", with("num_class=1", "num_class=-1"), ErrInvalid, "line 3: num_class"},
		{"many classes", with("num_class=1", "num_class=99999999999"), ErrInvalid, "line 3: num_class"},
		{"twice", with("num_class=1", "num_class=1\nnum_class=2"), ErrInvalid, "line 4: num_class is there already on line 3"},
		{"columns", with("max_feature_idx=0", "max_feature_idx=1000000000"), ErrInvalid, "line 6: max_feature_idx"},
		{"names", with("feature_names=Column_0", "feature_names=a b"), ErrInvalid, `line 8: feature_names: more than the 1 values`},
		{"fewer names", with("max_feature_idx=0", "max_feature_idx=1"), ErrInvalid, "line 8: feature_names: 1 values, want 2"},
		{"objective", with("objective=regression", "objective=magic"), ErrUnsupported, `line 7: objective: "magic" is not supported`},
		{"no sigmoid", with("objective=regression", "objective=binary"), ErrInvalid, `"binary" has no sigmoid`},
		{"sigmoid", with("objective=regression", "objective=binary sigmoid:-1"), ErrInvalid, "want sigmoid: and a number above 0"},
		{"multiclass", with("objective=regression", "objective=multiclass num_class:1"), ErrInvalid, "num_class=1 and num_tree_per_iteration=1"},
		{"cut off", stump("regression")[:strings.Index(stump("regression"), "leaf_weight")], ErrInvalid, "it was cut off"}, //nolint:gocritic // it is there
		{"leaves", with("num_leaves=2", "num_leaves=2000000000"), ErrInvalid, "leaf_value: 2 values, want 2000000000"},
		{"no leaf value", with("leaf_value=-1 2\n", ""), ErrInvalid, "the tree ends without leaf_value"},
		{"leaf value", with("leaf_value=-1 2", "leaf_value=-1 nan"), ErrInvalid, `leaf_value: value 1 is "nan", want a finite number`},
		{"feature", with("split_feature=0", "split_feature=1"), ErrInvalid, "split_feature: value 0"},
		{"threshold", with("threshold=0.5", "threshold=half"), ErrInvalid, `threshold: value 0 is "half"`},
		{"missing type", with("decision_type=2", "decision_type=12"), ErrInvalid, "zero is missing, 8 NaN is missing"},
		{"category", with("decision_type=2", "decision_type=1"), ErrInvalid, "split 0: threshold 0.5 is no index of the 0 sets"},
		{"no sets", with("num_cat=0", "num_cat=1"), ErrInvalid, "no cat_boundaries"},
		{"sets", with("num_cat=0", "num_cat=1\ncat_boundaries=0 9\ncat_threshold=1"), ErrInvalid, "cat_threshold: 1 values, want 9"},
		{"sets back", with("num_cat=0", "num_cat=1\ncat_boundaries=1 0\ncat_threshold=1"), ErrInvalid, "set 0 is from 1 to 0"},
		{"cycle", with("left_child=-1", "left_child=0"), ErrInvalid, "split 0 is reached twice"},
		{"shared leaf", with("left_child=-1", "left_child=-2"), ErrInvalid, "leaf 1 is reached twice"},
		{"child", with("left_child=-1", "left_child=-3"), ErrInvalid, "left_child: value 0"},
		{"linear", with("is_linear=0", "is_linear=1"), ErrUnsupported, "linear models in its leaves"},
		{"count", with("tree_sizes=", "tree_sizes=1 "), ErrInvalid, "1 trees, but tree_sizes has 2"},
		{"iterations", with("num_tree_per_iteration=1", "num_tree_per_iteration=2"), ErrInvalid, "want a multiple"},
		{"no trees", "tree\nversion=v4\nnum_class=1\nmax_feature_idx=0\nfeature_names=a\ntree_sizes=\n\nend of trees\n", ErrUnsupported, "nothing was trained"},
		{
			"old forest", strings.Replace(with("version=v4", "version=v2"), "objective=regression", "objective=poisson\naverage_output", 1),
			ErrUnsupported, "train it with 2.3.0 or later",
		},
	} {
		_, err := Read([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || c.kind != nil && !errors.Is(err, c.kind) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}

// A tree may have its splits in any order, as long as it is one.
func TestOrderOfSplits(t *testing.T) {
	t.Parallel()
	m := plainModel{version: "v4", columns: 1, classes: 1, per: 1, trees: []plainTree{{
		feature: []int{0, 0, 0}, decision: []int{2, 2, 2}, left: []int{2, ^0, ^2}, right: []int{^3, ^1, 1},
		threshold: []float64{3, 2, 1}, value: []float64{20, 30, 10, 40}, boundaries: []int{0},
	}}}
	a, out := predict(t, []byte(m.text()), [][]float64{{1}, {2}, {3}, {4}})
	for i, want := range []float64{10, 20, 30, 40} {
		if got := out[0].Doubles[i]; got != want {
			t.Errorf("row %d: %v, want %v", i, got, want)
		}
	}
	if a.Summary.Depth != 3 {
		t.Errorf("depth %d, want 3", a.Summary.Depth)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(stump("binary sigmoid:1")))
	f.Add([]byte(stump("multiclass num_class:1")))
	m := plainModel{version: "v2", columns: 2, classes: 1, per: 1, average: true, trees: []plainTree{{
		feature: []int{1, 0}, decision: []int{9, 6}, left: []int{^0, ^1}, right: []int{1, ^2},
		threshold: []float64{0, 0.25}, value: []float64{0.1, 0.2, 0.7}, boundaries: []int{0, 2}, sets: []uint32{5, 1},
	}}}
	f.Add([]byte(m.text()))
	f.Add(library(f, "forest.model"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := Read(data)
		if err != nil {
			return
		}
		if a.Summary.Bytes > 100*int64(len(data))+1<<16 {
			t.Errorf("%d bytes of memory for a file of %d", a.Summary.Bytes, len(data))
		}
		columns := int(a.Inputs[0].Shape[1])
		if columns > 1000 {
			return
		}
		row := make([]float64, columns)
		for i := range row {
			row[i] = special[i%len(special)]
		}
		predict(t, data, [][]float64{row})
	})
}
