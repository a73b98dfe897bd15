package lifecycle

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var (
	seed      = flag.Uint64("seed", 0, "the first `seed` of the schedules; 0: one from the clock")
	schedules = flag.Int("schedules", 4000, "how `many` schedules to play; with -short a tenth")
	update    = flag.Bool("update", false, "write the time lines into docs/drain.md")
)

// TestNoScheduleInsideTheBudgetLoses plays random schedules that keep the budget. One
// that loses a request is made smaller before it is shown; -seed plays it again.
func TestNoScheduleInsideTheBudgetLoses(t *testing.T) {
	t.Parallel()
	first, count := *seed, *schedules
	if first == 0 {
		first = uint64(time.Now().UnixNano())
	}
	if testing.Short() {
		count /= 10
	}
	const parts = 4
	var played, answered atomic.Int64
	t.Cleanup(func() {
		t.Logf("%d schedules from seed %d: %d requests answered", played.Load(), first, answered.Load())
	})
	for part := range parts {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			k := newKeys(t)
			for i := part; i < count; i += parts {
				one := first + uint64(i)
				s := draw(rand.New(rand.NewPCG(one, one)))
				w := s.play(t, k)
				played.Add(1)
				answered.Add(int64(w.answered))
				if len(w.losses) == 0 {
					continue
				}
				small := s.shrink(func(c schedule) bool { return len(c.broken()) == 0 && c.loses(t, k) })
				again := small.play(t, k)
				t.Fatalf("-seed %d -schedules 1 loses %v:\n%s%s\nmade smaller:\n%s%s",
					one, w.losses, w.timeline(), s, again.timeline(), small)
			}
		})
	}
}

// edge is the smallest schedule that loses a request for want of one thing.
type edge struct {
	name     string
	schedule schedule
	// inside makes a schedule of it that keeps the budget.
	inside func(*schedule)
}

// edges are what TestSmallestOutsideTheBudget finds.
func edges() map[string]edge {
	given := func(withdrawn time.Duration, c caller) schedule {
		return schedule{Delay: 5 * time.Second, Timeout: 10 * time.Second, Withdrawn: withdrawn, Clients: []caller{c}}
	}
	const ms = time.Millisecond
	return map[string]edge{
		withdrawnInTime: {
			"withdrawn", given(5019*ms, caller{Start: 5018 * ms, Requests: []request{{}}}),
			func(s *schedule) { s.Withdrawn = 4990 * ms },
		},
		reusedInTime: {
			"reused", given(0, caller{Start: -3 * ms, Requests: []request{{}, {Think: 4999 * ms}}}),
			func(s *schedule) { s.Clients[0].Requests[1].Think = 4990 * ms },
		},
		shortEnough: {
			"longest", given(4990*ms, caller{Start: 4989 * ms, Requests: []request{{Work: 10009 * ms}}}),
			func(s *schedule) { s.Clients[0].Requests[0].Work = 9990 * ms },
		},
	}
}

// TestEdgesOfTheBudget holds the smallest losses outside the budget, the time lines of
// them in docs/drain.md (-update writes them anew), and that one step inside loses
// nothing.
func TestEdgesOfTheBudget(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	page := filepath.Join("..", "..", "docs", "drain.md")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text)
	for which, e := range edges() {
		if got := e.schedule.broken(); !slices.Equal(got, []string{which}) {
			t.Errorf("%s breaks %q, want %q alone", e.name, got, which)
		}
		if !e.schedule.loses(t, k) {
			t.Errorf("%s loses nothing", e.name)
		}
		w := e.schedule.play(t, k)
		begin, end := "<!-- "+e.name+" -->\n```\n", "```\n"
		head, rest, ok := strings.Cut(doc, begin)
		was, tail, closed := strings.Cut(rest, end)
		switch {
		case !ok || !closed:
			t.Errorf("%s has no place for the time line of %s: want %q", page, e.name, begin)
		case *update:
			doc = head + begin + w.timeline() + end + tail
		case was != w.timeline():
			t.Errorf("%s shows\n%s\nwant (or -update)\n%s", page, was, w.timeline())
		}
		inside := e.schedule.copy()
		e.inside(&inside)
		if got := inside.broken(); len(got) > 0 {
			t.Errorf("%s, one step inside, breaks %q", e.name, got)
		}
		if w := inside.play(t, k); len(w.losses) > 0 {
			t.Errorf("%s, one step inside, loses %v:\n%s", e.name, w.losses, w.timeline())
		}
	}
	if *update {
		if err := os.WriteFile(page, []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCommandsOfTheDocs holds that the tests which docs/drain.md names are there.
func TestCommandsOfTheDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "drain.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(b)
	}
	commands := regexp.MustCompile(`go test \./server/lifecycle -run (\w+)`).FindAllStringSubmatch(string(text), -1)
	if len(commands) == 0 {
		t.Fatal("docs/drain.md has no command")
	}
	for _, c := range commands {
		if !strings.Contains(source.String(), "\nfunc "+c[1]+"(t *testing.T)") {
			t.Errorf("docs/drain.md names %s, which is no test here", c[1])
		}
	}
}

// TestSmallestOutsideTheBudget looks for losses outside the budget and makes them
// smaller: none comes out smaller than the one that is pinned.
func TestSmallestOutsideTheBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("a search, which takes its time")
	}
	t.Parallel()
	const tries, enough = 400, 2
	for which, e := range edges() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			k := newKeys(t)
			losing := func(s schedule) bool {
				return slices.Equal(s.broken(), []string{which}) && s.loses(t, k)
			}
			found := 0
			for one := uint64(1); one <= tries && found < enough; one++ {
				s := drawOutside(rand.New(rand.NewPCG(one, one)), which)
				if !losing(s) {
					continue
				}
				found++
				if small := s.shrink(losing); less(small.size(), e.schedule.size()) {
					t.Errorf("seed %d: smaller than what is pinned:\n%s%s", one, small.play(t, k).timeline(), small)
				} else {
					t.Logf("seed %d comes to %s", one, small)
				}
			}
			if found == 0 {
				t.Errorf("none of %d schedules outside the budget loses a request", tries)
			}
		})
	}
}
