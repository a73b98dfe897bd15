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
	triesAgain = 2 // so often a rate that was not held is tried again: a machine has bad moments
)

// attempt tries a rate of one side.
type attempt func(context.Context, float64) (trial, error)

// search is a search for the highest rate that one side holds, under way.
type search struct {
	try       attempt
	rate      float64 // the next one
	low, high float64 // held, and not held; 0 while there is none
	best      trial
	done      bool
}

func newSearch(try attempt) *search { return &search{try: try, rate: firstRate} }

// step tries the next rate.
func (s *search) step(ctx context.Context) error {
	t, err := s.try(ctx, s.rate)
	for again := 0; err == nil && !t.held && again < triesAgain; again++ {
		t, err = s.try(ctx, s.rate)
	}
	if err != nil {
		return err
	}
	if t.held {
		s.low, s.best = s.rate, t
	} else {
		s.high = s.rate
	}
	switch {
	case s.high == 0:
		s.rate *= upBy
	case s.low == 0:
		s.rate /= upBy
	case (s.high-s.low)/s.low <= closeTo:
		s.done = true
		return nil
	default:
		s.rate = (s.low + s.high) / 2
	}
	if s.rate > maxRate || s.rate < minRate {
		return errors.New("no highest rate was found")
	}
	return nil
}

// highest searches on all sides at once, a step of each in turns: a machine that is slow
// for a minute is so for all of them.
func highest(ctx context.Context, sides ...attempt) ([]trial, error) {
	var searches []*search
	for _, try := range sides {
		searches = append(searches, newSearch(try))
	}
	for under := true; under; {
		under = false
		for _, s := range searches {
			if s.done {
				continue
			}
			if err := s.step(ctx); err != nil {
				return nil, err
			}
			under = under || !s.done
		}
	}
	var best []trial
	for _, s := range searches {
		best = append(best, s.best)
	}
	return best, nil
}
