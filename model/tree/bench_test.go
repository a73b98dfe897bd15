package tree

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"rollproof/model"
)

// forests are like those that people train.
var forests = []grown{
	{name: "boosted100x3", trees: 100, columns: 30, rows: 500, depth: 3, leafRows: 1, scores: 1},
	{name: "iris100", trees: 100, columns: 4, rows: 150, depth: 40, leafRows: 3, scores: 3},
	{name: "forest100x10", trees: 100, columns: 30, rows: 2000, depth: 10, leafRows: 1, scores: 1},
	{name: "forest100x3classes", trees: 100, columns: 30, rows: 5000, depth: 40, leafRows: 1, scores: 3},
	{name: "hist300x6", trees: 300, columns: 30, rows: 3000, depth: 6, leafRows: 5, scores: 1, missing: true},
	{name: "light500x31", trees: 500, columns: 30, rows: 3000, depth: 90, leaves: 31, leafRows: 10, scores: 1, double: true},
	{name: "light500x127", trees: 500, columns: 30, rows: 5000, depth: 90, leaves: 127, leafRows: 10, scores: 1, double: true},
	{name: "members500x31", trees: 500, columns: 10, rows: 3000, depth: 90, leaves: 31, leafRows: 10, scores: 1, double: true, members: true},
}

// BenchmarkScores is of one row and of batches; per row is what a row costs.
func BenchmarkScores(b *testing.B) {
	for _, g := range forests {
		e, rows := g.grow(1)
		for _, n := range []int{1, 100} {
			name := fmt.Sprintf("%s/%d", g.name, n)
			if g.double {
				b.Run(name, func(b *testing.B) { score[float64](b, e, rows, n) })
			} else {
				b.Run(name, func(b *testing.B) { score[float32](b, e, rows, n) })
			}
		}
	}
}

func score[F Float](b *testing.B, e Ensemble, like []float64, n int) {
	v, err := Compile[F](e)
	if err != nil {
		b.Fatal(err)
	}
	rows := make([]F, min(len(like), 400*e.Columns))
	for i := range rows {
		rows[i] = F(like[i])
	}
	scores := make([]float64, n*e.Scores)
	at, step := 0, n*e.Columns
	// What is counted is the best tenth of short samples: on a machine that others use
	// too, the mean is theirs.
	var samples []float64
	var begin time.Time
	done := 0
	for b.Loop() {
		if done == 0 {
			begin = time.Now()
		}
		if at+step > len(rows) {
			at = 0
		}
		if err := v.Scores(context.Background(), rows[at:at+step], scores); err != nil {
			b.Fatal(err)
		}
		at += step
		if done++; done == max(1, 100/n) {
			samples = append(samples, float64(time.Since(begin).Nanoseconds())/float64(done*n))
			done = 0
		}
	}
	slices.Sort(samples)
	b.ReportMetric(samples[len(samples)/10], "best-ns/row")
	var s model.Summary
	v.Summarise(&s)
	b.ReportMetric(float64(s.Bytes)/float64(s.Splits+s.Leaves), "B/node")
}

// BenchmarkCompile is of 3 million nodes.
func BenchmarkCompile(b *testing.B) {
	e, _ := grown{trees: 100, columns: 30, rows: 20000, depth: 60, leafRows: 1, scores: 1}.grow(1)
	b.Run("float32", func(b *testing.B) { compile[float32](b, e) })
	b.Run("float64", func(b *testing.B) { compile[float64](b, e) })
}

func compile[F Float](b *testing.B, e Ensemble) {
	for b.Loop() {
		if _, err := Compile[F](e); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(2*len(e.Splits)+len(e.Roots)), "nodes")
}

// BenchmarkParallel is of batches by one goroutine and by two, in turns: share is set
// by where the second begins to pay.
func BenchmarkParallel(b *testing.B) {
	e, like := forests[0].grow(1)
	v, err := Compile[float32](e)
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{128, 256, 512, 1024, 2048, 8192} {
		rows, scores := values[float32](1, like, n*e.Columns), make([]float64, n)
		b.Run(fmt.Sprintf("%d rows %d levels", n, n*v.layout.levels), func(b *testing.B) {
			var times [2][]float64
			for b.Loop() {
				for i := range times {
					begin := time.Now()
					if err := v.parallel(context.Background(), 1+i, v.layout.blockRows(), rows, scores); err != nil {
						b.Fatal(err)
					}
					times[i] = append(times[i], float64(time.Since(begin).Nanoseconds()))
				}
			}
			for i, name := range []string{"one-ns", "two-ns"} {
				slices.Sort(times[i])
				b.ReportMetric(times[i][len(times[i])/4], name)
			}
		})
	}
}
