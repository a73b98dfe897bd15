package xgboost

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// refused is a change to a model that has to be refused, and why.
type refused struct {
	path  string
	value any
	err   error
	says  string
}

func TestRefused(t *testing.T) {
	const learner, tree = "learner.", "learner.gradient_booster.model.trees.1."
	parameters := learner + "learner_model_param."
	nan := float32(math.NaN())
	for _, c := range []refused{
		{"learner", nil, ErrInvalid, `no "learner"`},
		{"version", []any{1, 2}, ErrInvalid, "version has 2 numbers"},
		{learner + "objective", nil, ErrInvalid, "objective has no name"},
		{learner + "objective.name", "reg:unheard", ErrUnsupported, `"reg:unheard"`},
		{learner + "objective.name", "multi:softprob", ErrInvalid, "num_class 0, want 2"},
		{learner + "gradient_booster", nil, ErrInvalid, "gradient_booster has no name"},
		{learner + "gradient_booster.name", "gbforest", ErrUnsupported, `"gbforest"`},
		{learner + "gradient_booster.model", nil, ErrInvalid, "save_config"},
		{learner + "gradient_booster.name", "gblinear", ErrInvalid, "has no model"},
		{parameters + "num_feature", "0", ErrInvalid, "num_feature is 0"},
		{parameters + "num_feature", "many", ErrInvalid, `num_feature is "many"`},
		{parameters + "num_feature", "2000000", ErrUnsupported, "num_feature is 2000000"},
		{learner + "feature_names", []any{"a"}, ErrInvalid, "1 feature_names"},
		{parameters + "num_class", "-1", ErrInvalid, "num_class is -1"},
		{parameters + "num_class", "100000", ErrUnsupported, "100000 classes"},
		{parameters + "base_score", "a half", ErrInvalid, `"a half"`},
		{parameters + "base_score", "0x1p-1", ErrInvalid, `"0x1p-1"`},
		{parameters + "base_score", "[1E0,2E0]", ErrInvalid, "2 values for 1 outputs"},
		{parameters + "base_score", "[1E0", ErrInvalid, "closing bracket"},
		{parameters + "base_score", "[]", ErrInvalid, "base_score"},
		{parameters + "base_score", "NaN", ErrInvalid, "base_score"},
		{learner + "gradient_booster.model.tree_info", []int32{0}, ErrInvalid, "tree_info has 1"},
		{learner + "gradient_booster.model.tree_info", []int32{0, 0, 0}, ErrInvalid, "tree_info has 3"},
		{learner + "gradient_booster.model.tree_info", []int32{0, 1}, ErrInvalid, "tree_info[1] is 1"},
		{learner + "gradient_booster.model.gbtree_model_param.num_trees", "3", ErrInvalid, `num_trees is "3"`},
		{learner + "gradient_booster.model.weight_drop", []float32{1, 1, 1}, ErrInvalid, "weight_drop has 3"},
		{learner + "gradient_booster.model.weight_drop", []float32{1, 3e38}, ErrInvalid, "tree 1: node 2: leaf value"},
		{learner + "gradient_booster.model.trees", []any{}, ErrUnsupported, "no trees"},
		{tree + "id", 7, ErrInvalid, "tree 1: its id is 7"},
		{tree + "left_children", []int32{}, ErrInvalid, "tree 1: left_children is empty"},
		{tree + "left_children", []int32{0, -1, -1}, ErrInvalid, "tree 1: node 0: its child is 0"},
		{tree + "left_children", []int32{3, -1, -1}, ErrInvalid, "tree 1: node 0: its child is 3"},
		{tree + "left_children", []int32{-2, -1, -1}, ErrInvalid, "its child is -2"},
		{tree + "left_children", []int32{2, -1, -1}, ErrInvalid, "tree 1: node 2 has two parents"},
		{tree + "left_children", []int32{1, 2, -1}, ErrInvalid, "tree 1: node 1: its child is -1"},
		{tree + "right_children", []int32{2, 1, -1}, ErrInvalid, "tree 1: node 1: right_children is 1"},
		{tree + "right_children", []int32{2, -1}, ErrInvalid, "right_children has 2 elements"},
		{tree + "split_indices", []int32{2, 0, 0}, ErrInvalid, "tree 1: node 0: split_indices is 2"},
		{tree + "split_indices", []any{}, ErrInvalid, "split_indices has 0 elements"},
		{tree + "split_indices", []any{"0", 0, 0}, ErrInvalid, "want a"},
		{tree + "default_left", small{2, 0, 0}, ErrInvalid, "default_left is 2"},
		{tree + "split_type", small{2, 0, 0}, ErrInvalid, "tree 1: node 0: split_type is 2"},
		{tree + "split_type", small{0}, ErrInvalid, "split_type has 1"},
		{tree + "tree_param.num_nodes", "5", ErrInvalid, `num_nodes is "5"`},
		{tree + "tree_param.size_leaf_vector", "-1", ErrInvalid, `size_leaf_vector is "-1"`},
		{tree + "tree_param.size_leaf_vector", "3", ErrInvalid, "size_leaf_vector is 3"},
		{tree + "categories_nodes", []int32{0}, ErrInvalid, "categories_nodes 1"},
	} {
		t.Run(c.path+" "+c.says, func(t *testing.T) {
			doc := with(documentOf("reg:squarederror", 2, 1, stump(0), stump(1)), c.path, c.value)
			for _, data := range [][]byte{textOf(t, doc), binaryOf(nil, doc)} {
				if _, err := Read(data); !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v, want %q and %v", err, c.says, c.err)
				}
			}
		})
	}
	// What JSON's encoder does not write.
	for _, c := range []refused{
		{tree + "split_conditions", []float32{nan, 0, 0}, ErrInvalid, "tree 1: node 0: split_conditions is NaN"},
		{tree + "split_conditions", []float32{0, nan, 0}, ErrInvalid, "tree 1: node 1: leaf value NaN"},
		{tree + "split_conditions", []float32{0, 0, float32(math.Inf(1))}, ErrInvalid, "tree 1: node 2: leaf value +Inf"},
	} {
		doc := with(documentOf("reg:squarederror", 2, 1, stump(0), stump(1)), c.path, c.value)
		if _, err := Read(binaryOf(nil, doc)); !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want %q and %v", err, c.says, c.err)
		}
	}
}

