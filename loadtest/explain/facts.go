package explain

import (
	"fmt"
	"math"
	"slices"
	"time"

	"rollproof/loadtest/timeline"
)

// Names of the facts, in the order in which they are reported.
const (
	FactRolloutLeast  = "rollout_least"
	FactRolloutRatio  = "rollout_ratio"
	FactStartToReady  = "start_to_ready"
	FactFirstAnswer   = "ready_to_first_answer"
	FactWithdrawal    = "endpoint_withdrawal"
	FactLateConnect   = "last_new_connection"
	FactDrain         = "drain_used"
	FactDrainShare    = "drain_share"
	FactUnrouted      = "no_endpoint"
	FactExits         = "container_exits"
	FactLongestAnswer = "longest_answer"
)

// The units of facts.
const (
	unitSeconds = "s"
	unitCount   = "count"
	unitRatio   = "ratio"
)

// Facts returns what was measured of the cluster, well or badly; what did not
// come to pass is left out. It is never nil, and empty where no cluster was
// watched.
func Facts(in Input) []Fact {
	b := newBook(in)
	f := &facts{book: b, out: []Fact{}}
	if in.Timeline == nil {
		return f.out
	}
	f.rollout()
	f.starts()
	f.ends()
	f.unroutedTime()
	f.exits()
	return f.out
}

type facts struct {
	*book
	out []Fact
}

// one adds a fact of one figure.
func (f *facts) one(name string, value float64, unit, format string, args ...any) {
	f.out = append(f.out, Fact{Name: name, Value: &value, Unit: unit, Sentence: fmt.Sprintf(format, args...)})
}

// many adds a fact that was measured on several pods, if it was on any. The
// sentence's verb takes "1.2 s to 3.4 s (median 2.0 s)".
func (f *facts) many(name string, ds []time.Duration, format string) {
	if len(ds) == 0 {
		return
	}
	slices.Sort(ds)
	low, high := ds[0], ds[len(ds)-1]
	median := medianOf(ds)
	words := fmt.Sprintf("%s to %s (median %s, %d pods)", secs(low), secs(high), secs(median), len(ds))
	if len(ds) == 1 {
		words = secs(low) + " (1 pod)"
	}
	a, m, z := low.Seconds(), median.Seconds(), high.Seconds()
	f.out = append(f.out, Fact{
		Name: name, Min: &a, Median: &m, Max: &z, Count: len(ds), Unit: unitSeconds, Sentence: fmt.Sprintf(format, words),
	})
}

// medianOf returns the median of sorted durations, of which there is one at least.
func medianOf(ds []time.Duration) time.Duration {
	n := len(ds)
	if n%2 == 1 {
		return ds[n/2]
	}
	return (ds[n/2-1] + ds[n/2]) / 2
}

// rollout tells how long a rollout of these pods must take at the least, and how
// much longer this one took.
func (f *facts) rollout() {
	r := f.Run
	if r.RolledOut.IsZero() || r.NewTemplate == "" {
		return
	}
	least, words, ok := f.least()
	if !ok {
		return
	}
	f.one(FactRolloutLeast, least.Seconds(), unitSeconds, "The least that such a rollout takes: %s (%s).", secs(least), words)
	if began := f.changed(); !began.IsZero() && least > 0 {
		took := r.RolledOut.Sub(began)
		f.one(FactRolloutRatio, took.Seconds()/least.Seconds(), unitRatio,
			"From the first new pod until the last old pod was gone: %s, %.1f times the least.", secs(took), took.Seconds()/least.Seconds())
	}
}

// changed returns when the first pod of the new template was seen.
func (f *facts) changed() time.Time {
	var first time.Time
	for _, h := range f.pods {
		if h.Template == f.Run.NewTemplate && (first.IsZero() || h.Seen.Before(first)) {
			first = h.Seen
		}
	}
	return first
}

