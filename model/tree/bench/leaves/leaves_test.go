// Package leaves_test measures model/tree against github.com/dmitryikh/leaves, on the
// LightGBM models that it reads: the same text to both readers, the same rows, scores
// that agree. It is a module of its own, so that the server's has no such dependency.
//
//	cd model/tree/bench/leaves && go test -v .
package leaves_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dmitryikh/leaves"

	"rollproof/model"
	"rollproof/model/lightgbm"
)

// spec is a model written as LightGBM writes it.
type spec struct {
	name                     string
	trees, leaves, columns   int
	categorical, missingLeft bool
}

var specs = []spec{
	{"100 trees of 8 leaves", 100, 8, 30, false, false},
	{"100 trees of 31 leaves", 100, 31, 30, false, false},
	{"500 trees of 31 leaves", 500, 31, 30, false, false},
	{"500 trees of 127 leaves", 500, 127, 30, false, false},
	{"500 trees of 31 leaves, missing values", 500, 31, 30, false, true},
	{"500 trees of 31 leaves, categories", 500, 31, 30, true, false},
}

// text writes the model: 255 bins a column, as the library has them, and leaf-wise
// trees. Every tenth column is of 64 categories if there are any.
func (s spec) text(r *rand.Rand) []byte {
	var out bytes.Buffer
	names, infos := make([]string, s.columns), make([]string, s.columns)
	bins := make([][]float64, s.columns)
	for i := range names {
		names[i], infos[i] = fmt.Sprintf("f%d", i), "[-5:5]"
		if s.isCategory(i) {
			infos[i] = "0:1:2:3"
		}
		for range 254 {
			bins[i] = append(bins[i], r.NormFloat64())
		}
		slices.Sort(bins[i])
	}
	fmt.Fprintf(&out, "tree\nversion=v3\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=%d\nobjective=regression\nfeature_names=%s\nfeature_infos=%s\n",
		s.columns-1, strings.Join(names, " "), strings.Join(infos, " "))
	var trees bytes.Buffer
	sizes := make([]string, s.trees)
	for t := range s.trees {
		before := trees.Len()
		s.tree(&trees, r, t, bins)
		sizes[t] = fmt.Sprint(trees.Len() - before)
	}
	fmt.Fprintf(&out, "tree_sizes=%s\n\n%s", strings.Join(sizes, " "), trees.String())
	out.WriteString("end of trees\n\nfeature importances:\n\nparameters:\nend of parameters\n\npandas_categorical:null\n")
	return out.Bytes()
}

func (s spec) isCategory(column int) bool { return s.categorical && column%10 == 0 }

// tree writes one tree: at each step a random leaf is split, large ones rather.
func (s spec) tree(out *bytes.Buffer, r *rand.Rand, number int, bins [][]float64) {
	type leaf struct {
		parent, side, low, high int
		weight                  float64
	}
	var features, thresholds, decisions, gains, counts []string
	var boundaries, sets []string
	boundaries = append(boundaries, "0")
	children := [2][]int{}
	open := []leaf{{-1, 0, 0, 254, 1}}
	for len(open) < s.leaves {
		at := 0
		for i := range open {
			if open[i].weight > open[at].weight {
				at = i
			}
		}
		l := open[at]
		node := len(features)
		column := r.IntN(s.columns)
		share := 0.15 + 0.7*r.Float64()
		features = append(features, fmt.Sprint(column))
		gains, counts = append(gains, "1"), append(counts, "10")
		decision := 2 * r.IntN(2)
		if s.missingLeft {
			decision |= 8
		}
		if s.isCategory(column) {
			thresholds = append(thresholds, fmt.Sprint(len(boundaries)-1))
			sets = append(sets, fmt.Sprint(r.Uint32()), fmt.Sprint(r.Uint32()))
			boundaries = append(boundaries, fmt.Sprint(len(sets)))
			decision = 1
		} else {
			thresholds = append(thresholds, fmt.Sprintf("%.17g", bins[column][int(share*253)]))
		}
		decisions = append(decisions, fmt.Sprint(decision))
		children[0], children[1] = append(children[0], 0), append(children[1], 0)
		if l.parent >= 0 {
			children[l.side][l.parent] = node
		}
		open[at] = leaf{node, 0, 0, 0, l.weight * share * (0.5 + r.Float64())}
		open = append(open, leaf{node, 1, 0, 0, l.weight * (1 - share) * (0.5 + r.Float64())})
	}
	values := make([]string, len(open))
	leafCounts := make([]string, len(open))
	for i, l := range open {
		children[l.side][l.parent] = -1 - i
		values[i], leafCounts[i] = fmt.Sprintf("%.17g", r.NormFloat64()/10), "10"
	}
	categories := len(boundaries) - 1
	fmt.Fprintf(out, "Tree=%d\nnum_leaves=%d\nnum_cat=%d\nsplit_feature=%s\nsplit_gain=%s\nthreshold=%s\ndecision_type=%s\nleft_child=%s\nright_child=%s\nleaf_value=%s\nleaf_count=%s\ninternal_value=%s\ninternal_count=%s\n",
		number, len(open), categories, strings.Join(features, " "), strings.Join(gains, " "), strings.Join(thresholds, " "),
		strings.Join(decisions, " "), strings.Trim(fmt.Sprint(children[0]), "[]"), strings.Trim(fmt.Sprint(children[1]), "[]"),
		strings.Join(values, " "), strings.Join(leafCounts, " "), strings.Join(gains, " "), strings.Join(counts, " "))
	if categories > 0 {
		fmt.Fprintf(out, "cat_boundaries=%s\ncat_threshold=%s\n", strings.Join(boundaries, " "), strings.Join(sets, " "))
	}
	out.WriteString("shrinkage=0.1\n\n\n")
}

