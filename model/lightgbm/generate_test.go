package lightgbm

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

// plainTree is a tree by the lists of the file, evaluated as LightGBM's tree.h says,
// apart from the code under test.
type plainTree struct {
	feature, decision, left, right []int
	threshold, value               []float64
	boundaries                     []int
	sets                           []uint32
}

// threshold of LightGBM below which a value counts as zero: 1e-35f, as a double.
var kZero = float64(float32(1e-35))

// leaf is Tree::GetLeaf: NumericalDecision and CategoricalDecision.
func (p *plainTree) leaf(row []float64) int {
	node := 0
	if len(p.value) == 1 {
		return 0
	}
	for node >= 0 {
		x, goLeft := row[p.feature[node]], false
		// The predictor fills a row of zeros with what is not near zero.
		if math.Abs(x) <= kZero {
			x = 0
		}
		missing := p.decision[node] >> 2
		switch { //nolint:staticcheck // two ways, not values
		case p.decision[node]&1 == 1:
			if x == x && x > -1 && x < math.MaxInt32 {
				k := int(x)
				from, to := p.boundaries[int(p.threshold[node])], p.boundaries[int(p.threshold[node])+1]
				goLeft = k/32 < to-from && p.sets[from+k/32]>>(k%32)&1 == 1
			}
		default:
			if x != x && missing != 2 {
				x = 0
			}
			if missing == 1 && math.Abs(x) <= kZero || missing == 2 && x != x {
				goLeft = p.decision[node]&2 != 0
			} else {
				goLeft = x <= p.threshold[node]
			}
		}
		if goLeft {
			node = p.left[node]
		} else {
			node = p.right[node]
		}
	}
	return ^node
}

// plainModel is a whole model.
type plainModel struct {
	version      string
	columns      int
	classes, per int
	objective    string
	average      bool
	trees        []plainTree
}

// raw is GBDT::PredictRaw, and the division of Predict.
func (m *plainModel) raw(row []float64) []float64 {
	scores := make([]float64, m.per)
	for i := range m.trees {
		scores[i%m.per] += m.trees[i].value[m.trees[i].leaf(row)]
	}
	if m.average {
		for k := range scores {
			scores[k] /= float64(len(m.trees) / m.per)
		}
	}
	return scores
}

// special are values at which decisions turn.
var special = []float64{
	0, math.Copysign(0, -1), kZero, -kZero, 1e-35, -1e-35, 2e-35, 5e-324, math.NaN(), math.Inf(1), math.Inf(-1),
	-1, -0.5, 0.5, 1, 31, 32, 63.9, 64, 1e9, 3e9, 5e9, 1e300, -1e300, math.MaxInt32, 2147483648,
}

// drawModel draws a model of numeric and categorical splits.
func drawModel(t *rapid.T) *plainModel {
	m := &plainModel{
		version: rapid.SampledFrom([]string{"v3", "v4"}).Draw(t, "version"),
		columns: rapid.IntRange(1, 4).Draw(t, "columns"),
		per:     rapid.IntRange(1, 3).Draw(t, "per iteration"),
		average: rapid.Bool().Draw(t, "average"),
	}
	m.classes = m.per
	if rapid.Bool().Draw(t, "named") {
		m.objective = "custom"
	}
	for range m.per * rapid.IntRange(1, 3).Draw(t, "iterations") {
		m.trees = append(m.trees, drawTree(t, m.columns))
	}
	return m
}