// least returns the shortest time in which pods that start and end as these did
// can be replaced: waves of surge and unavailable pods, each as long as a pod
// takes to be available, and then the end of the last old one.
func (f *facts) least() (time.Duration, string, bool) {
	s, ok := f.Timeline.StrategyAt(f.Run.CommandStart)
	if !ok {
		return 0, "", false
	}
	replicas := int32(0)
	for _, h := range f.pods {
		if h.Template == f.Run.OldTemplate && (h.Terminating.IsZero() || h.Terminating.After(f.Run.CommandStart)) && !h.Seen.After(f.Run.CommandStart) {
			replicas++
		}
	}
	var ups, ends []time.Duration
	for _, h := range f.pods {
		if h.Template == f.Run.NewTemplate && !h.AtStart && !h.Ready.IsZero() && !h.Ready.After(f.Run.RolledOut) {
			ups = append(ups, h.Ready.Sub(h.Seen))
		}
		if h.Template == f.Run.OldTemplate && !h.Terminating.IsZero() && !h.Gone.IsZero() {
			ends = append(ends, h.Gone.Sub(h.Terminating))
		}
	}
	if replicas == 0 || len(ups) == 0 || len(ends) == 0 {
		return 0, "", false
	}
	slices.Sort(ups)
	slices.Sort(ends)
	up := medianOf(ups) + time.Duration(s.MinReady*float64(time.Second))
	end := medianOf(ends)
	waves := int32(1)
	if s.Type != "Recreate" {
		step := max(s.MaxSurge+s.MaxUnavailable, 1)
		waves = (replicas + step - 1) / step
	}
	words := fmt.Sprintf("%d %s of %s until a pod is available, and %s for the last old pod's end",
		waves, plural(int(waves), "wave", "waves"), secs(up), secs(end))
	return time.Duration(waves)*up + end, words, true
}

func (f *facts) starts() {
	f.many(FactStartToReady, f.startUps(), "From a new pod's start until it was ready: %s.")
	var first []time.Duration
	for _, h := range f.pods {
		if at := h.firstAnswer(); !h.AtStart && !h.Ready.IsZero() && !at.IsZero() {
			first = append(first, max(at.Sub(h.Ready), 0))
		}
	}
	f.many(FactFirstAnswer, first, "From ready until a new pod's first answer: %s.")
	if f.Longest > 0 {
		f.one(FactLongestAnswer, f.Longest.Seconds(), unitSeconds, "The longest right answer took %s.", secs(f.Longest))
	}
}

func (f *facts) ends() {
	f.many(FactWithdrawal, f.withdrawals(), "From a pod's SIGTERM until its endpoint was withdrawn: %s.")
	f.many(FactLateConnect, f.lateConnections(), "From a pod's SIGTERM until it was last asked on a new connection: %s.")
	var used []time.Duration
	var shares []float64
	for _, h := range f.pods {
		ended := h.Ended()
		if h.Terminating.IsZero() || ended.IsZero() {
			continue
		}
		d := ended.Sub(h.Terminating)
		used = append(used, d)
		if h.Grace != nil && *h.Grace > 0 {
			shares = append(shares, d.Seconds() / *h.Grace)
		}
	}
	f.many(FactDrain, used, "From a pod's SIGTERM until its container ended: %s.")
	if len(shares) > 0 {
		most := slices.Max(shares)
		f.one(FactDrainShare, math.Round(most*1000)/1000, unitRatio, "Of the grace allowed, the slowest pod used %.0f %%.", most*100)
	}
}

// unroutedTime tells of times without an endpoint also where nothing was lost in
// them: TCP sends its first segment again, and makes a stall of an outage.
func (f *facts) unroutedTime() {
	if !f.watched || f.Run.Start.IsZero() {
		return
	}
	if d := f.unrouted(f.Run.Start, f.Run.End); d > 0 {
		f.one(FactUnrouted, d.Seconds(), unitSeconds, "For up to %s no pod's endpoint was ready: what came then waited, or was lost.", secs(d))
	} else {
		f.one(FactUnrouted, 0, unitSeconds, "At every moment a pod's endpoint was ready.")
	}
}

func (f *facts) exits() {
	var n int32
	for _, h := range f.pods {
		n += exitsOf(h.Pod)
	}
	f.one(FactExits, float64(n), unitCount, "Containers that ended while their pod was to live: %d.", n)
}

// exitsOf returns how often the pod's containers ended by themselves while
// they were watched: its restart count holds those from before too.
func exitsOf(p timeline.Pod) int32 {
	var n int32
	for _, e := range p.Exits {
		if p.Terminating.IsZero() || e.At.Before(p.Terminating) {
			n++
		}
	}
	return n
}
