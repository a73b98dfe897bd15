package tally_test

import (
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rollproof/loadtest/tally"
)

var origin = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func sample(at, latency time.Duration, class tally.Class) tally.Sample {
	return tally.Sample{Lane: "new", Seq: uint64(at), Intended: origin.Add(at), Sent: origin.Add(at), Latency: latency, Class: class, Attempts: 1, Rows: 1}
}

func lane(samples ...tally.Sample) *tally.Lane {
	l := tally.NewLane("new", origin, true, 200)
	l.Began = origin
	for _, s := range samples {
		l.Add(s)
	}
	return l
}

// An outage of known start and length is found within one sample interval.
func TestKnownOutageAndStall(t *testing.T) {
	t.Parallel()
	const interval = 5 * time.Millisecond
	from, to := 3*time.Second, 3200*time.Millisecond
	l := lane()
	l.Ended = origin.Add(10 * time.Second)
	for at := time.Duration(0); at < 10*time.Second; at += interval {
		class := tally.OK
		if at >= from && at < to {
			class = tally.Refused
		}
		l.Add(sample(at, 2*time.Millisecond, class))
	}
	if diff := cmp.Diff([]tally.Interval{{From: from, To: to}}, l.Outages()); diff != "" {
		t.Error(diff)
	}
	if got, want := tally.SecondsDown([]*tally.Lane{l}), 0.2; got != want {
		t.Errorf("seconds down %v, want %v", got, want)
	}
	start, length := l.Stall()
	if start < from-interval || start > from || length < to-from || length > to-from+2*interval {
		t.Errorf("stall at %v of %v, want about %v of %v", start, length, from, to-from)
	}
}

func TestStallCountsTheEnds(t *testing.T) {
	t.Parallel()
	silent := lane()
	silent.Ended = origin.Add(4 * time.Second)
	if _, length := silent.Stall(); length != 4*time.Second {
		t.Errorf("a lane without an answer: %v", length)
	}
	late := lane(sample(0, 3*time.Second, tally.OK))
	late.Ended = origin.Add(4 * time.Second)
	if start, length := late.Stall(); start != 0 || length != 3*time.Second {
		t.Errorf("an answer after 3 s: %v from %v", length, start)
	}
}

func TestOutageWithoutAnEnd(t *testing.T) {
	t.Parallel()
	l := lane(sample(0, time.Millisecond, tally.OK), sample(time.Second, time.Millisecond, tally.EOF))
	l.Ended = origin.Add(3 * time.Second)
	if got := tally.SecondsDown([]*tally.Lane{l}); got != 2 {
		t.Errorf("seconds down %v, want 2", got)
	}
	closed := lane(sample(time.Second, time.Millisecond, tally.EOF))
	closed.OpenLoop, closed.Ended = false, l.Ended
	if got := tally.SecondsDown([]*tally.Lane{closed}); got != 0 {
		t.Errorf("a closed loop counts %v seconds down", got)
	}
}

func TestOverlappingOutagesCountOnce(t *testing.T) {
	t.Parallel()
	got := tally.Union([]tally.Interval{{From: 0, To: time.Second}, {From: 500 * time.Millisecond, To: 2 * time.Second}, {From: 3 * time.Second, To: 4 * time.Second}})
	if got != 3*time.Second {
		t.Errorf("union %v, want 3s", got)
	}
}

// One lost request in a million is counted, listed, and lasts until the next.
func TestOneLossInAMillion(t *testing.T) {
	t.Parallel()
	l := lane()
	for i := range 1_000_000 {
		at := time.Duration(i) * time.Millisecond
		class := tally.OK
		if i == 654_321 {
			class = tally.EOF
		}
		l.Add(sample(at, time.Millisecond, class))
	}
	l.Ended = origin.Add(1000 * time.Second)
	if l.LostTotal() != 1 || len(l.EarliestLosses()) != 1 || tally.SecondsDown([]*tally.Lane{l}) != 0.001 {
		t.Errorf("lost %d, listed %d, down %v", l.LostTotal(), len(l.EarliestLosses()), tally.SecondsDown([]*tally.Lane{l}))
	}
}

func TestMaskedLateAndVersions(t *testing.T) {
	t.Parallel()
	retried := sample(0, time.Millisecond, tally.OK)
	retried.Attempts, retried.Pod, retried.Version = 2, "a", "1"
	lateOne := sample(time.Second, time.Second, tally.OK)
	lateOne.Sent, lateOne.Pod, lateOne.Version = lateOne.Intended.Add(300*time.Millisecond), "a", "2"
	lost := sample(2*time.Second, time.Second, tally.WrongVersion)
	lost.Attempts, lost.Pod, lost.Version = 2, "a", "3"
	l := lane(retried, lateOne, lost)
	if l.Masked != 1 || l.Late != 1 || l.MaxLate != 300*time.Millisecond {
		t.Errorf("masked %d, late %d by %v", l.Masked, l.Late, l.MaxLate)
	}
	if diff := cmp.Diff(map[string]uint64{"1": 1, "2": 1}, l.Versions()); diff != "" {
		t.Error(diff)
	}
	if s := l.Told["3"]; s.Requests != 1 || s.Lost != 1 || l.Told["1"].Masked != 1 || l.Told["2"].Latency.Max() < 999_000 {
		t.Errorf("version 3: %+v", s)
	}
	if p := l.Pods["a"]; p.Requests != 3 || p.Lost != 1 || !p.Last.Equal(lateOne.End()) {
		t.Errorf("pod: %+v", p)
	}
}

