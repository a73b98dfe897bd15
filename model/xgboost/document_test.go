package xgboost

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rollproof/model"
)

// dict is an object of a document.
type dict = map[string]any

// small is a list of numbers that XGBoost writes as bytes into UBJSON.
type small []int32

// node is one node of a tree under test: a leaf if left is 0.
type node struct {
	left, right, feature int32
	condition            float32
	defaultLeft          bool
	// categories that go right, of a split of categories.
	categories []int32
}

// treeOf writes a tree as XGBoost does.
func treeOf(id, features int, nodes ...node) dict {
	n := len(nodes)
	left, right, parents := make([]int32, n), make([]int32, n), make([]int32, n)
	indices, conditions, zeros := make([]int32, n), make([]float32, n), make([]float32, n)
	defaultLeft, types := make(small, n), make(small, n)
	categories, at, segments, sizes := []int32{}, []int32{}, []int64{}, []int64{}
	parents[0] = math.MaxInt32
	for i, node := range nodes {
		left[i], right[i] = -1, -1
		conditions[i], indices[i] = node.condition, node.feature
		if node.left > 0 {
			left[i], right[i] = node.left, node.right
			if int(node.left) < n && int(node.right) < n {
				parents[node.left], parents[node.right] = int32(i), int32(i)
			}
		}
		if node.defaultLeft {
			defaultLeft[i] = 1
		}
		if node.categories != nil {
			types[i] = 1
			at = append(at, int32(i))
			segments, sizes = append(segments, int64(len(categories))), append(sizes, int64(len(node.categories)))
			categories = append(categories, node.categories...)
		}
	}
	return dict{
		"id": id, "left_children": left, "right_children": right, "parents": parents,
		"split_indices": indices, "split_conditions": conditions, "default_left": defaultLeft, "split_type": types,
		"categories": categories, "categories_nodes": at, "categories_segments": segments, "categories_sizes": sizes,
		"base_weights": zeros, "loss_changes": zeros, "sum_hessian": zeros,
		"tree_param": dict{
			"num_deleted": "0", "num_feature": strconv.Itoa(features), "num_nodes": strconv.Itoa(n), "size_leaf_vector": "1",
		},
	}
}

// documentOf writes a model of trees, tree i for output i modulo the outputs.
func documentOf(objective string, features, outputs int, trees ...dict) dict {
	groups, list := make([]int32, len(trees)), make([]any, len(trees))
	for i := range trees {
		groups[i], list[i] = int32(i%outputs), trees[i]
	}
	classes, targets := 0, outputs
	if strings.HasPrefix(objective, "multi:") {
		classes, targets = outputs, 1
	}
	return dict{
		"version": []any{3, 0, 0},
		"learner": dict{
			"attributes":    dict{"best_iteration": "0"},
			"feature_names": []any{}, "feature_types": []any{},
			"gradient_booster": dict{"name": "gbtree", "model": dict{
				"gbtree_model_param": dict{"num_parallel_tree": "1", "num_trees": strconv.Itoa(len(trees))},
				"tree_info":          groups, "trees": list,
			}},
			"learner_model_param": dict{
				"base_score": "5E-1", "boost_from_average": "1", "num_class": strconv.Itoa(classes),
				"num_feature": strconv.Itoa(features), "num_target": strconv.Itoa(targets),
			},
			"objective": dict{"name": objective},
		},
	}
}

// stump is a tree of one split: feature 0 below 1.5 (or missing) gives -1, else 2.
func stump(id int) dict {
	return treeOf(id, 2, node{left: 1, right: 2, condition: 1.5, defaultLeft: true}, node{condition: -1}, node{condition: 2})
}

// with sets what a path of keys and indices leads to; nil removes a key.
func with(doc dict, path string, value any) dict {
	keys := strings.Split(path, ".")
	var at any = doc
	for _, key := range keys[:len(keys)-1] {
		switch v := at.(type) {
		case dict:
			at = v[key]
		case []any:
			i, _ := strconv.Atoi(key)
			at = v[i]
		}
	}
	last := keys[len(keys)-1]
	if value == nil {
		delete(at.(dict), last)
	} else {
		at.(dict)[last] = value
	}
	return doc
}

// textOf writes a document as JSON.
func textOf(t testing.TB, doc dict) []byte {
	t.Helper()
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// binaryOf writes a value as XGBoost writes UBJSON.
func binaryOf(b []byte, value any) []byte {
	sized := func(b []byte, n int) []byte { return binary.BigEndian.AppendUint64(append(b, 'L'), uint64(n)) }
	typed := func(marker byte, n int) []byte { return sized(append(b, '[', '$', marker, '#'), n) }
	switch v := value.(type) {
	case dict:
		b = append(b, '{')
		for _, key := range slices.Sorted(maps.Keys(v)) {
			b = append(sized(b, len(key)), key...)
			b = binaryOf(b, v[key])
		}
		return append(b, '}')
	case []any:
		b = sized(append(b, '[', '#'), len(v))
		for _, e := range v {
			b = binaryOf(b, e)
		}
	case []int32:
		b = typed('l', len(v))
		for _, e := range v {
			b = binary.BigEndian.AppendUint32(b, uint32(e))
		}
	case []int64:
		b = typed('L', len(v))
		for _, e := range v {
			b = binary.BigEndian.AppendUint64(b, uint64(e))
		}
	case []float32:
		b = typed('d', len(v))
		for _, e := range v {
			b = binary.BigEndian.AppendUint32(b, math.Float32bits(e))
		}
	case small:
		b = typed('U', len(v))
		for _, e := range v {
			b = append(b, byte(e))
		}
	case string:
		b = append(sized(append(b, 'S'), len(v)), v...)
	case int:
		b = binary.BigEndian.AppendUint32(append(b, 'l'), uint32(v))
	case bool:
		if v {
			return append(b, 'T')
		}
		return append(b, 'F')
	}
	return b
}

// readBoth reads a document as JSON and as UBJSON and returns both artifacts.
func readBoth(t testing.TB, doc dict) []*model.Artifact {
	t.Helper()
	var both []*model.Artifact
	for _, data := range [][]byte{textOf(t, doc), binaryOf(nil, doc)} {
		a, err := Read(data)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, a)
	}
	return both
}

// predict returns an artifact's outputs for rows.
func predict(t testing.TB, a *model.Artifact, rows ...float32) []model.Value {
	t.Helper()
	columns := int(a.Inputs[0].Shape[1])
	in, out := make([]model.Value, 1), make([]model.Value, len(a.Outputs))
	in[0].Reset(model.FP32, int64(len(rows)/columns), int64(columns))
	copy(in[0].Floats, rows)
	if err := a.Predict(context.Background(), in, out); err != nil {
		t.Fatal(err)
	}
	for i := range out {
		if err := a.Outputs[i].Fits(&out[i]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

var missing = float32(math.NaN())
