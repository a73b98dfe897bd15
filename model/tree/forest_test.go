package tree

import (
	"math"
	"math/rand/v2"
	"slices"
)

// grown says what forest to grow for tests and benchmarks.
type grown struct {
	name string
	// trees over columns, each grown on a sample of so many of as many rows, until the
	// depth, or until so many leaves (0: any number) with so many rows each.
	trees, columns, rows, depth, leaves, leafRows int
	// scores of a leaf; each: a tree has one of the scores instead of all.
	scores int
	each   bool
	// float64 thresholds are between the values, else float32; missing puts NaN to
	// both sides, members makes every eighth split a set of categories.
	double, missing, members bool
}

// grow returns the forest and the rows that it was grown on. Splits are at random
// places, but of real samples, so that trees have the shapes that training gives them.
func (g grown) grow(seed uint64) (Ensemble, []float64) {
	r := rand.New(rand.NewPCG(seed, 1))
	rows := make([]float64, g.rows*g.columns)
	for i := range rows {
		rows[i] = math.Round(r.NormFloat64()*1000) / 1000
		if i%g.columns == 0 && g.members {
			rows[i] = float64(r.IntN(64))
		}
	}
	e := Ensemble{Columns: g.columns, Scores: g.scores, Float32: !g.double, Leaves: []uint32{0}}
	for t := range g.trees {
		e.Roots = append(e.Roots, g.tree(&e, r, rows, uint32(t%g.scores)))
	}
	return e, rows
}

// bud is a node that is a leaf until it is split.
type bud struct {
	rows  []int
	depth int
	// place of the reference to it, nil for the root.
	split, side int
	worth       float64
}

// tree grows one tree and returns its root.
func (g grown) tree(e *Ensemble, r *rand.Rand, rows []float64, score uint32) int32 {
	root := int32(0)
	refer := func(b bud, ref int32) {
		switch {
		case b.split < 0:
			root = ref
		case b.side == 0:
			e.Splits[b.split].Left = ref
		default:
			e.Splits[b.split].Right = ref
		}
	}
	sample := make([]int, g.rows)
	for i := range sample {
		sample[i] = r.IntN(g.rows)
	}
	buds, leaves := []bud{{rows: sample, split: -1}}, 1
	for len(buds) > 0 {
		at := len(buds) - 1
		if g.leaves > 0 { // the best first
			for i := range buds {
				if buds[i].worth > buds[at].worth {
					at = i
				}
			}
		}
		b := buds[at]
		buds = slices.Delete(buds, at, at+1)
		s, left, right := g.cut(e, r, rows, b.rows)
		if b.depth == g.depth || (g.leaves > 0 && leaves == g.leaves) || len(left) < g.leafRows || len(right) < g.leafRows {
			g.leaf(e, r, score)
			refer(b, ^int32(len(e.Leaves)-2))
			continue
		}
		leaves++
		i := len(e.Splits)
		refer(b, int32(i))
		e.Splits = append(e.Splits, s)
		buds = append(buds,
			bud{left, b.depth + 1, i, 0, float64(len(left)) * r.Float64()},
			bud{right, b.depth + 1, i, 1, float64(len(right)) * r.Float64()})
	}
	return root
}

// cut draws a split for the rows and parts them by it.
func (g grown) cut(e *Ensemble, r *rand.Rand, rows []float64, of []int) (s Split, left, right []int) {
	column := r.IntN(g.columns)
	values := make([]float64, len(of))
	for i, row := range of {
		values[i] = rows[row*g.columns+column]
	}
	slices.Sort(values)
	values = slices.Compact(values)
	at := int(float64(len(values)-1) * (0.1 + 0.8*r.Float64()))
	s = Split{Feature: uint32(column), Threshold: (values[at] + values[min(at+1, len(values)-1)]) / 2}
	if !g.double {
		s.Threshold = float64(float32(s.Threshold))
	}
	if g.missing {
		s.MissingLeft = r.IntN(2) == 0
	}
	if g.members && column == 0 {
		s.Test, s.Set, s.SetWords = Member, uint32(len(e.Sets)), 2
		e.Sets = append(e.Sets, r.Uint32(), r.Uint32())
	}
	for _, row := range of {
		if x := rows[row*g.columns+column]; plainLeft(e, &s, x) {
			left = append(left, row)
		} else {
			right = append(right, row)
		}
	}
	return s, left, right
}

// leaf adds a leaf.
func (g grown) leaf(e *Ensemble, r *rand.Rand, score uint32) {
	for k := range uint32(g.scores) {
		if !g.each || k == score {
			w := r.NormFloat64()
			if !g.double {
				w = float64(float32(w))
			}
			e.Weights = append(e.Weights, Weight{w, k})
		}
	}
	e.Leaves = append(e.Leaves, uint32(len(e.Weights)))
}