// rows draws rows of float64 as the model is made for.
func (s spec) rows(r *rand.Rand, n int) []float64 {
	rows := make([]float64, n*s.columns)
	for i := range rows {
		switch {
		case s.isCategory(i % s.columns):
			rows[i] = float64(r.IntN(70))
		case s.missingLeft && r.IntN(20) == 0:
			rows[i] = math.NaN()
		default:
			rows[i] = r.NormFloat64()
		}
	}
	return rows
}

// TestAgainstLeaves measures both in turns and prints a table. It fails where the
// scores differ, and where ours takes longer.
func TestAgainstLeaves(t *testing.T) {
	for _, s := range specs {
		r := rand.New(rand.NewPCG(1, 2))
		text := s.text(r)
		compare(t, s.name, text, s.columns, s.rows(r, 400))
	}
}

// TestAgainstLeavesOnItsOwnModels takes the models that the library itself comes with.
func TestAgainstLeavesOnItsOwnModels(t *testing.T) {
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/dmitryikh/leaves").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lg_breast_cancer.txt", "lgmulticlass.model", "lg_kddcup99.model"} {
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "testdata", name))
		if err != nil {
			t.Logf("%s is not there: %v", name, err)
			continue
		}
		artifact, err := lightgbm.Read(text)
		if err != nil {
			t.Fatal(name, err)
		}
		columns := int(artifact.Inputs[0].Shape[1])
		compare(t, name, text, columns, spec{columns: columns}.rows(rand.New(rand.NewPCG(3, 4)), 400))
	}
}

// compare measures one model, for one row and for a hundred.
func compare(t *testing.T, name string, text []byte, columns int, rows []float64) {
	t.Helper()
	theirs, err := leaves.LGEnsembleFromReader(bufio.NewReader(bytes.NewReader(text)), false)
	if err != nil {
		t.Fatal(name, err)
	}
	ours, err := lightgbm.Read(text)
	if err != nil {
		t.Fatal(name, err)
	}
	groups := theirs.NRawOutputGroups()
	for _, n := range []int{1, 100} {
		scores := make([]float64, n*groups)
		in := []model.Value{{Datatype: model.FP64, Shape: []int64{int64(n), int64(columns)}}}
		out := make([]model.Value, len(ours.Outputs))
		at := 0
		next := func() []float64 {
			at = (at + n*columns) % (len(rows) - n*columns + columns)
			at -= at % columns
			return rows[at : at+n*columns]
		}
		them := func(rows []float64) {
			if n == 1 {
				err = theirs.Predict(rows, 0, scores)
			} else {
				err = theirs.PredictDense(rows, n, columns, scores, 0, 1)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		us := func(rows []float64) {
			in[0].Doubles = rows
			if err := ours.Predict(context.Background(), in, out); err != nil {
				t.Fatal(err)
			}
		}
		if groups == 1 && len(out) == 1 {
			r := rows[:n*columns]
			them(r)
			us(r)
			for i, want := range scores {
				if got := predicted(&out[0], i); math.Abs(got-want) > 1e-6*max(1, math.Abs(want)) {
					t.Fatalf("%s row %d: %v, leaves says %v", name, i, got, want)
				}
			}
		}
		a, b := duel(func() { us(next()) }, func() { them(next()) })
		fmt.Printf("%-40s %3d rows: %8.2f us, leaves %8.2f us, ratio %.2f\n", name, n, a/1e3, b/1e3, a/b)
		if a > b {
			t.Errorf("%s: %d rows take %.2f us, leaves %.2f us", name, n, a/1e3, b/1e3)
		}
	}
}

func predicted(v *model.Value, i int) float64 {
	if len(v.Doubles) > 0 {
		return v.Doubles[i]
	}
	return float64(v.Floats[i])
}

// duel times two in turns and returns the best tenth of each: what others do on the
// machine makes a sample longer, never shorter.
func duel(a, b func()) (ta, tb float64) {
	sample := func(f func()) float64 {
		begin, n := time.Now(), 0
		for n == 0 || time.Since(begin) < 100*time.Microsecond {
			f()
			n++
		}
		return float64(time.Since(begin).Nanoseconds()) / float64(n)
	}
	var as, bs []float64
	for end := time.Now().Add(400 * time.Millisecond); time.Now().Before(end); {
		as, bs = append(as, sample(a)), append(bs, sample(b))
	}
	slices.Sort(as)
	slices.Sort(bs)
	return as[len(as)/10], bs[len(bs)/10]
}
