package pair_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rollproof/bench/pair"
)

func TestOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		values []float64
		want   pair.Spread
	}{
		{"one", []float64{3}, pair.Spread{Median: 3, Least: 3, Most: 3, Count: 1}},
		{"odd", []float64{9, 1, 5}, pair.Spread{Median: 5, Least: 1, Most: 9, Count: 3}},
		{"even", []float64{8, 2, 4, 1}, pair.Spread{Median: 3, Least: 1, Most: 8, Count: 4}},
		{"huge", []float64{math.MaxFloat64, math.MaxFloat64}, pair.Spread{Median: math.MaxFloat64, Least: math.MaxFloat64, Most: math.MaxFloat64, Count: 2}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			before := slices.Clone(test.values)
			got, err := pair.Of(test.values)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if d := cmp.Diff(before, test.values); d != "" {
				t.Errorf("the values were changed (-want +got):\n%s", d)
			}
		})
	}
}

func TestOfRefuses(t *testing.T) {
	t.Parallel()
	for _, v := range []float64{0, -1, math.NaN(), math.Inf(1), math.Inf(-1)} {
		if _, err := pair.Of([]float64{1, v, 2}); !errors.Is(err, pair.ErrValue) {
			t.Errorf("%v: error %v, want ErrValue", v, err)
		}
	}
	if _, err := pair.Of(nil); err == nil {
		t.Error("no values: no error")
	}
}

func positive() *rapid.Generator[float64] { return rapid.Float64Range(1e-9, 1e9) }

// TestMedianSplits holds the median against its definition: no more than half of the
// values are on either side of it.
func TestMedianSplits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(positive(), 1, 30).Draw(t, "values")
		s, err := pair.Of(values)
		if err != nil {
			t.Fatal(err)
		}
		below, above := 0, 0
		for _, v := range values {
			if v < s.Median {
				below++
			}
			if v > s.Median {
				above++
			}
		}
		if 2*below > len(values) || 2*above > len(values) {
			t.Fatalf("%v: %d below and %d above", s, below, above)
		}
		if s.Least != slices.Min(values) || s.Most != slices.Max(values) || s.Count != len(values) {
			t.Fatalf("%v of %v", s, values)
		}
	})
}

// TestRatioIsOfPairs: the median is of the ratios, not the ratio of the medians.
func TestRatioIsOfPairs(t *testing.T) {
	t.Parallel()
	got, err := pair.Compare([]pair.Pair{{Ours: 10, Theirs: 1}, {Ours: 20, Theirs: 10}, {Ours: 90, Theirs: 30}})
	if err != nil {
		t.Fatal(err)
	}
	want := pair.Comparison{
		Ours:   pair.Spread{Median: 20, Least: 10, Most: 90, Count: 3},
		Theirs: pair.Spread{Median: 10, Least: 1, Most: 30, Count: 3},
		Ratio:  pair.Spread{Median: 3, Least: 2, Most: 10, Count: 3},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if _, err := pair.Compare([]pair.Pair{{Ours: 1, Theirs: 0}}); !errors.Is(err, pair.ErrValue) {
		t.Errorf("theirs 0: error %v, want ErrValue", err)
	}
}

func TestMeasureTakesTurns(t *testing.T) {
	t.Parallel()
	var order []string
	n := 0.0
	side := func(name string) pair.Side {
		return func(context.Context) (float64, error) {
			order = append(order, name)
			n++
			return n, nil
		}
	}
	got, err := pair.Measure(t.Context(), 3, side("ours"), side("theirs"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"ours", "theirs", "theirs", "ours", "ours", "theirs"}, order); d != "" {
		t.Errorf("order (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]pair.Pair{{Ours: 1, Theirs: 2}, {Ours: 4, Theirs: 3}, {Ours: 5, Theirs: 6}}, got); d != "" {
		t.Errorf("pairs (-want +got):\n%s", d)
	}
}

func TestMeasureEnds(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	calls := 0
	ours := func(context.Context) (float64, error) { calls++; return 1, nil }
	theirs := func(context.Context) (float64, error) { return 0, broken }
	if _, err := pair.Measure(t.Context(), 5, ours, theirs); !errors.Is(err, broken) || calls != 1 {
		t.Errorf("error %v after %d calls, want the side's after 1", err, calls)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pair.Measure(ctx, 5, ours, ours); !errors.Is(err, context.Canceled) || calls != 1 {
		t.Errorf("error %v after %d calls, want the context's and no more calls", err, calls)
	}
}
