package tree

import (
	"context"
	"math"
	"runtime"
	"testing"

	"pgregory.net/rapid"

	"rollproof/model"
)

// edges are thresholds that comparisons could go wrong at: beyond float32, between two
// of its values, denormal, on the edge of what counts as zero.
var edges = []float64{
	0, math.Copysign(0, -1), 1, -1, 2, 0.5, 31, 32, 64, 0.1, -0.1, 1.0 / 3, 16777217, 1e-40, -1e-40,
	5e-324, -5e-324, math.SmallestNonzeroFloat32, 1e-35, -1e-35, 1.0000000180025095e-35, -1.0000000180025095e-35, 1e-36, math.MaxFloat32, -math.MaxFloat32,
	3.4028235677973366e38, 1e300, -1e300, math.MaxFloat64, math.Inf(1), math.Inf(-1),
}

// drawThreshold draws an edge, or a small number that rows are likely to hold.
func drawThreshold() *rapid.Generator[float64] {
	return rapid.OneOf(
		rapid.SampledFrom(edges),
		rapid.Map(rapid.IntRange(-3, 3), func(i int) float64 { return float64(i) }),
	)
}

// drawValue draws what a row may hold: a threshold, its neighbours in both precisions,
// and what is no number.
func drawValue() *rapid.Generator[float64] {
	return rapid.Custom(func(t *rapid.T) float64 {
		x := drawThreshold().Draw(t, "near")
		switch rapid.IntRange(0, 6).Draw(t, "how") {
		case 0:
			return math.NaN()
		case 1:
			return math.Nextafter(x, math.Inf(1))
		case 2:
			return math.Nextafter(x, math.Inf(-1))
		case 3:
			return float64(math.Nextafter32(float32(x), float32(math.Inf(1))))
		case 4:
			return float64(math.Nextafter32(float32(x), float32(math.Inf(-1))))
		}
		return x
	})
}

// drawWeights draws how leaves look: one weight each, all scores, or anything.
func drawWeights(t *rapid.T, scores int) func() []Weight {
	value := rapid.Float64Range(-1, 1)
	if rapid.Bool().Draw(t, "float32 weights") {
		value = rapid.Map(rapid.Float32Range(-1, 1), func(x float32) float64 { return float64(x) })
	}
	score := rapid.IntRange(0, scores-1)
	kind := rapid.SampledFrom([]string{"one score", "one", "all", "some", "any"}).Draw(t, "leaves")
	first := score.Draw(t, "score")
	return func() (list []Weight) {
		switch kind {
		case "one score":
			return []Weight{{value.Draw(t, "weight"), uint32(first)}}
		case "one":
			return []Weight{{value.Draw(t, "weight"), uint32(score.Draw(t, "score"))}}
		case "any":
			for range rapid.IntRange(0, 3).Draw(t, "weights") {
				list = append(list, Weight{value.Draw(t, "weight"), uint32(score.Draw(t, "score"))})
			}
			return list
		}
		for k := range scores {
			if kind == "all" || rapid.IntRange(0, 3).Draw(t, "has") > 0 {
				list = append(list, Weight{value.Draw(t, "weight"), uint32(k)})
			}
		}
		return list
	}
}

