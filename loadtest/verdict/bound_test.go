package verdict_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rollproof/loadtest/tally"
	"rollproof/loadtest/verdict"
)

// The figures are R's: qbeta(0.95, lost+1, requests-lost).
func TestUpperBound(t *testing.T) {
	t.Parallel()
	tests := []struct {
		lost, requests uint64
		want           float64
	}{
		{0, 0, 1}, {0, 1, 0.95}, {1, 1, 1}, {5, 5, 1},
		{0, 10, 0.2588655}, {1, 10, 0.3941633}, {5, 10, 0.7775589}, {9, 10, 0.9948838},
		{5, 100_000, 0.0001051275}, // also in the manual of R's GenBinomApps
		{0, 1_000_000, 2.995728e-06},
		{1, 1_000_000, 4.743856e-06},
	}
	for _, tt := range tests {
		if got := verdict.UpperBound(tt.lost, tt.requests); math.Abs(got-tt.want) > 1e-6*tt.want {
			t.Errorf("%d of %d: %.8g, want %.8g", tt.lost, tt.requests, got, tt.want)
		}
	}
}

// binomialAtMost sums the terms one by one: slow, and plainly right.
func binomialAtMost(k, n int, p float64) float64 {
	total := 0.0
	for i := range k + 1 {
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(i + 1))
		c, _ := math.Lgamma(float64(n - i + 1))
		total += math.Exp(a - b - c + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return total
}

// The bound is the very rate at which so few losses have a chance of 5 %.
func TestUpperBoundIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 3000).Draw(t, "requests")
		k := rapid.IntRange(0, n-1).Draw(t, "lost")
		p := verdict.UpperBound(uint64(k), uint64(n))
		if got := binomialAtMost(k, n, p); math.Abs(got-0.05) > 1e-8 {
			t.Fatalf("%d of %d: at %v the chance is %v, want 0.05", k, n, p, got)
		}
	})
}

func TestOneMoreLossNeverLowersTheBound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, 2_000_000_000).Draw(t, "requests")
		k := rapid.Uint64Range(0, min(n, 100_000)-1).Draw(t, "lost")
		now, more, longer := verdict.UpperBound(k, n), verdict.UpperBound(k+1, n), verdict.UpperBound(k, n+1)
		// The logarithms of factorials of two billion leave ten digits, and the bound fewer.
		if !(now > float64(k)/float64(n)) || more < now || longer > now*(1+1e-5) || now > 1 {
			t.Fatalf("%d of %d: %v, with one loss more %v, with one request more %v", k, n, now, more, longer)
		}
	})
}

// The rule of three holds where nothing was lost.
func TestRuleOfThree(t *testing.T) {
	t.Parallel()
	for _, n := range []uint64{100, 10_000, 1_000_000_000} {
		if got, want := verdict.UpperBound(0, n), 3/float64(n); math.Abs(got-want) > 0.02*want {
			t.Errorf("0 of %d: %v, want about %v", n, got, want)
		}
	}
}

func TestShortestOutage(t *testing.T) {
	t.Parallel()
	if got := verdict.ShortestOutage(nil); got != 0 {
		t.Errorf("without lanes: %v", got)
	}
	a, b := count("new", steady("new")), count("reused", steady("reused"))
	// The lanes' times are kept to a millisecond.
	if got := verdict.ShortestOutage([]*tally.Lane{a, b}); got < 200*time.Millisecond || got > 202*time.Millisecond {
		t.Errorf("two lanes of 5 a second in step: %v, want 200ms", got)
	}
	shifted := steady("reused")
	for i := range shifted {
		shifted[i].Intended = shifted[i].Intended.Add(100 * time.Millisecond)
	}
	if got := verdict.ShortestOutage([]*tally.Lane{a, count("reused", shifted)}); got < 100*time.Millisecond || got > 102*time.Millisecond {
		t.Errorf("two lanes in turn: %v, want 100ms", got)
	}
	// Requests that were due and not sent are no evidence.
	if got := verdict.ShortestOutage([]*tally.Lane{count("new", steady("new")[:100])}); got < 40*time.Second {
		t.Errorf("a lane that fell silent after 20 s of 60: %v", got)
	}
	step := count(verdict.StepLane, steady(verdict.StepLane))
	hot := count("hot", steady("hot"))
	hot.OpenLoop = false
	if got := verdict.ShortestOutage([]*tally.Lane{step, hot}); got != 0 {
		t.Errorf("only lanes that are left out: %v", got)
	}
}