func TestRefusedObjectives(t *testing.T) {
	base := "learner.learner_model_param.base_score"
	for _, c := range []struct {
		objective, path string
		value           any
		says            string
	}{
		{"binary:logistic", base, "1.5", "want a probability"},
		{"reg:gamma", base, "0", "want a number above 0"},
		{"reg:expectileerror", "learner.objective.expectile_loss_param", dict{"expectile_alpha": "[0.1,0.9]"}, "several alphas"},
		{"multi:softprob", "learner.learner_model_param.num_target", "2", "3 classes and 2 targets"},
	} {
		outputs := 1
		if c.objective == "multi:softprob" {
			outputs = 3
		}
		doc := with(documentOf(c.objective, 2, outputs, stump(0)), c.path, c.value)
		for _, data := range [][]byte{textOf(t, doc), binaryOf(nil, doc)} {
			if _, err := Read(data); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v, want %q", c.objective, err, c.says)
			}
		}
	}
}

func TestRefusedCategories(t *testing.T) {
	const tree = "learner.gradient_booster.model.trees.0."
	for _, c := range []refused{
		{tree + "categories", []int32{-1, 2}, ErrInvalid, "node 0: category -1"},
		{tree + "categories", []int32{1 << 24, 2}, ErrInvalid, "category 16777216"},
		{tree + "categories", []int32{1}, ErrInvalid, "node 0: its categories are 2 from 0 on, of 1"},
		{tree + "categories_sizes", []int32{-1}, ErrInvalid, "-1 from 0 on"},
		{tree + "categories_segments", []int32{1}, ErrInvalid, "2 from 1 on"},
		{tree + "categories_nodes", []int32{3}, ErrInvalid, "categories_nodes[0] is 3"},
	} {
		doc := documentOf("reg:squarederror", 1, 1, treeOf(0, 1, node{left: 1, right: 2, categories: []int32{1, 2}}, node{}, node{}))
		with(doc, c.path, c.value)
		for _, data := range [][]byte{textOf(t, doc), binaryOf(nil, doc)} {
			if _, err := Read(data); !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q and %v", err, c.says, c.err)
			}
		}
	}
}

