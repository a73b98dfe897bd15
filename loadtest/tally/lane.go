package tally

import (
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// MaxLosses is how many losses a lane keeps one by one (the earliest due ones);
// all of them are counted.
const MaxLosses = 1000

// LateAfter is how long after it was due a send counts as late.
const LateAfter = 100 * time.Millisecond

// Lane counts the samples of one lane. Make it with NewLane. It is not safe for
// concurrent use.
type Lane struct {
	Name     string
	Origin   time.Time // the run's start: the origin of the coverages
	OpenLoop bool      // sent at a rate, whatever the answers do
	Target   float64   // requests a second asked for; 0 for a closed loop

	Began, Ended time.Time // first request due, sending ended

	Requests uint64
	OK       uint64
	Rows     uint64
	Lost     map[Class]uint64
	Masked   uint64 // right answers that took a second connection
	Late     uint64 // sent more than LateAfter after they were due
	Dropped  uint64 // due but never sent
	MaxLate  time.Duration

	PeakInFlight int
	MaxWorkers   int // 0: no bound that matters

	Pods    map[string]*Pod
	Stages  map[string]*Share // by the run's phase in which they were due
	Told    map[string]*Share // by the version that the answer claims
	Losses  []Loss
	Latency *hdrhistogram.Histogram // microseconds, from the intended time, of right answers

	Answered Coverage // ends of right answers
	Good     Coverage // intended starts of right answers
	Bad      Coverage // intended starts of losses
}

// Pod counts what one pod answered on one lane.
type Pod struct {
	Requests uint64
	Lost     uint64
	Versions map[string]uint64 // right answers by version
	First    time.Time         // end of its first right answer
	Last     time.Time         // end of its last right answer
	LastNew  time.Time         // when it was last asked on a new connection, and answered right
	// Latency is in microseconds, from the intended time, of right answers; nil
	// where there was none.
	Latency *hdrhistogram.Histogram
}

// NewLane returns an empty tally whose coverages start at origin.
func NewLane(name string, origin time.Time, openLoop bool, target float64) *Lane {
	return &Lane{
		Name: name, Origin: origin, OpenLoop: openLoop, Target: target,
		Lost:    map[Class]uint64{},
		Pods:    map[string]*Pod{},
		Stages:  map[string]*Share{},
		Told:    map[string]*Share{},
		Latency: hdrhistogram.New(histogramMin, histogramMax, histogramDigits),
	}
}

// Add counts one sample.
func (l *Lane) Add(s Sample) {
	l.Requests++
	l.Rows += uint64(s.Rows)
	if late := s.Sent.Sub(s.Intended); late > LateAfter {
		l.Late++
		l.MaxLate = max(l.MaxLate, late)
	}
	start, end := s.Intended.Sub(l.Origin), s.End().Sub(l.Origin)
	for _, c := range []*Coverage{&l.Answered, &l.Good, &l.Bad} {
		c.Reach(max(start, end)) // so that what is lost does not make them finer
	}
	us := s.microseconds()
	if s.Class == OK {
		l.OK++
		if s.Attempts > 1 {
			l.Masked++
		}
		l.Good.Mark(start)
		l.Answered.Mark(end)
		record(l.Latency, us)
	} else {
		l.Lost[s.Class]++
		l.Bad.Mark(start)
		l.Losses = append(l.Losses, s.Loss())
		if len(l.Losses) >= 2*MaxLosses {
			l.Losses = earliest(l.Losses)
		}
	}
	if s.Stage != "" {
		shareOf(l.Stages, s.Stage).add(&s, us)
	}
	if s.Version != "" {
		shareOf(l.Told, s.Version).add(&s, us)
	}
	if s.Pod != "" {
		l.addPod(&s, us)
	}
}

func (l *Lane) addPod(s *Sample, us int64) {
	p := l.Pods[s.Pod]
	if p == nil {
		p = &Pod{Versions: map[string]uint64{}}
		l.Pods[s.Pod] = p
	}
	p.Requests++
	if s.Class != OK {
		p.Lost++
		return
	}
	end := s.End()
	p.First, p.Last = earlier(p.First, end), later(p.Last, end)
	if !s.Reused && s.Attempts <= 1 {
		p.LastNew = later(p.LastNew, s.Sent)
	}
	p.Versions[s.Version]++
	if p.Latency == nil {
		p.Latency = hdrhistogram.New(histogramMin, histogramMax, podDigits)
	}
	record(p.Latency, us)
}

func (p *Pod) merge(o *Pod) {
	p.Requests += o.Requests
	p.Lost += o.Lost
	for v, n := range o.Versions {
		p.Versions[v] += n
	}
	p.First = earlier(p.First, o.First)
	p.Last = later(p.Last, o.Last)
	p.LastNew = later(p.LastNew, o.LastNew)
	if o.Latency != nil {
		if p.Latency == nil {
			p.Latency = hdrhistogram.New(histogramMin, histogramMax, podDigits)
		}
		p.Latency.Merge(o.Latency)
	}
}

// LostTotal returns how many requests were lost, of every class. Requests that
// were due and never sent are not among them: see Dropped.
func (l *Lane) LostTotal() uint64 {
	var n uint64
	for _, c := range l.Lost {
		n += c
	}
	return n
}

// Merge adds the samples of o, a tally of the same lane with the same origin.
func (l *Lane) Merge(o *Lane) {
	l.Requests += o.Requests
	l.OK += o.OK
	l.Rows += o.Rows
	for c, n := range o.Lost {
		l.Lost[c] += n
	}
	l.Masked += o.Masked
	l.Late += o.Late
	l.Dropped += o.Dropped
	l.MaxLate = max(l.MaxLate, o.MaxLate)
	l.PeakInFlight = max(l.PeakInFlight, o.PeakInFlight)
	l.MaxWorkers = max(l.MaxWorkers, o.MaxWorkers)
	l.Began = earlier(l.Began, o.Began)
	l.Ended = later(l.Ended, o.Ended)
	for name, p := range o.Pods {
		if l.Pods[name] == nil {
			l.Pods[name] = &Pod{Versions: map[string]uint64{}}
		}
		l.Pods[name].merge(p)
	}
	for name, s := range o.Stages {
		shareOf(l.Stages, name).merge(s)
	}
	for version, s := range o.Told {
		shareOf(l.Told, version).merge(s)
	}
	l.Losses = earliest(append(slices.Clone(l.Losses), o.Losses...))
	l.Latency.Merge(o.Latency)
	l.Answered.Merge(&o.Answered)
	l.Good.Merge(&o.Good)
	l.Bad.Merge(&o.Bad)
}

// Clone returns a copy that shares nothing with l.
func (l *Lane) Clone() *Lane {
	c := NewLane(l.Name, l.Origin, l.OpenLoop, l.Target)
	c.Merge(l)
	return c
}

// Versions returns how many right answers each version gave.
func (l *Lane) Versions() map[string]uint64 {
	out := map[string]uint64{}
	for v, s := range l.Told {
		if right := s.Requests - s.Lost; right > 0 {
			out[v] = right
		}
	}
	return out
}

// EarliestLosses returns the losses kept, the earliest due first.
func (l *Lane) EarliestLosses() []Loss { return earliest(slices.Clone(l.Losses)) }

// Seconds returns how long the lane sent.
func (l *Lane) Seconds() float64 { return l.Ended.Sub(l.Began).Seconds() }

// Rate returns the requests a second that were really sent.
func (l *Lane) Rate() float64 {
	if s := l.Seconds(); s > 0 {
		return float64(l.Requests) / s
	}
	return 0
}

// OKRate returns the right answers a second.
func (l *Lane) OKRate() float64 {
	if s := l.Seconds(); s > 0 {
		return float64(l.OK) / s
	}
	return 0
}

// Stall returns the start (after the origin) and length of the longest time
// without a right answer while the lane was sending.
func (l *Lane) Stall() (start, length time.Duration) {
	return l.Answered.LongestGap(l.Began.Sub(l.Origin), l.Ended.Sub(l.Origin))
}

// Outages returns the lane's intervals from a lost request's start to the next
// good one's start.
func (l *Lane) Outages() []Interval {
	return Outages(&l.Bad, &l.Good, l.Ended.Sub(l.Origin))
}

// SecondsDown returns the union over the open-loop lanes of their outages. The
// hot lane is left out: its requests have no intended time.
func SecondsDown(lanes []*Lane) float64 {
	var all []Interval
	for _, l := range lanes {
		if l.OpenLoop {
			all = append(all, l.Outages()...)
		}
	}
	return Union(all).Seconds()
}

// Pods merges the pods of all lanes. Latency is left out: a lane's hold and its
// rows are in it.
func Pods(lanes []*Lane) map[string]*Pod {
	out := map[string]*Pod{}
	for _, l := range lanes {
		for name, pod := range l.Pods {
			p := *pod
			p.Latency = nil
			if out[name] == nil {
				out[name] = &Pod{Versions: map[string]uint64{}}
			}
			out[name].merge(&p)
		}
	}
	return out
}

// PodNames returns the names of pods, sorted.
func PodNames(pods map[string]*Pod) []string { return slices.Sorted(maps.Keys(pods)) }

// earliest sorts losses by due time, lane and number, and keeps MaxLosses.
func earliest(losses []Loss) []Loss {
	sort.Slice(losses, func(i, j int) bool {
		a, b := losses[i], losses[j]
		if !a.At.Equal(b.At) {
			return a.At.Before(b.At)
		}
		if a.Lane != b.Lane {
			return a.Lane < b.Lane
		}
		return a.Seq < b.Seq
	})
	return losses[:min(len(losses), MaxLosses)]
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
