package tally

import (
	"cmp"
	"math/bits"
	"slices"
	"time"
)

// Resolution is the length of one cell of a Coverage.
const Resolution = time.Millisecond

// maxCells bounds a Coverage at 48 hours, so that a wild time-stamp cannot
// make it take all memory (21 MB).
const maxCells = 48 * 3600 * 1000

// Coverage marks in which milliseconds after an origin something happened. A
// set of cells does not depend on the order of marking, and the union of two
// is the coverage of both: this is what makes stalls and outages mergeable.
// An hour takes 450 kB. The zero value is an empty set.
type Coverage struct {
	words []uint64
}

// Mark records that something happened at d after the origin. A time before
// the origin counts as the origin.
func (c *Coverage) Mark(d time.Duration) {
	cell := int(max(d, 0) / Resolution)
	cell = min(cell, maxCells)
	word := cell / 64
	if word >= len(c.words) {
		grown := make([]uint64, word+word/2+16)
		copy(grown, c.words)
		c.words = grown
	}
	c.words[word] |= 1 << (cell % 64)
}

// Merge adds every mark of o, which must have the same origin.
func (c *Coverage) Merge(o *Coverage) {
	if len(o.words) > len(c.words) {
		grown := make([]uint64, len(o.words))
		copy(grown, c.words)
		c.words = grown
	}
	for i, w := range o.words {
		c.words[i] |= w
	}
}

// Next returns the first marked time at or after d, and false if there is none.
func (c *Coverage) Next(d time.Duration) (time.Duration, bool) {
	cell := int(max(d, 0) / Resolution)
	for word := cell / 64; word < len(c.words); word++ {
		w := c.words[word]
		if word == cell/64 {
			w &= ^uint64(0) << (cell % 64)
		}
		if w != 0 {
			return time.Duration(word*64+bits.TrailingZeros64(w)) * Resolution, true
		}
	}
	return 0, false
}

// LongestGap returns the start and length of the longest time without a mark
// between from and to, both ends included: with no mark at all it is all of it.
func (c *Coverage) LongestGap(from, to time.Duration) (start, length time.Duration) {
	if to <= from {
		return from, 0
	}
	at := from
	for at < to {
		next, ok := c.Next(at)
		if !ok || next > to {
			next = to
		}
		if next-at > length {
			start, length = at, next-at
		}
		at = max(next, at) + Resolution
	}
	return start, length
}

// Gaps returns the times of least or more without a mark between from and to,
// both ends included, in order.
func (c *Coverage) Gaps(from, to, least time.Duration) []Interval {
	var out []Interval
	for at := from; at < to; {
		next, ok := c.Next(at)
		if !ok || next > to {
			next = to
		}
		if next-at >= least {
			out = append(out, Interval{at, next})
		}
		at = max(next, at) + Resolution
	}
	return out
}

// Within tells whether the set has a mark, and every mark lies in one of the
// intervals.
func (c *Coverage) Within(intervals []Interval) bool {
	at, found := c.Next(0)
	for ok := found; ok; at, ok = c.Next(at + Resolution) {
		if !slices.ContainsFunc(intervals, func(i Interval) bool { return at >= i.From && at <= i.To }) {
			return false
		}
	}
	return found
}

// Join returns intervals in order, those that touch as one.
func Join(intervals []Interval) []Interval {
	sorted := slices.Clone(intervals)
	slices.SortFunc(sorted, func(a, b Interval) int { return cmp.Compare(a.From, b.From) })
	var out []Interval
	for _, i := range sorted {
		if n := len(out); n > 0 && i.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, i.To)
		} else {
			out = append(out, i)
		}
	}
	return out
}

// Interval is a stretch of time, measured from the run's start.
type Interval struct {
	From, To time.Duration
}

// Outages returns the intervals from each lost request's start to the next good
// request's start, merged where they touch; an outage that no good request
// ended lasts until end. lost and good mark intended starts.
func Outages(lost, good *Coverage, end time.Duration) []Interval {
	var out []Interval
	at := time.Duration(0)
	for {
		from, ok := lost.Next(at)
		if !ok {
			return out
		}
		to, ok := good.Next(from + Resolution)
		if !ok || to > end {
			to = max(end, from+Resolution)
		}
		if n := len(out); n > 0 && from <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, to)
		} else {
			out = append(out, Interval{from, to})
		}
		at = to
	}
}

// Union returns the total length of time that any of the intervals cover.
func Union(intervals []Interval) time.Duration {
	var events Coverage
	var total time.Duration
	for _, i := range intervals {
		for at := i.From; at < i.To; at += Resolution {
			events.Mark(at)
		}
	}
	for _, w := range events.words {
		total += time.Duration(bits.OnesCount64(w)) * Resolution
	}
	return total
}
