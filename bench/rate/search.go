package main

import (
	"context"
	"errors"
)

// The search for the highest rate: where it begins, by how much it goes up, and how
// close it comes.
const (
	firstRate  = 1500
	upBy       = 1.3
	closeTo    = 0.03
	maxRate    = 200_000
	minRate    = 50
	triesAgain = 1 // a rate that was not held is tried once more: a machine has bad moments
)

// highest returns the highest rate that try holds.
func highest(ctx context.Context, try func(context.Context, float64) (trial, error)) (trial, error) {
	best := trial{}
	low, high := 0.0, 0.0
	for rate := float64(firstRate); ; {
		t, err := try(ctx, rate)
		for again := 0; err == nil && !t.held && again < triesAgain; again++ {
			t, err = try(ctx, rate)
		}
		if err != nil {
			return trial{}, err
		}
		if t.held {
			low, best = rate, t
		} else {
			high = rate
		}
		switch {
		case high == 0:
			rate *= upBy
		case low == 0:
			rate /= upBy
		case (high-low)/low <= closeTo:
			return best, nil
		default:
			rate = (low + high) / 2
		}
		if rate > maxRate || rate < minRate {
			return trial{}, errors.New("no highest rate was found")
		}
	}
}