// figures is all that can be told of a lane, for comparison.
func figures(l *tally.Lane) string {
	start, length := l.Stall()
	pods := ""
	for _, name := range tally.PodNames(l.Pods) {
		p := *l.Pods[name]
		if h := p.Latency; h != nil {
			pods += fmt.Sprint(h.ValueAtQuantile(99), h.Max(), h.TotalCount())
		}
		p.Latency = nil
		pods += fmt.Sprintf("%s %+v; ", name, p)
	}
	for _, name := range slices.Sorted(maps.Keys(l.Stages)) {
		pods += share(name, l.Stages[name])
	}
	for _, version := range slices.Sorted(maps.Keys(l.Told)) {
		pods += share(version, l.Told[version])
	}
	return fmt.Sprint(l.Requests, l.OK, l.Lost, l.Masked, l.Late, l.MaxLate, l.Rows, start, length, l.Outages(), l.EarliestLosses(), pods,
		l.Latency.ValueAtQuantile(50), l.Latency.Max(), l.Latency.TotalCount())
}

func share(name string, s *tally.Share) string {
	return fmt.Sprintln(name, s.Requests, s.Lost, s.Masked, s.Latency.ValueAtQuantile(99), s.Latency.Max(), s.Latency.TotalCount())
}

func drawSamples(t *rapid.T) []tally.Sample {
	classes := append(tally.Classes(), tally.OK, tally.OK, tally.OK, tally.OK)
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) tally.Sample {
		s := sample(
			time.Duration(rapid.IntRange(0, 5000).Draw(t, "at"))*time.Millisecond,
			time.Duration(rapid.IntRange(0, 3_000_000).Draw(t, "latency"))*time.Microsecond,
			rapid.SampledFrom(classes).Draw(t, "class"))
		s.Seq = rapid.Uint64Range(0, 1000).Draw(t, "seq")
		s.Sent = s.Intended.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "late")) * time.Millisecond)
		s.Attempts = rapid.IntRange(0, 3).Draw(t, "attempts")
		s.Pod = rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "pod")
		s.Stage = rapid.SampledFrom([]string{"", "steady", "rollout"}).Draw(t, "stage")
		s.Version = rapid.SampledFrom([]string{"1", "2"}).Draw(t, "version")
		return s
	}), 0, 60).Draw(t, "samples")
}

func TestOrderAndSplitDoNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		samples := drawSamples(t)
		for i := range samples {
			samples[i].Seq = uint64(i) // as in a real lane: no two are the same
		}
		end := origin.Add(6 * time.Second)
		whole := lane(samples...)
		whole.Ended = end
		shuffled := append([]tally.Sample{}, samples...)
		rand.New(rand.NewSource(rapid.Int64().Draw(t, "order"))).Shuffle(len(shuffled), func(i, j int) {
			shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
		})
		cut := rapid.IntRange(0, len(shuffled)).Draw(t, "cut")
		first, second := lane(shuffled[:cut]...), lane(shuffled[cut:]...)
		first.Ended, second.Ended = end, end
		first.Merge(second)
		if diff := cmp.Diff(figures(whole), figures(first)); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(figures(whole), figures(whole.Clone())); diff != "" {
			t.Fatal(diff)
		}
	})
}

// Latency is kept for each stage, version and pod as for the whole lane.
func TestLatencyByStageVersionAndPod(t *testing.T) {
	t.Parallel()
	var samples []tally.Sample
	for i := range 200 {
		s := sample(time.Duration(i)*time.Millisecond, 2*time.Millisecond, tally.OK)
		s.Stage, s.Version, s.Pod = "steady", "1", "a"
		if i >= 100 {
			s.Stage, s.Version, s.Pod, s.Latency = "rollout", "2", "b", 40*time.Millisecond
		}
		samples = append(samples, s)
	}
	l := lane(samples...)
	for name, want := range map[string]int64{"steady": 2000, "rollout": 40000} {
		if got := l.Stages[name].Latency.ValueAtQuantile(99.9); got < want || got > want+want/100 || l.Stages[name].Requests != 100 {
			t.Errorf("stage %s: p99.9 %d us of %d requests, want %d", name, got, l.Stages[name].Requests, want)
		}
	}
	if a, b := l.Told["1"].Latency.Max(), l.Told["2"].Latency.Min(); a > 2010 || b < 39000 {
		t.Errorf("versions: at most %d us and at least %d us", a, b)
	}
	if a, b := l.Pods["a"].Latency.Max(), l.Pods["b"].Latency.Min(); a > 2100 || b < 39000 {
		t.Errorf("pods: at most %d us and at least %d us", a, b)
	}
	if tally.Pods([]*tally.Lane{l, l})["a"].Requests != 200 || l.Pods["a"].Requests != 100 {
		t.Error("merging pods over lanes changed a lane's")
	}
}

func TestLossesKeptAreTheEarliest(t *testing.T) {
	t.Parallel()
	l := lane()
	for i := 5 * tally.MaxLosses; i > 0; i-- {
		s := sample(time.Duration(i)*time.Millisecond, 0, tally.Reset)
		s.Seq = uint64(i)
		l.Add(s)
	}
	losses := l.EarliestLosses()
	if len(losses) != tally.MaxLosses || losses[0].Seq != 1 || l.LostTotal() != 5*tally.MaxLosses {
		t.Errorf("%d kept from %d on, %d in all", len(losses), losses[0].Seq, l.LostTotal())
	}
}