// drawForest draws an ensemble: every tree a random shape, children after parents, now
// and then shared, every kind of test.
func drawForest(t *rapid.T) Ensemble {
	e := Ensemble{
		Columns:   rapid.IntRange(1, 4).Draw(t, "columns"),
		Scores:    rapid.IntRange(1, 7).Draw(t, "scores"),
		Aggregate: Aggregate(max(0, rapid.IntRange(-4, 2).Draw(t, "aggregate"))),
		Divisor:   float64(rapid.IntRange(0, 3).Draw(t, "divisor")),
		BaseLast:  rapid.Bool().Draw(t, "base last"),
		Float32:   rapid.Bool().Draw(t, "float32 sums"),
		Leaves:    []uint32{0},
		Sets:      rapid.SliceOfN(rapid.Uint32(), 3, 3).Draw(t, "sets"),
	}
	if rapid.Bool().Draw(t, "with base") {
		e.Base = rapid.SliceOfN(rapid.SampledFrom([]float64{0.5, 0.1, 16777217, math.Copysign(0, -1), -2}), e.Scores, e.Scores).Draw(t, "base")
	}
	weights := drawWeights(t, e.Scores)
	compared := rapid.Bool().Draw(t, "only comparisons")
	var grow func(depth int) int32
	grow = func(depth int) int32 {
		if depth == 0 || rapid.IntRange(0, 3).Draw(t, "leaf") == 0 {
			e.Weights = append(e.Weights, weights()...)
			e.Leaves = append(e.Leaves, uint32(len(e.Weights)))
			return ^int32(len(e.Leaves) - 2)
		}
		at := len(e.Splits)
		s := Split{
			Threshold:   drawThreshold().Draw(t, "threshold"),
			Feature:     uint32(rapid.IntRange(0, e.Columns-1).Draw(t, "feature")),
			Test:        Test(rapid.IntRange(0, 1).Draw(t, "test")),
			MissingLeft: rapid.Bool().Draw(t, "missing left"),
			ZeroMissing: rapid.Bool().Draw(t, "zero missing"),
		}
		if !compared {
			s.Test = Test(rapid.IntRange(0, 3).Draw(t, "test"))
			s.Unsigned = rapid.Bool().Draw(t, "unsigned")
			s.Set, s.SetWords = uint32(rapid.IntRange(0, 1).Draw(t, "set")), uint32(rapid.IntRange(0, 2).Draw(t, "words"))
		}
		e.Splits = append(e.Splits, s)
		left := grow(depth - 1)
		right := left
		if rapid.IntRange(0, 9).Draw(t, "shared") > 0 {
			right = grow(depth - 1)
		}
		e.Splits[at].Left, e.Splits[at].Right = left, right
		return int32(at)
	}
	for range rapid.IntRange(1, 20).Draw(t, "trees") {
		e.Roots = append(e.Roots, grow(rapid.IntRange(0, 7).Draw(t, "depth")))
	}
	return e
}

// plain evaluates one row in the most obvious way.
func plain(e *Ensemble, row []float64) []float64 {
	given := make([][]float64, e.Scores)
	for _, at := range e.Roots {
		for at >= 0 {
			s := &e.Splits[at]
			at = s.Right
			if plainLeft(e, s, row[s.Feature]) {
				at = s.Left
			}
		}
		for _, w := range e.Weights[e.Leaves[^at]:e.Leaves[^at+1]] {
			given[w.Score] = append(given[w.Score], w.Value)
		}
	}
	scores := make([]float64, e.Scores)
	for i, list := range given {
		base := 0.0
		if len(e.Base) > 0 {
			base = e.Base[i]
		}
		baseFirst := e.Aggregate == Sum && !e.BaseLast && len(e.Base) > 0
		if baseFirst {
			scores[i] = base
		}
		for j, x := range list {
			switch {
			case e.Aggregate == Sum && e.Float32:
				scores[i] = float64(float32(scores[i] + x))
			case e.Aggregate == Sum:
				scores[i] += x
			case j == 0:
				scores[i] = x
			case e.Aggregate == Min:
				scores[i] = math.Min(scores[i], x)
			default:
				scores[i] = math.Max(scores[i], x)
			}
		}
		scores[i] /= max(1, e.Divisor)
		if !baseFirst && len(e.Base) > 0 {
			scores[i] += base
		}
	}
	return scores
}

