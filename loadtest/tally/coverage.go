package tally

import (
	"cmp"
	"iter"
	"math/bits"
	"slices"
	"time"
)

// Resolution is the length of one cell of a Coverage at first, and the grain of
// what it tells.
const Resolution = time.Millisecond

// maxTime bounds what a Coverage tells apart: a wild time-stamp counts as this.
const maxTime = 48 * time.Hour

// cells is how many cells a Coverage has at most: 128 KiB. They last for 17 minutes
// at Resolution; then each two become one, and again whenever the time has doubled.
const cells = 1 << 20

// Coverage marks in which milliseconds after an origin something happened; of a long
// time, in which multiples of them. A set of cells does not depend on the order of
// marking, and the union of two is the coverage of both: this is what makes stalls
// and outages mergeable. How long its cells are depends on the latest time alone, so
// that its memory is bounded, however long a run is. Where a cell is longer than
// Resolution, a gap is told as long as it may have been at most: no stall is missed
// for being long ago. The zero value is an empty set.
type Coverage struct {
	words []uint64
	shift uint8 // a cell is Resolution << shift long
}

// grain returns the length of a cell.
func (c *Coverage) grain() time.Duration { return Resolution << c.shift }

// vague returns by how much later than its cell begins something may have happened,
// beyond Resolution.
func (c *Coverage) vague() time.Duration { return c.grain() - Resolution }

// cellOf returns the cell of a time after the origin, which may be beyond the set's end.
func (c *Coverage) cellOf(d time.Duration) int {
	return int(min(max(d, 0), maxTime) / Resolution >> c.shift)
}

// Mark records that something happened at d after the origin. A time before
// the origin counts as the origin.
func (c *Coverage) Mark(d time.Duration) {
	c.Reach(d)
	cell := c.cellOf(d)
	if word := cell / 64; word >= len(c.words) {
		c.grow(min(word+word/2+16, cells/64))
	}
	c.words[cell/64] |= 1 << (cell % 64)
}

// Reach makes the cells as long as a mark at d would. Sets that are compared reach
// equally far.
func (c *Coverage) Reach(d time.Duration) {
	for c.cellOf(d) >= cells {
		c.fold()
	}
}

// fold makes one cell of each two.
func (c *Coverage) fold() {
	for i, w := range c.words {
		half := everySecond(w | w>>1)
		if i%2 == 0 {
			c.words[i/2] = half
		} else {
			c.words[i/2] |= half << 32
		}
	}
	clear(c.words[(len(c.words)+1)/2:])
	c.shift++
}

// everySecond returns the bits 0, 2, 4 and so on of w side by side.
func everySecond(w uint64) uint64 {
	w &= 0x5555555555555555
	w = (w | w>>1) & 0x3333333333333333
	w = (w | w>>2) & 0x0f0f0f0f0f0f0f0f
	w = (w | w>>4) & 0x00ff00ff00ff00ff
	w = (w | w>>8) & 0x0000ffff0000ffff
	return (w | w>>16) & 0x00000000ffffffff
}

func (c *Coverage) grow(words int) {
	grown := make([]uint64, words)
	copy(grown, c.words)
	c.words = grown
}

// Merge adds every mark of o, which must have the same origin.
func (c *Coverage) Merge(o *Coverage) {
	for c.shift < o.shift {
		c.fold()
	}
	if o.shift < c.shift {
		o = &Coverage{words: slices.Clone(o.words), shift: o.shift}
		for o.shift < c.shift {
			o.fold()
		}
	}
	if len(o.words) > len(c.words) {
		c.grow(len(o.words))
	}
	for i, w := range o.words {
		c.words[i] |= w
	}
}

// Next returns the start of the first marked cell that ends after d, and false if
// there is none.
func (c *Coverage) Next(d time.Duration) (time.Duration, bool) {
	cell := c.cellOf(d)
	for word := cell / 64; word < len(c.words); word++ {
		w := c.words[word]
		if word == cell/64 {
			w &= ^uint64(0) << (cell % 64)
		}
		if w != 0 {
			return time.Duration(word*64+bits.TrailingZeros64(w)) * c.grain(), true
		}
	}
	return 0, false
}

// Between tells whether something happened for certain from from on and before to.
func (c *Coverage) Between(from, to time.Duration) bool {
	at, ok := c.Next(from + c.vague())
	return ok && at+c.vague() < to
}

// LongestGap returns the start and length of the longest time without a mark
// between from and to, both ends included: with no mark at all it is all of it.
func (c *Coverage) LongestGap(from, to time.Duration) (start, length time.Duration) {
	start = from
	for gap := range c.gaps(from, to) {
		if d := gap.To - gap.From; d > length {
			start, length = gap.From, d
		}
	}
	return start, length
}

// Gaps returns the times of least or more without a mark between from and to,
// both ends included, in order.
func (c *Coverage) Gaps(from, to, least time.Duration) []Interval {
	var out []Interval
	for gap := range c.gaps(from, to) {
		if gap.To-gap.From >= least {
			out = append(out, gap)
		}
	}
	return out
}

// gaps yields the times between the marks, each as long as it may have been at most.
func (c *Coverage) gaps(from, to time.Duration) iter.Seq[Interval] {
	return func(yield func(Interval) bool) {
		for at, search := from, from; at < to; {
			next, ok := c.Next(search)
			if !ok || next > to {
				next = to
			}
			if !yield(Interval{at, min(max(next, at)+c.vague(), to)}) {
				return
			}
			at, search = max(next, at)+Resolution, next+c.grain()
		}
	}
}

// Within tells whether the set has a mark, and every mark lies in one of the
// intervals.
func (c *Coverage) Within(intervals []Interval) bool {
	at, found := c.Next(0)
	for ok := found; ok; at, ok = c.Next(at + c.grain()) {
		if !slices.ContainsFunc(intervals, func(i Interval) bool { return at >= i.From && at+c.vague() <= i.To }) {
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
// ended lasts until end. lost and good mark intended starts. Of cells that are longer
// than Resolution each outage is told as long as it may have been at most.
func Outages(lost, good *Coverage, end time.Duration) []Interval {
	var out []Interval
	at := time.Duration(0)
	for {
		from, ok := lost.Next(at)
		if !ok {
			return out
		}
		to, ok := good.Next(from + lost.grain())
		to += good.vague()
		if !ok || to > end {
			to = max(end, from+lost.grain())
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
	var total time.Duration
	for _, i := range Join(intervals) {
		total += i.To - i.From
	}
	return total
}
