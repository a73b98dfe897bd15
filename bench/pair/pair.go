// Package pair compares two things that were measured in turns. What the machine does
// beside a measurement changes from second to second, so a ratio is taken of two
// measurements that stand next to each other, and the ratios are what is summed up. It
// knows nothing of what is measured.
package pair

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
)

// ErrValue says that a measurement is none.
var ErrValue = errors.New("want a finite number above 0")

// Pair is one measurement of ours and the one of theirs beside it, in the same unit.
type Pair struct {
	Ours   float64 `json:"ours"`
	Theirs float64 `json:"theirs"`
}

// Ratio is ours by theirs.
func (p Pair) Ratio() float64 { return p.Ours / p.Theirs }

// Spread is what repeated measurements come to.
type Spread struct {
	Median float64 `json:"median"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
	// Count of the measurements.
	Count int `json:"count"`
}

// Of returns the spread of values, which are finite and above 0, one or more.
func Of(values []float64) (Spread, error) {
	if len(values) == 0 {
		return Spread{}, errors.New("no measurements, want one or more")
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	// NaN sorts first.
	for _, v := range []float64{sorted[0], sorted[len(sorted)-1]} {
		if !(v > 0) || math.IsInf(v, 0) {
			return Spread{}, fmt.Errorf("a measurement of %v: %w", v, ErrValue)
		}
	}
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		// Halved before they are added: the sum of two large ones may not be finite.
		median = sorted[middle-1]/2 + sorted[middle]/2
	}
	return Spread{Median: median, Least: sorted[0], Most: sorted[len(sorted)-1], Count: len(sorted)}, nil
}

// Comparison is the spreads of both sides of some pairs, and of their ratios.
type Comparison struct {
	Ours   Spread `json:"ours"`
	Theirs Spread `json:"theirs"`
	Ratio  Spread `json:"ratio"`
}

// Compare sums pairs up.
func Compare(pairs []Pair) (c Comparison, err error) {
	ours, theirs, ratios := make([]float64, len(pairs)), make([]float64, len(pairs)), make([]float64, len(pairs))
	for i, p := range pairs {
		ours[i], theirs[i], ratios[i] = p.Ours, p.Theirs, p.Ratio()
	}
	if c.Ours, err = Of(ours); err != nil {
		return c, fmt.Errorf("ours: %w", err)
	}
	if c.Theirs, err = Of(theirs); err != nil {
		return c, fmt.Errorf("theirs: %w", err)
	}
	if c.Ratio, err = Of(ratios); err != nil {
		return c, fmt.Errorf("the ratio: %w", err)
	}
	return c, nil
}

// Side measures one side once.
type Side func(ctx context.Context) (float64, error)

// Measure measures both sides n times in turns. Which of them comes first changes from
// pair to pair, so that neither is always the one that finds the caches of the other.
// It ends with the first error.
func Measure(ctx context.Context, n int, ours, theirs Side) ([]Pair, error) {
	pairs := make([]Pair, 0, n)
	for i := range n {
		var p Pair
		steps := []struct {
			side string
			by   Side
			into *float64
		}{{"ours", ours, &p.Ours}, {"theirs", theirs, &p.Theirs}}
		if i%2 == 1 {
			slices.Reverse(steps)
		}
		for _, s := range steps {
			var err error
			if err = ctx.Err(); err == nil {
				*s.into, err = s.by(ctx)
			}
			if err != nil {
				return nil, fmt.Errorf("pair %d of %d, %s: %w", i+1, n, s.side, err)
			}
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}
