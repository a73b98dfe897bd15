package xgboost

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"rollproof/model"
)

// check compares the first output's numbers.
func check(t *testing.T, a *model.Artifact, rows, want []float32) {
	t.Helper()
	out := predict(t, a, rows...)
	got := out[len(out)-1].Floats
	if len(got) != len(want) {
		t.Fatalf("%s: %v, want %v", a.Format, got, want)
	}
	for i := range want {
		near := math.Abs(float64(got[i]-want[i])) <= 1e-6*max(1, math.Abs(float64(want[i]))) // NaN is not
		if !near {
			t.Errorf("%s: %v, want %v", a.Format, got, want)
			return
		}
	}
}

// TestObjectives holds each objective's link and the space of its base score. The
// stump gives -1 and 2, the base score is 0.3.
func TestObjectives(t *testing.T) {
	e := func(x float64) float32 { return float32(math.Exp(x)) }
	s := func(x float64) float32 { return float32(1 / (1 + math.Exp(-x))) }
	logit, log := math.Log(0.3/0.7), math.Log(0.3)
	for objective, want := range map[string][]float32{
		"reg:squarederror":     {-0.7, 2.3},
		"reg:linear":           {-0.7, 2.3},
		"reg:squaredlogerror":  {-0.7, 2.3},
		"reg:pseudohubererror": {-0.7, 2.3},
		"reg:absoluteerror":    {-0.7, 2.3},
		"reg:quantileerror":    {-0.7, 2.3},
		"reg:expectileerror":   {-0.7, 2.3},
		"rank:pairwise":        {-0.7, 2.3},
		"rank:ndcg":            {-0.7, 2.3},
		"rank:map":             {-0.7, 2.3},
		"binary:logitraw":      {-0.7, 2.3},
		"binary:hinge":         {0, 1},
		"reg:logistic":         {s(logit - 1), s(logit + 2)},
		"count:poisson":        {e(log - 1), e(log + 2)},
		"reg:gamma":            {e(log - 1), e(log + 2)},
		"reg:tweedie":          {e(log - 1), e(log + 2)},
		"survival:cox":         {e(log - 1), e(log + 2)},
		"survival:aft":         {e(log - 1), e(log + 2)},
		"binary:logistic":      {1 - s(logit-1), s(logit - 1), 1 - s(logit+2), s(logit + 2)},
	} {
		t.Run(objective, func(t *testing.T) {
			doc := with(documentOf(objective, 2, 1, stump(0)), "learner.learner_model_param.base_score", "3E-1")
			for _, a := range readBoth(t, doc) {
				check(t, a, []float32{0, 0, 9, 9}, want)
				if a.Summary.Objective != objective || a.Summary.Producer != "xgboost 3.0.0" || a.Summary.Trees != 1 {
					t.Errorf("summary %+v", a.Summary)
				}
			}
		})
	}
}

// TestReleases holds what depends on the release that wrote the file.
func TestReleases(t *testing.T) {
	base := "learner.learner_model_param.base_score"
	for _, c := range []struct {
		name, objective string
		version         []any
		want            []float32
	}{
		{"logitraw before 1.3.1", "binary:logitraw", []any{1, 3, 0}, []float32{float32(math.Log(0.3/0.7)) - 1}},
		{"logitraw from 1.3.1 on", "binary:logitraw", []any{1, 3, 1}, []float32{-0.7}},
		{"quantiles before 3.4", "reg:quantileerror", []any{3, 3, 9}, []float32{2.3, -0.7}},
		{"quantiles from 3.4 on", "reg:quantileerror", []any{3, 4, 0}, []float32{-0.7, 2.3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			trees := []dict{stump(0)}
			if len(c.want) > 1 {
				high := treeOf(0, 2, node{condition: 2})
				trees = []dict{high, stump(1)}
			}
			doc := with(documentOf(c.objective, 2, len(c.want), trees...), base, "0.3")
			doc["version"] = c.version
			for _, a := range readBoth(t, doc) {
				check(t, a, []float32{0, 0}, c.want)
			}
		})
	}
	// A base score near 0 is bounded from 3.1 on, which is far below what a probability
	// shows: the leaf of 20 brings it up.
	for minor, score := range map[int]float64{0: -20.7232658, 1: -13.8155106} {
		doc := with(documentOf("reg:logistic", 2, 1, treeOf(0, 2, node{condition: 20})), base, "1e-9")
		doc["version"] = []any{3, minor, 0}
		for _, a := range readBoth(t, doc) {
			check(t, a, []float32{0, 0}, []float32{float32(1 / (1 + math.Exp(-20-score)))})
		}
	}
}

