package tally

import (
	"math/rand"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawTimes draws times in a run of whatever length, some of them close together.
func drawTimes(t *rapid.T) []time.Duration {
	span := rapid.SampledFrom([]time.Duration{time.Second, 16 * time.Minute, time.Hour, 30 * time.Hour}).Draw(t, "span")
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) time.Duration {
		at := time.Duration(rapid.Int64Range(0, int64(span)).Draw(t, "at"))
		if rapid.Bool().Draw(t, "near the start") {
			at /= 1000
		}
		return at
	}), 1, 40).Draw(t, "times")
}

func covering(times []time.Duration) *Coverage {
	c := &Coverage{}
	for _, at := range times {
		c.Mark(at)
	}
	return c
}

// told is all that a coverage tells, whatever its memory looks like.
func told(c *Coverage) (cells []time.Duration, grain time.Duration) {
	at, ok := c.Next(0)
	for ; ok; at, ok = c.Next(at + c.grain()) {
		cells = append(cells, at)
	}
	return cells, c.grain()
}

// However long a run is: neither the order of the marks nor a split of them matters,
// and what is told of gaps is never too little, nor too much by more than two cells.
func TestCoverageOfAnyLength(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		times := drawTimes(t)
		whole := covering(times)
		cells, grain := told(whole)

		shuffled := slices.Clone(times)
		rand.New(rand.NewSource(rapid.Int64().Draw(t, "order"))).Shuffle(len(shuffled), func(i, j int) {
			shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
		})
		cut := rapid.IntRange(0, len(times)).Draw(t, "cut")
		first, second := covering(shuffled[:cut]), covering(shuffled[cut:])
		beforeCells, beforeGrain := told(second)
		first.Merge(second)
		mergedCells, mergedGrain := told(first)
		if diff := cmp.Diff(cells, mergedCells); diff != "" || grain != mergedGrain {
			t.Fatalf("grain %v, merged %v: %s", grain, mergedGrain, diff)
		}
		if afterCells, afterGrain := told(second); afterGrain != beforeGrain || !slices.Equal(beforeCells, afterCells) {
			t.Fatal("what was merged has changed")
		}
		for _, at := range times {
			if next, ok := whole.Next(at); !ok || next > at || at-next >= grain {
				t.Fatalf("a mark at %v is told as %v of %v, %v", at, next, grain, ok)
			}
		}

		slices.Sort(times)
		last := times[len(times)-1]
		longest := times[0]
		for i := 1; i < len(times); i++ {
			longest = max(longest, times[i]-times[i-1])
		}
		// A gap begins and ends with a cell of Resolution, as it always did.
		if _, length := whole.LongestGap(0, last); length < longest-2*Resolution || length > longest+2*grain {
			t.Fatalf("longest gap %v is told as %v, cells of %v", longest, length, grain)
		}
		from := time.Duration(rapid.Int64Range(0, int64(last)).Draw(t, "from"))
		to := from + time.Duration(rapid.Int64Range(0, int64(last)).Draw(t, "length"))
		really := slices.ContainsFunc(times, func(at time.Duration) bool { return at >= from-Resolution && at < to+Resolution })
		if whole.Between(from, to) && !really {
			t.Fatalf("nothing happened from %v to %v", from, to)
		}
	})
}

// An outage long ago is told as long as it was, or longer by less than two cells.
func TestOutagesOfALongRun(t *testing.T) {
	t.Parallel()
	for _, length := range []time.Duration{time.Minute, time.Hour, 20 * time.Hour} {
		var good, bad Coverage
		from, to := 30*time.Second+5*time.Millisecond, 31*time.Second+200*time.Millisecond
		for at := time.Duration(0); at < length; at += 50 * time.Millisecond {
			bad.Reach(at)
			if at >= from && at < to {
				bad.Mark(at)
			} else {
				good.Mark(at)
			}
		}
		outages := Outages(&bad, &good, length)
		grain := good.grain()
		if len(outages) != 1 || outages[0].From > 30050*time.Millisecond || outages[0].From < 30050*time.Millisecond-grain ||
			outages[0].To < to || outages[0].To > to+2*grain {
			t.Errorf("%v, cells of %v: %v", length, grain, outages)
		}
		inside, without := Interval{29 * time.Second, 33 * time.Second}, Interval{29 * time.Second, 31*time.Second + 100*time.Millisecond}
		if !bad.Within([]Interval{inside}) || bad.Within([]Interval{without}) {
			t.Errorf("%v: the losses lie in %v, and not all in %v", length, inside, without)
		}
	}
}

// What a cell cannot tell is told so that nothing looks better than it was.
func TestLongCellsAreCareful(t *testing.T) {
	t.Parallel()
	var late Coverage // cells of 4 ms
	late.Reach(time.Hour)
	grain := late.grain()
	if grain != 4*time.Millisecond {
		t.Fatalf("cells of %v", grain)
	}
	early := late
	const cell = 8 * time.Second
	early.Mark(cell)
	late.Mark(cell + 3*time.Millisecond)
	for _, tt := range []struct {
		name     string
		c        *Coverage
		from, to time.Duration
		want     bool
	}{
		{"before from", &early, cell + 2*time.Millisecond, cell + time.Second, false},
		{"after to", &late, cell - time.Second, cell + 2*time.Millisecond, false},
		{"between", &late, cell - time.Second, cell + 5*time.Millisecond, true},
		{"at from", &early, cell, cell + time.Second, true},
	} {
		if got := tt.c.Between(tt.from, tt.to); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
		if tt.name == "after to" && tt.c.Within([]Interval{{tt.from, tt.to}}) {
			t.Error("a mark after the interval's end lies within it")
		}
	}
	lost := Coverage{}
	lost.Reach(time.Hour)
	lost.Mark(cell - time.Second)
	if got := Outages(&lost, &late, time.Hour); len(got) != 1 || got[0].To != cell+3*time.Millisecond {
		t.Errorf("an outage until %v: %v", cell+3*time.Millisecond, got)
	}
}

// An outage that nothing ended lasts to the end, also where that is in the middle of a cell.
func TestOutageToTheEndOfALongRun(t *testing.T) {
	t.Parallel()
	var good, bad Coverage
	end := time.Hour + 1500*time.Microsecond
	good.Mark(time.Second)
	bad.Mark(time.Hour)
	good.Reach(end)
	outages := Outages(&bad, &good, end)
	if len(outages) != 1 || outages[0].To < end || outages[0].To > end+bad.grain() {
		t.Error(outages)
	}
}

// The memory of a run of days is bounded, and a wild time takes no more.
func TestCoverageIsBounded(t *testing.T) {
	t.Parallel()
	var c Coverage
	for at := time.Duration(0); at < 40*time.Hour; at += 100 * time.Millisecond {
		c.Mark(at)
	}
	c.Mark(1 << 62)
	c.Mark(-time.Hour)
	if len(c.words) > cells/64 || c.grain() > time.Second {
		t.Errorf("%d words, cells of %v", len(c.words), c.grain())
	}
	if _, length := c.LongestGap(0, 40*time.Hour); length > 100*time.Millisecond+2*c.grain() {
		t.Errorf("longest gap %v", length)
	}
}

func TestEverySecond(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := rapid.Uint64().Draw(t, "w")
		var want uint64
		for i := range 32 {
			want |= w >> (2 * i) & 1 << i
		}
		if got := everySecond(w); got != want {
			t.Fatalf("%b: %b, want %b", w, got, want)
		}
	})
}
