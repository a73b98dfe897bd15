package tree

import (
	"math"
	"math/bits"
	"slices"
)

// Splits compare keys: whole numbers of 32 bits that are in the same order as the
// values that they stand for. A float32's key is made of its bits. A float64's key
// says between which of its column's thresholds it lies, which takes a search, but
// makes nodes half as large as those with the thresholds themselves.

const (
	// keyRight is above the key of every value and threshold.
	keyRight = math.MaxInt32
	// keyLeft is below the key of every value; as a threshold nothing but keyLeft is
	// below or the same.
	keyLeft = math.MinInt32
)

// missing is what a slot takes for missing, and where that goes.
type missing uint8

const (
	nanRight missing = iota
	nanLeft
	zeroRight // what is within 1e-35 of zero, too
	zeroLeft
	missings
)

// slot says how a row's key is made.
type slot struct {
	column  uint32
	missing missing
}

// slotOf is the slot that a split compares.
func slotOf(s *Split) slot {
	m := nanRight
	if s.ZeroMissing {
		m = zeroRight
	}
	if s.MissingLeft {
		m++
	}
	return slot{s.Feature, m}
}

// columns are the slots of an ensemble, and for float64 the thresholds of each.
type columns struct {
	// slots in the order of their missing, then of their columns; slots[i] is the key
	// at firstSlot+i. slots[ends[m-1]:ends[m]] have the missing m.
	slots []slot
	ends  [missings]int
	// cuts are the thresholds of float64, which searches find keys in.
	cuts     []float64
	searches []search
}

// search finds the keys of four slots at once, as each step of one waits for the step
// before.
type search struct {
	// slots[i] has 1<<bits-1 thresholds at cuts[from[i]], ascending, no two the same but
	// for the infinities that fill up the end. Slots are named twice where four do not
	// come out even.
	slots, from [4]uint32
	bits        uint32
}

// number finds the slots of the splits, and returns the slot's key number of each
// split. Special splits have slotSpecial.
func (c *columns) number(splits []Split) []uint32 {
	found := make(map[slot]uint32)
	numbers := make([]uint32, len(splits))
	for i := range splits {
		if special(&splits[i]) {
			numbers[i] = slotSpecial
			continue
		}
		s := slotOf(&splits[i])
		n, ok := found[s]
		if !ok {
			n = uint32(len(c.slots))
			found[s] = n
			c.slots = append(c.slots, s)
		}
		numbers[i] = firstSlot + n
	}
	slices.SortFunc(c.slots, func(a, b slot) int {
		if a.missing != b.missing {
			return int(a.missing) - int(b.missing)
		}
		return int(a.column) - int(b.column)
	})
	moved := make([]uint32, len(c.slots))
	for i, s := range c.slots {
		moved[found[s]] = uint32(i)
		for m := s.missing; m < missings; m++ {
			c.ends[m] = i + 1
		}
	}
	for i, n := range numbers {
		if n != slotSpecial {
			numbers[i] = firstSlot + moved[n-firstSlot]
		}
	}
	return numbers
}

// special says that no comparison of keys decides the split.
func special(s *Split) bool { return s.Test == Equal || s.Test == Member }

// below returns the largest T that goes left by the split, and whether there is one.
// It is exact: a T goes left if and only if it is not above.
func below32(s *Split) (t float32, ok bool) {
	t = float32(s.Threshold)
	if float64(t) > s.Threshold {
		t = math.Nextafter32(t, float32(math.Inf(-1)))
	}
	if s.Test != Less || float64(t) < s.Threshold {
		return t, true
	}
	return math.Nextafter32(t, float32(math.Inf(-1))), !math.IsInf(s.Threshold, -1)
}

// below64 is below32 for float64.
func below64(s *Split) (t float64, ok bool) {
	if s.Test != Less {
		return s.Threshold, true
	}
	return math.Nextafter(s.Threshold, math.Inf(-1)), !math.IsInf(s.Threshold, -1)
}

// keys32 returns the key of each split's threshold for rows of float32.
func (c *columns) keys32(splits []Split, numbers []uint32) []int32 {
	keys := make([]int32, len(splits))
	for i := range splits {
		if numbers[i] == slotSpecial {
			continue
		}
		keys[i] = keyLeft
		if t, ok := below32(&splits[i]); ok {
			keys[i] = key32(t)
		}
	}
	return keys
}

