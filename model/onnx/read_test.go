package onnx

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollproof/model"
)

func TestReadStump(t *testing.T) {
	t.Parallel()
	logistic := func(x float64) float32 { return float32(1 / (1 + math.Exp(-x))) }
	rows := []float32{0, 0.5, 0, 0.50001, 0, float32(math.NaN())}
	binary := []float32{
		logistic(0.75), logistic(-0.75), logistic(-2.25), logistic(2.25), logistic(-2.25), logistic(2.25),
	}
	tests := []struct {
		name   string
		change func(*stump)
		labels []int64
		want   []float32
	}{
		{"one sum", func(*stump) {}, []int64{7, 9, 9}, binary},
		{"one sum under the second class", func(s *stump) {
			s.set(ints("class_ids", 1, 1)).set(unpackedFloats("base_values", 0, 0.25))
		}, []int64{7, 9, 9}, binary},
		{"identity and casts around it", func(s *stump) {
			to := func(element int64) message { return message{}.text(1, "to").varint(3, element).varint(20, 2) }
			s.nodes = []message{
				node("Cast", "", "in", []string{"X"}, []string{"x"}, to(elementFloat)),
				node("TreeEnsembleClassifier", "ai.onnx.ml", "trees", []string{"x"}, []string{"l", "q"}, s.attributes...),
				node("Cast", "", "out", []string{"l"}, []string{"label"}, to(elementInt64)),
				node("Identity", "", "same", []string{"q"}, []string{"p"}),
			}
		}, []int64{7, 9, 9}, binary},
		{"a probability as weight", func(s *stump) {
			s.set(unpackedFloats("class_weights", 0.25, 0.75)).set(text("post_transform", "NONE")).
				set(unpackedFloats("base_values"))
		}, []int64{7, 9, 9}, []float32{0.75, 0.25, 0.25, 0.75, 0.25, 0.75}},
		{"two sums", func(s *stump) {
			s.set(ints("class_treeids", 0, 0, 0, 0)).set(ints("class_nodeids", 1, 2, 1, 2)).
				set(ints("class_ids", 0, 0, 1, 1)).set(unpackedFloats("class_weights", 1, 0, 0, 1)).
				set(unpackedFloats("base_values")).set(text("post_transform", "SOFTMAX"))
		}, []int64{7, 9, 9}, []float32{logistic(1), logistic(-1), logistic(-1), logistic(1), logistic(-1), logistic(1)}},
		{"a tree that never splits", func(s *stump) {
			s.set(ints("nodes_treeids", 0, 0, 0, 1)).set(ints("nodes_nodeids", 0, 1, 2, 0)).
				set(ints("nodes_featureids", 1, 0, 0, 0)).
				set(texts("nodes_modes", "BRANCH_LEQ", "LEAF", "LEAF", "LEAF")).
				set(unpackedFloats("nodes_values", 0.5, 0, 0, 0)).set(ints("nodes_truenodeids", 1, 0, 0, 0)).
				set(ints("nodes_falsenodeids", 2, 0, 0, 0)).set(ints("class_treeids", 0, 0, 1)).
				set(ints("class_nodeids", 1, 2, 0)).set(ints("class_ids", 0, 0, 0)).
				set(unpackedFloats("class_weights", -1, 2, 0.25)).set(unpackedFloats("base_values"))
		}, []int64{7, 9, 9}, binary},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newStump()
			test.change(s)
			a, err := Read(s.encode())
			if err != nil {
				t.Fatal(err)
			}
			want := []model.Tensor{
				{Name: "X", Datatype: model.FP32, Shape: []int64{-1, 2}},
				{Name: "label", Datatype: model.Int64, Shape: []int64{-1}},
				{Name: "p", Datatype: model.FP32, Shape: []int64{-1, 2}, Labels: []string{"7", "9"}},
			}
			if d := cmp.Diff(want, append(slices.Clone(a.Inputs), a.Outputs...)); d != "" {
				t.Errorf("description (-want +got):\n%s", d)
			}
			in, out := make([]model.Value, 1), make([]model.Value, 2)
			in[0].Reset(model.FP32, 3, 2)
			copy(in[0].Floats, rows)
			if err := a.Predict(t.Context(), in, out); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(test.labels, out[0].Ints); d != "" {
				t.Errorf("labels (-want +got):\n%s", d)
			}
			near := cmp.Comparer(func(a, b float32) bool { return math.Abs(float64(a-b)) < 1e-7 })
			if d := cmp.Diff(test.want, out[1].Floats, near); d != "" {
				t.Errorf("probabilities (-want +got):\n%s", d)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*stump)
		want   []string // parts of the error
	}{
		{"unknown operator", func(s *stump) {
			s.nodes = []message{node("Conv", "", "dense1", []string{"X"}, []string{"p"})}
		}, []string{`operator "Conv"`, `domain "ai.onnx"`, `node "dense1"`, "operator set 15", "not supported"}},
		{"operator of another domain", func(s *stump) {
			s.nodes = []message{s.ensemble("label", "q"), node("CDist", "com.microsoft", "near", []string{"q", "q"}, []string{"p"})}
		}, []string{`"CDist"`, `domain "com.microsoft"`, `node "near"`, "not supported"}},
		{"cast to another type than declared", func(s *stump) {
			s.nodes = []message{s.ensemble("l", "p"), node("Cast", "", "c", []string{"l"}, []string{"label"},
				message{}.text(1, "to").varint(3, elementFloat).varint(20, 2))}
		}, []string{`output "label" is declared as INT64`, "is FP32"}},
		{"domain without operator set", func(s *stump) { s.opsets = s.opsets[1:] },
			[]string{"declares no operator set"}},
		{"operator set too new", func(s *stump) { s.opsets[0] = message{}.text(1, "ai.onnx.ml").varint(2, 6) },
			[]string{"operator set 6", "want 1 to 5"}},
		{"cycle in the graph", func(s *stump) {
			s.nodes = []message{
				node("Identity", "", "a", []string{"y"}, []string{"x"}), node("Identity", "", "b", []string{"x"}, []string{"y"}),
			}
		}, []string{`node "a"`, `takes "y", which is not there yet`}},
		{"name made twice", func(s *stump) { s.nodes = []message{s.ensemble("label", "label")} },
			[]string{`gives "label", which is there already`}},
		{"too many operators", func(s *stump) {
			for range maxNodes + 1 {
				s.nodes = append(s.nodes, node("Identity", "", "a", []string{"X"}, []string{"p"}))
			}
		}, []string{"more than 16384 operators"}},
		{"initializer of no type", func(s *stump) { s.extra = message{}.bytes(5, nil) }, []string{"element type 0"}},
		{"sparse initializer", func(s *stump) { s.extra = message{}.bytes(15, nil) }, []string{"1 sparse initializers"}},
		{"field number that no field can have", func(s *stump) { s.extra = message{}.varint(1<<29, 1) }, []string{"a field's number of 536870912", "at most 536870911"}},
		{"two inputs", func(s *stump) { s.inputs = append(s.inputs, s.inputs[0]) }, []string{`input "X"`, "there already"}},
		{"input of complex numbers", func(s *stump) { s.inputs[0] = tensorValue("X", 14, -1, 2) },
			[]string{`input "X"`, "element type 14"}},
		{"input too narrow", func(s *stump) { s.inputs[0] = tensorValue("X", elementFloat, -1, 1) },
			[]string{"nodes_featureids[0] is 1, want 0 to 0"}},
		{"input of texts", func(s *stump) { s.inputs[0] = tensorValue("X", elementString, -1, 2) },
			[]string{`"X", is BYTES`, "want one of"}},
		{"output from nowhere", func(s *stump) { s.outputs[0] = tensorValue("z", elementInt64, -1) }, []string{`output "z"`}},
		{"string labels", func(s *stump) { s.set(texts("classlabels_strings", "a", "b")) },
			[]string{"2 classlabels_int64s and 2 classlabels_strings"}},
		{"attribute twice", func(s *stump) { s.attributes = append(s.attributes, s.attributes[0]) },
			[]string{`attribute "classlabels_int64s" is given twice`}},
		{"attribute of another type", func(s *stump) { s.set(text("nodes_treeids", "x")) },
			[]string{`attribute "nodes_treeids" has type 3, want 7`}},
		{"unknown attribute", func(s *stump) { s.set(text("colour", "red")) }, []string{`attribute "colour" is not supported`}},
		{"other comparison", func(s *stump) { s.set(texts("nodes_modes", "BRANCH_NEAR", "LEAF", "LEAF")) },
			[]string{`nodes_modes[0] is "BRANCH_NEAR"`, "not supported"}},
		{"unknown transform", func(s *stump) { s.set(text("post_transform", "CUBE")) }, []string{`post_transform "CUBE"`}},
		{"lists not parallel", func(s *stump) { s.set(ints("nodes_featureids", 1)) },
			[]string{"nodes_featureids has 1 entries, want 3"}},
		{"column out of range", func(s *stump) { s.set(ints("nodes_featureids", 2, 0, 0)) },
			[]string{"nodes_featureids[0] is 2, want 0 to 1"}},
		{"threshold NaN", func(s *stump) { s.set(unpackedFloats("nodes_values", float32(math.NaN()), 0, 0)) },
			[]string{"nodes_values[0] is NaN"}},
		{"weight infinite", func(s *stump) { s.set(unpackedFloats("class_weights", float32(math.Inf(-1)), 0)) },
			[]string{"weight 0 is -Inf"}},
		{"child that is not there", func(s *stump) { s.set(ints("nodes_truenodeids", 8, 0, 0)) },
			[]string{"nodes_truenodeids[0] is 8, which is no node of tree 0"}},
		{"two parents", func(s *stump) { s.set(ints("nodes_truenodeids", 2, 0, 0)) }, []string{"node 2 of tree 0 has two parents"}},
		{"two roots", func(s *stump) { s.set(texts("nodes_modes", "LEAF", "LEAF", "LEAF")).set(ints("class_nodeids", 1, 2)) },
			[]string{"tree 0 has two roots, nodes 0 and 1"}},
		{"cycle in a tree", func(s *stump) {
			s.set(texts("nodes_modes", "BRANCH_LEQ", "BRANCH_LEQ", "LEAF")).set(ints("nodes_truenodeids", 1, 0, 0)).
				set(ints("nodes_falsenodeids", 2, 2, 0)).set(ints("class_nodeids", 2, 2))
		}, []string{"two parents"}},
		{"cycle beside the root", func(s *stump) {
			s.set(ints("nodes_treeids", 0, 0, 0, 0, 0)).set(ints("nodes_nodeids", 0, 1, 2, 3, 4)).
				set(ints("nodes_featureids", 0, 0, 0, 0, 0)).set(unpackedFloats("nodes_values", 0, 0, 0, 0, 0)).
				set(texts("nodes_modes", "LEAF", "BRANCH_LEQ", "BRANCH_LEQ", "LEAF", "LEAF")).
				set(ints("nodes_truenodeids", 0, 2, 1, 0, 0)).set(ints("nodes_falsenodeids", 0, 3, 4, 0, 0)).
				set(ints("class_nodeids", 0, 3))
		}, []string{"1 nodes of 5 are reached from a root"}},
		{"node twice", func(s *stump) { s.set(ints("nodes_nodeids", 0, 1, 1)) }, []string{"node 1 of tree 0 is given at 1 and at 2"}},
		{"weight on nothing", func(s *stump) { s.set(ints("class_nodeids", 1, 5)) }, []string{"class_nodeids[1] is 5"}},
		{"class out of range", func(s *stump) { s.set(ints("class_ids", 0, 2)) }, []string{"class_ids[1] is 2, want 0 to 1"}},
		{"base values too many", func(s *stump) { s.set(unpackedFloats("base_values", 1, 2, 3)) },
			[]string{"3 base values for 2 classes"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newStump()
			test.change(s)
			_, err := Read(s.encode())
			if err == nil {
				t.Fatalf("read, want an error with %q", test.want)
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q, want %q in it", err, part)
				}
			}
		})
	}
}

func TestReadFileNamesTheFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, content := range map[string]string{
		"empty": "", "text": "this is not a model\n", "html": "<html>404</html>", "cut": string(newStump().encode()[:200]),
	} {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want one that names %s", name, err, path)
		}
	}
	if _, err := ReadFile(folder); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("folder: error %v, want that it is no regular file", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(newStump().encode())
	for _, version := range []string{"v1", "v2"} {
		data, err := os.ReadFile(filepath.Join("..", "breastcancer", version, "model.onnx"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for i, c := range readOperatorCases(f) {
		if i%9 == 0 {
			f.Add(c.file(f))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := Read(data)
		if err != nil {
			return
		}
		predictAnything(t, a)
	})
}

// predictAnything asks for predictions of odd rows: whatever was read can be computed,
// or gives an error.
func predictAnything(t *testing.T, a *model.Artifact) {
	t.Helper()
	in, out := make([]model.Value, len(a.Inputs)), make([]model.Value, len(a.Outputs))
	for _, fill := range []float64{0, 1, -1e30, math.NaN()} {
		for i := range in {
			shape := slices.Clone(a.Inputs[i].Shape)
			total := int64(1)
			for j := range shape {
				if shape[j] < 0 {
					shape[j] = 2
				}
				total *= shape[j]
			}
			if total > 1<<16 {
				return
			}
			in[i].Reset(a.Inputs[i].Datatype, shape...)
			for j := range in[i].Floats {
				in[i].Floats[j] = float32(fill)
			}
			for j := range in[i].Doubles {
				in[i].Doubles[j] = fill
			}
			for j := range in[i].Ints {
				in[i].Ints[j] = truth(fill == 1)
			}
			for j := range in[i].Texts {
				in[i].Texts[j] = "1"
			}
		}
		if err := a.Predict(t.Context(), in, out); err != nil {
			continue
		}
		for i := range out {
			if err := a.Outputs[i].Fits(&out[i]); err != nil {
				t.Errorf("described wrongly: %v", err)
			}
		}
	}
}