// TestBaseScore holds the forms that base_score has had.
func TestBaseScore(t *testing.T) {
	for _, c := range []struct {
		text string
		want []float32
	}{
		{"5E-1", []float32{-0.5, -0.5}},
		{"0.500000", []float32{-0.5, -0.5}},
		{"[2.07E0]", []float32{1.07, 1.07}},
		{" [ 1E0 , -1.5e1 ] ", []float32{0, -16}},
		{"", []float32{-0.5, -0.5}}, // no base_score at all
	} {
		doc := documentOf("reg:squarederror", 2, 2, stump(0), stump(1))
		path := "learner.learner_model_param.base_score"
		if c.text == "" {
			with(doc, path, nil)
		} else {
			with(doc, path, c.text)
		}
		for _, a := range readBoth(t, doc) {
			check(t, a, []float32{0, 0}, c.want)
		}
	}
}

// TestEdges holds base scores that are 0 and 1, of labels that are all the same, or near
// to them. The scores are those that XGBoost 3.3 and 1.7 give.
func TestEdges(t *testing.T) {
	for _, c := range []struct {
		v       float32
		bounded bool
		want    float64
	}{
		{0, true, -13.815509796142578}, {1, true, 13.745160102844238}, {1e-45, true, -13.815509796142578},
		{0, false, -13.815509796142578}, {1, false, 13.745160102844238}, {1e-9, false, -20.7232666015625},
	} {
		got, err := logit.margin(c.v, c.bounded)
		if err != nil || math.Abs(float64(got)-c.want) > 1e-6*math.Abs(c.want) {
			t.Errorf("margin of %g, bounded %t: %v, %v, want %v", c.v, c.bounded, got, err, c.want)
		}
	}
}

// TestThreshold holds comparisons: below the threshold goes left, what equals it does
// not, and nothing is lost of float32's edges.
func TestThreshold(t *testing.T) {
	denormal := float32(math.SmallestNonzeroFloat32)
	for _, c := range []struct {
		condition, x float32
		left         bool
	}{
		{1.5, 1.5, false}, {1.5, math.Nextafter32(1.5, 0), true}, {0.1, 0.1, false},
		{0, float32(math.Copysign(0, -1)), false}, {denormal, 0, true}, {denormal, denormal, false},
		{-denormal, 0, false}, {math.MaxFloat32, math.MaxFloat32, false}, {1, missing, true},
	} {
		tree := treeOf(0, 1, node{left: 1, right: 2, condition: c.condition, defaultLeft: true}, node{condition: -1}, node{condition: 1})
		want := float32(1.5)
		if c.left {
			want = -0.5
		}
		for _, a := range readBoth(t, documentOf("reg:squarederror", 1, 1, tree)) {
			check(t, a, []float32{c.x}, []float32{want})
		}
	}
}

// TestFloat32Sums holds the order and the rounding of sums: base first, tree by tree.
func TestFloat32Sums(t *testing.T) {
	leaves := []float32{1e8, 3, -1e8, 3, 0.1}
	var trees []dict
	sum := float32(0.5)
	for i, v := range leaves {
		trees = append(trees, treeOf(i, 1, node{condition: v}))
		sum += v
	}
	for _, a := range readBoth(t, documentOf("reg:squarederror", 1, 1, trees...)) {
		if got := predict(t, a, 0)[0].Floats[0]; got != sum {
			t.Errorf("%v, want %v", got, sum)
		}
	}
}