// TestOverlap holds that sets share no categories of the file: a long list that every
// node refers to would cost its length for each.
func TestOverlap(t *testing.T) {
	shared := treeOf(0, 1, node{left: 1, right: 2, categories: []int32{1, 2}},
		node{left: 3, right: 4, categories: []int32{3}}, node{}, node{}, node{})
	shared["categories_segments"], shared["categories_sizes"] = []int32{0, 0}, []int32{2, 2}
	if _, err := Read(binaryOf(nil, documentOf("reg:squarederror", 1, 1, shared))); !errors.Is(err, ErrInvalid) {
		t.Errorf("%v, want %v", err, ErrInvalid)
	}
}

// TestDetect holds what each form of file is told, and what Read says of it.
func TestDetect(t *testing.T) {
	doc := documentOf("reg:squarederror", 2, 1, stump(0))
	block := append(make([]byte, 136), binary.LittleEndian.AppendUint64(nil, 15)...)
	block = append(block, "binary:logistic\x06\x00\x00\x00\x00\x00\x00\x00gbtree"...)
	for _, c := range []struct {
		name string
		data []byte
		form Form
		says string
	}{
		{"JSON", append([]byte("\xef\xbb\xbf\n"), textOf(t, doc)...), JSON, ""},
		{"UBJSON", binaryOf(nil, doc), UBJ, ""},
		{"binary of pickles", append([]byte("binf"), block...), Binary, "old binary format"},
		{"binary of files", block, Binary, "save_model"},
		{"text dump", []byte("booster[0]:\n0:[f0<1]"), Dump, "dump_model"},
		{"JSON dump", []byte(`[{"nodeid":0,"leaf":1}]`), Dump, "dump_model"},
		{"pickle", []byte("\x80\x04\x95\x00"), Pickle, "pickle"},
		{"nothing", nil, None, "not an XGBoost model"},
		{"zeros", make([]byte, 200), None, "not an XGBoost model"},
		{"LightGBM", []byte("tree\nversion=v4\n"), None, "not an XGBoost model"},
	} {
		if got := Detect(c.data); got != c.form {
			t.Errorf("%s: form %d, want %d", c.name, got, c.form)
		}
		_, err := Read(c.data)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}

// TestTruncated holds that a model without its end is an error, wherever it ends.
func TestTruncated(t *testing.T) {
	doc := documentOf("reg:squarederror", 2, 1, stump(0))
	for _, data := range [][]byte{textOf(t, doc), binaryOf(nil, doc)} {
		for n := range data {
			if _, err := Read(data[:n]); err == nil {
				t.Fatalf("no error of the first %d bytes of %d", n, len(data))
			}
		}
		if _, err := Read(append(data, '}')); err == nil {
			t.Error("no error of a bracket behind the end")
		}
	}
}

// TestNotation holds errors of the notation, with their place.
func TestNotation(t *testing.T) {
	deep := strings.Repeat(`{"learner":`, 3) + strings.Repeat("[", 100)
	for text, says := range map[string]string{
		`{"learner":{}`:             "JSON at byte 13: the file ends",
		`{"learner":{},}`:           "JSON at byte 14: '}', want a value",
		`{"learner" {}}`:            "want a colon",
		`{"learner":[}}`:            "want an object",
		`{"x":[}]}`:                 "want the other bracket",
		`{"x":["]}`:                 "within a string",
		`{"x":"\ud8","learner":{}}`: `no`,
		`{"x":[1 2],"learner":1}`:   "want an object",
		`{"version":[1 2]}`:         "want a comma",
		`{"version":[1.5]}`:         "want a whole number",
		`{"version":[-]}`:           "want a whole number",
		deep:                        "within one another",
		`{"x":` + deep:              "within one another",
		"{" + strings.Repeat("L\x00\x00\x00\x00\x00\x00\x00\x01x{", 100): "within one another",
		"{L\xff\xff\xff\xff\xff\xff\xff\xff":                             "length -1",
		"{L\x7f\xff\xff\xff\xff\xff\xff\xffabc":                          "want at most",
		"{#l\x7f\xff\xff\xff":                                            "want a length",
		"{$Z#l\x7f\xff\xff\xff":                                          "elements of type 'Z'",
		"{i\x07versionS":                                                 "want a list",
		"{i\x07version[$Z#l\x7f\xff\xff\xff":                             "elements of type 'Z'",
		"{i\x07version[$l#l\x7f\xff\xff\xff":                             "2147483647 numbers announced and 0 bytes left",
		"{i\x07version[$l]":                                              "want the number of elements",
		"{i\x01x[$L#L\x7f\xff\xff\xff\xff\xff\xff\xff":                   "numbers announced",
		"{i\x01xSL\x7f\xff\xff\xff\xff\xff\xff\xff":                      "bytes announced",
		"{i\x01x?": "marker '?', want a value",
	} {
		_, err := Read([]byte(text))
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: %v, want %q", text, err, says)
		}
	}
}