// keys64 collects the thresholds and returns each one's place among its slot's.
func (c *columns) keys64(splits []Split, numbers []uint32) []int32 {
	starts := make([]uint32, len(c.slots)+1)
	for _, n := range numbers {
		if n != slotSpecial {
			starts[n-firstSlot+1]++
		}
	}
	for i := range c.slots {
		starts[i+1] += starts[i]
	}
	all := make([]float64, starts[len(c.slots)])
	next := slices.Clone(starts)
	for i, n := range numbers {
		if n == slotSpecial {
			continue
		}
		if t, ok := below64(&splits[i]); ok {
			all[next[n-firstSlot]] = t
			next[n-firstSlot]++
		}
	}
	lists := make([][]float64, len(c.slots))
	for i := range lists {
		lists[i] = all[starts[i]:next[i]]
		slices.Sort(lists[i])
		lists[i] = slices.Compact(lists[i])
	}
	c.plan(lists)
	keys := make([]int32, len(splits))
	for i, n := range numbers {
		if n == slotSpecial {
			continue
		}
		keys[i] = keyLeft
		if t, ok := below64(&splits[i]); ok {
			at, _ := slices.BinarySearch(lists[n-firstSlot], t)
			keys[i] = int32(at)
		}
	}
	return keys
}

// plan makes the searches of the slots' thresholds: slots with about as many together.
func (c *columns) plan(lists [][]float64) {
	order := make([]uint32, len(lists))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortStableFunc(order, func(a, b uint32) int { return len(lists[a]) - len(lists[b]) })
	total := 0
	for group := range slices.Chunk(order, 4) {
		total += len(group) * (1<<bits.Len(uint(len(lists[group[len(group)-1]]))) - 1)
	}
	c.cuts = make([]float64, 0, total)
	for group := range slices.Chunk(order, 4) {
		last := group[len(group)-1]
		s := search{bits: uint32(bits.Len(uint(len(lists[last]))))}
		for i := range s.slots {
			if i >= len(group) {
				s.slots[i], s.from[i] = last, s.from[i-1]
				continue
			}
			s.slots[i], s.from[i] = group[i], uint32(len(c.cuts))
			c.cuts = append(c.cuts, lists[group[i]]...)
			for range 1<<s.bits - 1 - len(lists[group[i]]) {
				c.cuts = append(c.cuts, math.Inf(1))
			}
		}
		c.searches = append(c.searches, s)
	}
}

// key32 is the place of a number, not NaN, in the order of float32. -0 is 0.
func key32(x float32) int32 {
	b := int32(math.Float32bits(x + 0))
	return b ^ b>>31&math.MaxInt32
}

// find returns for each x how many of its slot's thresholds are below it. So x <= the
// threshold at place p if and only if that is <= p.
func (c *columns) find(s *search, x0, x1, x2, x3 float64) (p0, p1, p2, p3 int) {
	n := 1<<s.bits - 1
	c0, c1 := c.cuts[s.from[0]:][:n], c.cuts[s.from[1]:][:n]
	c2, c3 := c.cuts[s.from[2]:][:n], c.cuts[s.from[3]:][:n]
	for n > 0 {
		half := n >> 1
		p0 += (half + 1) & -int(bit(c0[p0+half] < x0))
		p1 += (half + 1) & -int(bit(c1[p1+half] < x1))
		p2 += (half + 1) & -int(bit(c2[p2+half] < x2))
		p3 += (half + 1) & -int(bit(c3[p3+half] < x3))
		n = half
	}
	return p0, p1, p2, p3
}

// key64 is the key of x, whose place among the thresholds is known.
func (m missing) key64(x float64, place int) int32 {
	switch {
	case x == x && (m < zeroRight || math.Abs(x) > zero):
		return int32(place)
	case m == nanLeft || m == zeroLeft:
		return keyLeft
	}
	return keyRight
}

// load32 fills keys[i*stride] with the key of slot i of the row.
func (c *columns) load32(keys []int32, stride int, row []float32) {
	keys[slotRight*stride], keys[slotLeft*stride] = keyRight, keyLeft
	at := firstSlot * stride
	from := 0
	for m, end := range c.ends {
		where := int32(keyRight)
		if missing(m) == nanLeft || missing(m) == zeroLeft {
			where = keyLeft
		}
		for _, s := range c.slots[from:end] {
			x := row[s.column]
			k := key32(x)
			if x != x || (missing(m) >= zeroRight && math.Abs(float64(x)) <= zero) {
				k = where
			}
			keys[at] = k
			at += stride
		}
		from = end
	}
}

// load64 is load32 for float64.
func (c *columns) load64(keys []int32, stride int, row []float64) {
	keys[slotRight*stride], keys[slotLeft*stride] = keyRight, keyLeft
	own := keys[firstSlot*stride:]
	for i := range c.searches {
		s := &c.searches[i]
		s0, s1, s2, s3 := c.slots[s.slots[0]], c.slots[s.slots[1]], c.slots[s.slots[2]], c.slots[s.slots[3]]
		x0, x1, x2, x3 := row[s0.column], row[s1.column], row[s2.column], row[s3.column]
		p0, p1, p2, p3 := c.find(s, x0, x1, x2, x3)
		own[int(s.slots[0])*stride] = s0.missing.key64(x0, p0)
		own[int(s.slots[1])*stride] = s1.missing.key64(x1, p1)
		own[int(s.slots[2])*stride] = s2.missing.key64(x2, p2)
		own[int(s.slots[3])*stride] = s3.missing.key64(x3, p3)
	}
}
