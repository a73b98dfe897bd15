package xgboost

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"rollproof/model"
)

// drawTree draws a tree whose nodes come in any order behind the root.
func drawTree(t *rapid.T, features int) []node {
	nodes := []node{{}}
	open := []int{0} // leaves that may yet become splits
	for range rapid.IntRange(0, 12).Draw(t, "splits") {
		k := rapid.IntRange(0, len(open)-1).Draw(t, "leaf")
		at := open[k]
		n := len(nodes)
		nodes = append(nodes, node{}, node{})
		open[k] = n
		open = append(open, n+1)
		nodes[at].left, nodes[at].right = int32(n), int32(n+1)
		if rapid.Bool().Draw(t, "swapped") {
			nodes[at].left, nodes[at].right = nodes[at].right, nodes[at].left
		}
		nodes[at].feature = int32(rapid.IntRange(0, features-1).Draw(t, "feature"))
		nodes[at].defaultLeft = rapid.Bool().Draw(t, "default")
		if rapid.IntRange(0, 2).Draw(t, "kind") == 0 {
			nodes[at].categories = rapid.SliceOfNDistinct(rapid.Int32Range(0, 70), 1, 5, rapid.ID).Draw(t, "categories")
		}
	}
	for i := range nodes {
		nodes[i].condition = rapid.Float32Range(-3, 3).Draw(t, "condition")
	}
	return nodes
}

// walkTree is the leaf's value, by XGBoost's own rules and nothing else.
func walkTree(nodes []node, row []float32) float32 {
	i := int32(0)
	for nodes[i].left > 0 {
		n := &nodes[i]
		x := row[n.feature]
		left := x < n.condition
		switch {
		case x != x:
			left = n.defaultLeft
		case n.categories != nil:
			left = true
			for _, c := range n.categories {
				if x >= 0 && x < 1<<24 && int32(x) == c {
					left = false
				}
			}
		}
		i = n.right
		if left {
			i = n.left
		}
	}
	return nodes[i].condition
}

// TestReadIsTheWalk holds both notations against a plain walk of the trees.
func TestReadIsTheWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		features, outputs := rapid.IntRange(1, 3).Draw(t, "features"), rapid.IntRange(1, 3).Draw(t, "outputs")
		trees, forest := []dict{}, [][]node{}
		for i := range rapid.IntRange(1, 6).Draw(t, "trees") {
			nodes := drawTree(t, features)
			trees, forest = append(trees, treeOf(i, features, nodes...)), append(forest, nodes)
		}
		doc := documentOf("reg:squarederror", features, outputs, trees...)
		thresholds := []float32{missing, -1, -0.25, 1e9}
		for _, nodes := range forest {
			for _, n := range nodes {
				thresholds = append(thresholds, n.condition)
			}
		}
		row := make([]float32, features)
		for i := range row {
			row[i] = rapid.OneOf(rapid.Float32Range(-4, 75), rapid.SampledFrom(thresholds),
				rapid.Map(rapid.IntRange(0, 72), func(i int) float32 { return float32(i) })).Draw(t, "value")
		}
		want := make([]float32, outputs)
		for i := range want {
			want[i] = 0.5
		}
		for i, nodes := range forest {
			want[i%outputs] += walkTree(nodes, row)
		}
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, data := range [][]byte{text, binaryOf(nil, doc)} {
			a, err := Read(data)
			if err != nil {
				t.Fatal(err)
			}
			in, out := make([]model.Value, 1), make([]model.Value, 1)
			in[0].Reset(model.FP32, 1, int64(features))
			copy(in[0].Floats, row)
			if err := a.Predict(context.Background(), in, out); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(out[0].Floats, want) {
				t.Fatalf("%s: row %v gives %v, want %v", a.Format, row, out[0].Floats, want)
			}
		}
	})
}

// FuzzRead feeds broken files: no panic, and what is read predicts.
func FuzzRead(f *testing.F) {
	for _, objective := range []string{"reg:squarederror", "multi:softprob", "binary:logistic"} {
		outputs := 1
		if objective == "multi:softprob" {
			outputs = 2
		}
		doc := documentOf(objective, 2, outputs, stump(0), treeOf(1, 2, node{left: 1, right: 2, categories: []int32{0, 40}}, node{}, node{condition: 1}))
		f.Add(textOf(f, doc))
		f.Add(binaryOf(nil, doc))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := Read(data)
		if err != nil {
			return
		}
		columns := a.Inputs[0].Shape[1]
		in, out := make([]model.Value, 1), make([]model.Value, len(a.Outputs))
		in[0].Reset(model.FP32, 3, columns)
		for i := range columns {
			in[0].Floats[i], in[0].Floats[columns+i], in[0].Floats[2*columns+i] = 0, missing, float32(math.Inf(1))
		}
		if err := a.Predict(context.Background(), in, out); err != nil {
			t.Fatal(err)
		}
		for i := range out {
			if err := a.Outputs[i].Fits(&out[i]); err != nil {
				t.Error(err)
			}
		}
	})
}