// TestMarkers holds UBJSON as others than XGBoost may write it: lengths of any width,
// counted objects, no-operations, numbers of any type in plain lists.
func TestMarkers(t *testing.T) {
	plain := "{N#i\x02i\x07versionN[i\x01U\x02I\x00\x03]U\x07learner{}"
	l := &learner{}
	if err := l.top(newUBJ([]byte(plain))); err != nil {
		t.Fatal(err)
	}
	if l.producer() != "xgboost 1.2.3" || !l.found {
		t.Errorf("read %+v", l)
	}
	s := newUBJ([]byte("[D\x3f\xf8\x00\x00\x00\x00\x00\x00d\x40\x00\x00\x00i\xffL\xff\xff\xff\xff\xff\xff\xff\xfe]"))
	floats, err := s.floats(nil)
	if err != nil || len(floats) != 4 || floats[0] != 1.5 || floats[1] != 2 || floats[2] != -1 || floats[3] != -2 {
		t.Errorf("%v, %v", floats, err)
	}
	s = newUBJ([]byte("{i\x01xHi\x031e5i\x01yCai\x01zZi\x01w[#i\x02Ti\x01}"))
	if err := s.skip(); err != nil || s.end() != nil {
		t.Errorf("skip: %v, end: %v", err, s.end())
	}
}

// TestHostile holds what reading may cost against what a file asks for.
func TestHostile(t *testing.T) {
	wide := documentOf("reg:squarederror", 1, 1)
	var trees []any
	for i := range 200 { // each asks for 2 MiB in a few bytes
		trees = append(trees, treeOf(i, 1, node{left: 1, right: 2, categories: []int32{maxCategory}}, node{}, node{}))
	}
	with(wide, "learner.gradient_booster.model.trees", trees)
	with(wide, "learner.gradient_booster.model.tree_info", make([]int32, len(trees)))
	with(wide, "learner.gradient_booster.model.gbtree_model_param.num_trees", strconv.Itoa(len(trees)))

	shared := documentOf("reg:squarederror", 1, 4096) // many leaves of one long vector
	nodes := make([]node, 4001)
	for i := 0; i+2 < len(nodes); i += 2 {
		nodes[i] = node{left: int32(i) + 1, right: int32(i) + 2}
	}
	vector := treeOf(0, 1, nodes...)
	vector["leaf_weights"] = make([]float32, 4096)
	right := vector["right_children"].([]int32)
	for i := range right {
		right[i] = max(right[i], 0)
	}
	vector["tree_param"].(dict)["size_leaf_vector"] = "4096"
	with(shared, "learner.gradient_booster.model.trees", []any{vector})
	with(shared, "learner.gradient_booster.model.tree_info", []int32{0})

	for name, c := range map[string]struct {
		data []byte
		says string
	}{
		"sets":         {binaryOf(nil, wide), "sets of categories up to 16777215"},
		"vectors":      {binaryOf(nil, shared), "more leaves than leaf_weights"},
		"empty trees":  {[]byte(`{"learner":{"gradient_booster":{"name":"gbtree","model":{"trees":[` + strings.Repeat("{},", 1e5) + `{}]}}}}`), ""},
		"brackets":     {bytes.Repeat([]byte("["), 1e6), ""},
		"escapes":      {[]byte(`{"` + strings.Repeat(`\"`, 1e6)), ""},
		"no end":       {[]byte(`{"version":[` + strings.Repeat("1,", 1e6)), ""},
		"open objects": {bytes.Repeat([]byte("{i\x00"), 1e5), ""},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Read(c.data)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
		if used, most := after.TotalAlloc-before.TotalAlloc, uint64(1<<28+64*len(c.data)); used > most {
			t.Errorf("%s: %d bytes allocated for a file of %d", name, used, len(c.data))
		}
	}
}