func drawTree(t *rapid.T, columns int) plainTree {
	p := plainTree{boundaries: []int{0}}
	leaves := rapid.IntRange(1, 9).Draw(t, "leaves")
	for range leaves {
		p.value = append(p.value, rapid.Float64Range(-2, 2).Draw(t, "value"))
	}
	if leaves == 1 {
		return p
	}
	// As the library grows: a leaf becomes a split, whose left child is that leaf.
	p.left, p.right = []int{^0}, []int{^1}
	for n := 2; n < leaves; n++ {
		grown := rapid.IntRange(0, n-1).Draw(t, "grown")
		for i := range p.left {
			for _, side := range []*int{&p.left[i], &p.right[i]} {
				if *side == ^grown {
					*side = n - 1
				}
			}
		}
		p.left, p.right = append(p.left, ^grown), append(p.right, ^n)
	}
	for range leaves - 1 {
		p.feature = append(p.feature, rapid.IntRange(0, columns-1).Draw(t, "feature"))
		if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
			p.decision = append(p.decision, 1|rapid.SampledFrom([]int{0, 8}).Draw(t, "missing"))
			p.threshold = append(p.threshold, float64(len(p.boundaries)-1))
			for range rapid.IntRange(0, 3).Draw(t, "words") {
				p.sets = append(p.sets, rapid.Uint32().Draw(t, "set"))
			}
			p.boundaries = append(p.boundaries, len(p.sets))
			continue
		}
		p.decision = append(p.decision, rapid.SampledFrom([]int{0, 2, 4, 6, 8, 10}).Draw(t, "decision"))
		threshold := rapid.SampledFrom(special).Draw(t, "threshold")
		if threshold-threshold != 0 {
			threshold = rapid.Float64Range(-3, 3).Draw(t, "threshold")
		}
		p.threshold = append(p.threshold, threshold)
	}
	return p
}

// text writes the model as LightGBM does.
func (m *plainModel) text() string {
	var b, header strings.Builder
	var sizes []int
	for i := range m.trees {
		before := b.Len()
		m.trees[i].write(&b, i)
		sizes = append(sizes, b.Len()-before)
	}
	fmt.Fprintf(&header, "tree\nversion=%s\nnum_class=%d\nnum_tree_per_iteration=%d\nlabel_index=0\nmax_feature_idx=%d\n",
		m.version, m.classes, m.per, m.columns-1)
	if m.objective != "" {
		fmt.Fprintf(&header, "objective=%s\n", m.objective)
	}
	if m.average {
		header.WriteString("average_output\n")
	}
	var names, infos []string
	for i := range m.columns {
		names, infos = append(names, "Column_"+strconv.Itoa(i)), append(infos, "[0:1]")
	}
	fmt.Fprintf(&header, "feature_names=%s\nfeature_infos=%s\ntree_sizes=%s\n\n",
		strings.Join(names, " "), strings.Join(infos, " "), join(sizes))
	return header.String() + b.String() +
		"end of trees\n\nfeature_importances:\nColumn_0=1\n\nparameters:\n[boosting: gbdt]\n\nend of parameters\n\npandas_categorical:null\n"
}

func (p *plainTree) write(b *strings.Builder, number int) {
	categoricals := len(p.boundaries) - 1
	fmt.Fprintf(b, "Tree=%d\nnum_leaves=%d\nnum_cat=%d\n", number, len(p.value), categoricals)
	fmt.Fprintf(b, "split_feature=%s\nsplit_gain=\nthreshold=%s\ndecision_type=%s\nleft_child=%s\nright_child=%s\nleaf_value=%s\n",
		join(p.feature), join(p.threshold), join(p.decision), join(p.left), join(p.right), join(p.value))
	fmt.Fprintf(b, "leaf_weight=\nleaf_count=\ninternal_value=\ninternal_weight=\ninternal_count=\n")
	if categoricals > 0 {
		fmt.Fprintf(b, "cat_boundaries=%s\ncat_threshold=%s\n", join(p.boundaries), join(p.sets))
	}
	b.WriteString("is_linear=0\nshrinkage=0.1\n\n\n")
}

// join writes numbers with a space between them.
func join[T int | uint32 | float64](list []T) string {
	words := make([]string, len(list))
	for i, x := range list {
		switch x := any(x).(type) {
		case float64:
			words[i] = strconv.FormatFloat(x, 'g', 17, 64)
		default:
			words[i] = fmt.Sprint(x)
		}
	}
	return strings.Join(words, " ")
}