// TestDart holds the weights of dropped trees, where 1.0 to 3.3 write them and where
// 3.4 does.
func TestDart(t *testing.T) {
	weights := []float32{0.5, 3}
	inner := documentOf("reg:squarederror", 2, 1, stump(0), stump(1))
	learner := inner["learner"].(dict)
	booster := learner["gradient_booster"]
	learner["gradient_booster"] = dict{"name": "dart", "gbtree": booster, "weight_drop": weights}
	newer := with(documentOf("reg:squarederror", 2, 1, stump(0), stump(1)),
		"learner.gradient_booster.model.weight_drop", weights[:1])
	for _, a := range readBoth(t, inner) {
		check(t, a, []float32{9, 0}, []float32{0.5 + 1 + 6})
	}
	for _, a := range readBoth(t, newer) {
		check(t, a, []float32{9, 0}, []float32{0.5 + 1 + 2})
	}
}

// TestCategories holds that a set goes right, and that everything else goes left: other
// categories, those beyond the set, and what is no category.
func TestCategories(t *testing.T) {
	tree := treeOf(0, 2,
		node{left: 1, right: 2, feature: 1, categories: []int32{0, 1, 4, 33}},
		node{left: 3, right: 4, condition: 5, defaultLeft: true}, node{condition: 100},
		node{condition: 10}, node{condition: 20})
	doc := with(documentOf("reg:squarederror", 2, 1, tree), "learner.learner_model_param.base_score", "0")
	for _, a := range readBoth(t, doc) {
		for x, want := range map[float32]float32{
			1: 100, 4: 100, 33: 100, 1.9: 100, 0: 100, -0.5: 10, 2: 10, 32: 10, 34: 10, 64: 10, -1: 10, 1e9: 10, -3e38: 10, 3e38: 10,
		} {
			check(t, a, []float32{0, x}, []float32{want})
		}
		check(t, a, []float32{0, float32(math.Copysign(0, -1))}, []float32{100})
		check(t, a, []float32{0, missing}, []float32{100}) // default_left is 0
		check(t, a, []float32{7, 2}, []float32{20})
	}
}

// TestClasses holds labels and probabilities, and trees' groups.
func TestClasses(t *testing.T) {
	for _, objective := range []string{"multi:softprob", "multi:softmax"} {
		trees := []dict{stump(0), treeOf(1, 2, node{condition: 0.5}), treeOf(2, 2, node{condition: 0.25}), treeOf(3, 2, node{condition: 1})}
		for _, a := range readBoth(t, documentOf(objective, 2, 3, trees...)) {
			out := predict(t, a, 0, 0, 9, 0)
			total := math.Exp(0) + math.Exp(0.5) + math.Exp(0.25)
			check(t, a, []float32{0, 0}, []float32{float32(1 / total), float32(math.Exp(0.5) / total), float32(math.Exp(0.25) / total)})
			if !slices.Equal(out[0].Ints, []int64{1, 0}) {
				t.Errorf("%s: labels %v, want 1 and 0", objective, out[0].Ints)
			}
		}
	}
	// Of scores nearer to each other than probabilities can be, softmax takes the
	// larger, and who takes the largest of softprob's the first.
	for objective, want := range map[string]int64{"multi:softmax": 1, "multi:softprob": 0} {
		doc := documentOf(objective, 2, 2, treeOf(0, 2, node{condition: 1e-9}), treeOf(1, 2, node{condition: 2e-9}))
		for _, a := range readBoth(t, with(doc, "learner.learner_model_param.base_score", "0")) {
			if out := predict(t, a, 0, 0); out[0].Ints[0] != want {
				t.Errorf("%s: label %d, want %d", objective, out[0].Ints[0], want)
			}
		}
	}
}