// plainLeft decides a split in the most obvious way.
func plainLeft(e *Ensemble, s *Split, x float64) bool {
	switch {
	case math.IsNaN(x) || (s.ZeroMissing && math.Abs(x) <= float64(float32(1e-35))):
		return s.MissingLeft
	case s.Test == LessEqual:
		return x <= s.Threshold
	case s.Test == Less:
		return x < s.Threshold
	case s.Test == Equal:
		return x == s.Threshold
	}
	k := math.Trunc(x)
	return k >= 0 && !(s.Unsigned && x < 0) && k < float64(32*s.SetWords) &&
		e.Sets[int(s.Set)+int(k)/32]&(1<<(int(k)%32)) != 0
}

func TestScoresAreThePlainWalk(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := drawForest(t)
		n := rapid.IntRange(0, 20).Draw(t, "rows")
		rows := rapid.SliceOfN(drawValue(), n*e.Columns, n*e.Columns).Draw(t, "values")
		same(t, e, rows)
		narrow := make([]float32, len(rows))
		for i, x := range rows {
			narrow[i] = float32(x)
		}
		same(t, e, narrow)
	})
}

// fatal is what rapid's and testing's T share.
type fatal interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// same holds the evaluator's scores of rows, bit for bit, against the plain walk's: all
// rows at once and each alone.
func same[F Float](t fatal, e Ensemble, rows []F) {
	t.Helper()
	v, err := Compile[F](e)
	if err != nil {
		t.Fatal(err)
	}
	n := len(rows) / e.Columns
	scores := make([]float64, n*e.Scores)
	if err := v.Scores(context.Background(), rows, scores); err != nil {
		t.Fatal(err)
	}
	alone := make([]float64, e.Scores)
	row := make([]float64, e.Columns)
	for i := range n {
		for c := range row {
			row[c] = float64(rows[i*e.Columns+c])
		}
		if err := v.Scores(context.Background(), rows[i*e.Columns:(i+1)*e.Columns], alone); err != nil {
			t.Fatal(err)
		}
		for j, want := range plain(&e, row) {
			if got := scores[i*e.Scores+j]; math.Float64bits(got) != math.Float64bits(want) {
				t.Fatalf("%T row %d of %d, score %d: %v, want %v", rows, i, n, j, got, want)
			}
			if math.Float64bits(alone[j]) != math.Float64bits(want) {
				t.Fatalf("%T row %d alone, score %d: %v, want %v", rows, i, j, alone[j], want)
			}
		}
	}
}

// What Summarise says is what the collector gets back when the evaluator goes.
func TestSummariseSaysTheMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes memory of its own")
	}
	for _, g := range []grown{
		{name: "words", trees: 20, columns: 10, rows: 5000, depth: 40, leafRows: 1, scores: 1},
		{name: "classes", trees: 10, columns: 10, rows: 5000, depth: 40, leafRows: 1, scores: 3},
		{name: "doubles", trees: 20, columns: 10, rows: 5000, depth: 40, leafRows: 1, scores: 1, double: true},
		{name: "members", trees: 20, columns: 10, rows: 5000, depth: 40, leafRows: 1, scores: 1, double: true, members: true},
	} {
		e, _ := g.grow(1)
		v, err := Compile[float64](e)
		if err != nil {
			t.Fatal(err)
		}
		var s model.Summary
		v.Summarise(&s)
		if s.Trees != g.trees || s.Splits != len(e.Splits) || s.Leaves != len(e.Leaves)-1 || s.Depth < 10 || s.Depth > 40 {
			t.Errorf("%s: summary %+v of %d splits and %d leaves", g.name, s, len(e.Splits), len(e.Leaves)-1)
		}
		e = Ensemble{}
		with := heap()
		runtime.KeepAlive(v)
		v = nil
		if freed := with - heap(); math.Abs(float64(freed-s.Bytes)) > 0.03*float64(s.Bytes)+4096 {
			t.Errorf("%s: %d bytes by the summary, %d by the collector", g.name, s.Bytes, freed)
		}
		_, _ = e, v
	}
}

// heap is what is in use after all that can be collected is.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