// TestVectorLeaves holds leaves of several values: by node as 2.0 to 3.1 write them, by
// the leaf's number as 3.2 does.
func TestVectorLeaves(t *testing.T) {
	tree := func() dict {
		tree := stump(0)
		tree["tree_param"].(dict)["size_leaf_vector"] = "2"
		return tree
	}
	byNode := tree()
	byNode["base_weights"] = []float32{7, 7, 1, 2, 3, 4}
	byNumber := tree()
	byNumber["leaf_weights"] = []float32{3, 4, 1, 2}
	byNumber["right_children"] = []int32{2, 1, 0}
	for _, tree := range []dict{byNode, byNumber} {
		for _, a := range readBoth(t, documentOf("reg:squarederror", 2, 2, tree)) {
			check(t, a, []float32{0, 0, 9, 0}, []float32{1.5, 2.5, 3.5, 4.5})
		}
	}
}

// TestLinear holds gblinear: bias and base first, missing values add nothing.
func TestLinear(t *testing.T) {
	doc := documentOf("reg:squarederror", 2, 2)
	doc["learner"].(dict)["gradient_booster"] = dict{"name": "gblinear", "model": dict{
		"boosted_rounds": 1, "weights": []float32{1, 10, 2, 20, 0.25, 0.75},
	}}
	for _, a := range readBoth(t, doc) {
		check(t, a, []float32{3, 4, missing, 1, missing, missing}, []float32{11.75, 111.25, 2.75, 21.25, 0.75, 1.25})
		if a.Summary.Trees != 0 || a.Summary.Bytes == 0 {
			t.Errorf("summary %+v", a.Summary)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	m := &linear{columns: 1, outputs: 1, weights: []float32{1}, start: []float32{0}}
	if err := m.Scores(ctx, make([]float32, 5000), make([]float64, 5000)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v of an ended context", err)
	}
}

// TestForms holds the corners of the notation: booleans, keys in any order, a snapshot,
// numbers as XGBoost does not write them.
func TestForms(t *testing.T) {
	doc := documentOf("reg:squarederror", 2, 1, stump(0))
	with(doc, "learner.gradient_booster.model.trees.0.default_left", []any{true, false, false})
	snapshot := dict{"Config": dict{"learner": dict{"x": []any{true, "}]"}}}, "Model": doc}
	for _, d := range []dict{doc, snapshot} {
		for _, a := range readBoth(t, d) {
			check(t, a, []float32{missing, 0}, []float32{-0.5})
		}
	}
	text := ` {"version":[1,0,0], "learner":{
		"learner_model_param":{"num_feature":1,"num_class":"0","base_score":1},
		"objective":{"name":"reg:\u0073quarederror"},
		"gradient_booster":{"name":"gbtree","model":{"trees":[{"loss_changes":[NaN,-Infinity,Infinity],"note":"\\\"]",
			"left_children":[1,-1,-1],"right_children":[2,-1,-1],"default_left":[false,false,false],
			"split_indices":[0,0,0],"split_conditions":[1e0, 2 ,-3.0]},{
			"left_children":[1,-1,-1],"right_children":[2,-1,-1],"default_left":[false,false,false],
			"split_indices":[0,0,0],"split_conditions":[Infinity,10,20]}],"tree_info":[0,0]}}}} `
	a, err := Read([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	check(t, a, []float32{0, 1, missing}, []float32{13, 8, 18})
	if a.Summary.Producer != "xgboost 1.0.0" {
		t.Errorf("producer %q", a.Summary.Producer)
	}
	names := []any{"größe", "tab\tquote\""}
	named := with(documentOf("reg:squarederror", 2, 1, stump(0)), "learner.feature_names", names)
	for _, a := range readBoth(t, named) {
		got := a.Inputs[0].Labels
		if len(got) != 2 || got[0] != names[0] || got[1] != names[1] {
			t.Errorf("columns %q, want %q", got, names)
		}
	}
}
