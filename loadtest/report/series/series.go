// Package series keeps latency over time and its distribution, by lane, version
// and phase: what a histogram of a whole run does not tell. It counts samples in
// the order in which they come, judges nothing, and its size does not grow with
// the length of a run, except by four bytes for each right answer while it counts.
package series

import (
	"maps"
	"math"
	"slices"
	"time"

	"rollproof/loadtest/tally"
)

// Cells is the most parts in which a run's time is cut.
const Cells = 240

// minWidth is the least length of such a part.
const minWidth = 100 * time.Millisecond

// Series is the latency of all lanes. Times are in seconds, those of points after
// the run's start.
type Series struct {
	Width float64 // length of a part
	Lanes []Lane
}

// Lane is the latency of one lane.
type Lane struct {
	Name          string
	Points        []Point        // in the order of time; parts without a request are left out
	Curves        []Curve        // the same by version
	Distributions []Distribution // of all, by version and phase, and by pod
}

// Point is what was due in one part of the time.
type Point struct {
	At       float64 // its beginning
	Requests uint64
	Lost     uint64
	Masked   uint64
	P50      float64
	P99      float64
	Max      float64
}

// Curve is the latency of one version's answers over time.
type Curve struct {
	Version string
	Points  []Point
}

// Distribution is the latency of a lane's right answers: of one version and in one
// phase, or of one pod. An empty name is all of them.
type Distribution struct {
	Version, Phase, Pod string
	Count               uint64
	Quantiles           []Quantile
	Max                 float64
}

// Quantile is the latency that a share of the answers did not exceed.
type Quantile struct {
	Share, Seconds float64
}

// At returns the latency at a share, and false where there is none of it.
func (d Distribution) At(share float64) (float64, bool) {
	for _, q := range d.Quantiles {
		if q.Share == share {
			return q.Seconds, true
		}
	}
	return 0, false
}

// Shares are the shares at which distributions are told: those that tables show,
// and between them some for a curve.
var shares = []float64{
	0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.9975, 0.999, 0.9995, 0.9999, 0.99999,
}

// Phase is a stretch of the run with a name.
type Phase struct {
	Name     string
	From, To time.Time
}

// Counter counts samples into a Series. Make it with New.
type Counter struct {
	start  time.Time
	width  time.Duration
	phases []Phase
	lanes  map[string]*lane
	order  []string
}

// lane is what is known of one lane so far.
type lane struct {
	cells map[int]*cell
}

// cell is one part of the time: the latencies of right answers, by version, phase
// and pod, in microseconds.
type cell struct {
	requests, lost, masked uint64
	latencies              map[key][]uint32
}

type key struct {
	version string
	phase   int
	pod     string
}

// New returns a Counter for a run that lasted from start to end.
func New(start, end time.Time, phases []Phase) *Counter {
	return &Counter{
		start: start, width: max(end.Sub(start)/Cells, minWidth), phases: phases, lanes: map[string]*lane{},
	}
}

// Add counts one sample.
func (c *Counter) Add(s tally.Sample) {
	l := c.lanes[s.Lane]
	if l == nil {
		l = &lane{cells: map[int]*cell{}}
		c.lanes[s.Lane] = l
		c.order = append(c.order, s.Lane)
	}
	at := max(int(s.Intended.Sub(c.start)/c.width), 0)
	p := l.cells[at]
	if p == nil {
		p = &cell{latencies: map[key][]uint32{}}
		l.cells[at] = p
	}
	p.requests++
	if s.Class != tally.OK {
		p.lost++
		return
	}
	if s.Attempts > 1 {
		p.masked++
	}
	k := key{s.Version, c.phase(s.Intended), s.Pod}
	us := min(max(s.Latency.Microseconds(), 0), math.MaxUint32)
	p.latencies[k] = append(p.latencies[k], uint32(us))
}

// phase returns the number of the phase in which t lies.
func (c *Counter) phase(t time.Time) int {
	n := 0
	for i, p := range c.phases {
		if !t.Before(p.From) {
			n = i
		}
	}
	return n
}

// Series returns what was counted.
func (c *Counter) Series() *Series {
	out := &Series{Width: c.width.Seconds()}
	for _, name := range c.order {
		out.Lanes = append(out.Lanes, c.lane(name, c.lanes[name]))
	}
	return out
}

func (c *Counter) lane(name string, l *lane) Lane {
	out := Lane{Name: name}
	numbers := make([]int, 0, len(l.cells))
	versions := map[string]bool{}
	for n, cell := range l.cells {
		numbers = append(numbers, n)
		for k := range cell.latencies {
			versions[k.version] = true
		}
	}
	slices.Sort(numbers)
	names := make([]string, 0, len(versions))
	for v := range versions {
		names = append(names, v)
	}
	slices.Sort(names)

	for _, n := range numbers {
		cell := l.cells[n]
		p := Point{At: c.at(n), Requests: cell.requests, Lost: cell.lost, Masked: cell.masked}
		p.fill(cell.of(func(key) bool { return true }))
		out.Points = append(out.Points, p)
	}
	for _, v := range names {
		curve := Curve{Version: v}
		for _, n := range numbers {
			if us := l.cells[n].of(func(k key) bool { return k.version == v }); len(us) > 0 {
				p := Point{At: c.at(n), Requests: uint64(len(us))}
				p.fill(us)
				curve.Points = append(curve.Points, p)
			}
		}
		out.Curves = append(out.Curves, curve)
	}
	out.Distributions = c.distributions(l, names)
	return out
}

// at returns where a part begins.
func (c *Counter) at(n int) float64 { return (time.Duration(n) * c.width).Seconds() }

// of returns the latencies of a part that are of some keys, sorted.
func (p *cell) of(is func(key) bool) []uint32 {
	var out []uint32
	for k, us := range p.latencies {
		if is(k) {
			out = append(out, us...)
		}
	}
	slices.Sort(out)
	return out
}

func (p *Point) fill(sorted []uint32) {
	if len(sorted) > 0 {
		p.P50, p.P99, p.Max = quantile(sorted, 0.5), quantile(sorted, 0.99), quantile(sorted, 1)
	}
}

// quantile returns the smallest latency that a share of them does not exceed, in
// seconds.
func quantile(sorted []uint32, share float64) float64 {
	n := int(math.Ceil(share * float64(len(sorted))))
	return float64(sorted[min(max(n, 1), len(sorted))-1]) / 1e6
}

// distributions tells of all together, of every version and phase, of each with the
// other, and of every pod.
func (c *Counter) distributions(l *lane, versions []string) []Distribution {
	var out []Distribution
	add := func(version, phase, pod string, is func(key) bool) {
		var all []uint32
		for _, cell := range l.cells {
			for k, us := range cell.latencies {
				if is(k) {
					all = append(all, us...)
				}
			}
		}
		if len(all) == 0 {
			return
		}
		slices.Sort(all)
		d := Distribution{Version: version, Phase: phase, Pod: pod, Count: uint64(len(all)), Max: quantile(all, 1)}
		for _, share := range shares {
			// What fewer answers than that cannot tell is left out.
			if float64(len(all))*(1-share) >= 1 {
				d.Quantiles = append(d.Quantiles, Quantile{share, quantile(all, share)})
			}
		}
		out = append(out, d)
	}
	add("", "", "", func(key) bool { return true })
	for _, v := range versions {
		add(v, "", "", func(k key) bool { return k.version == v })
	}
	for i, p := range c.phases {
		add("", p.Name, "", func(k key) bool { return k.phase == i })
		for _, v := range versions {
			add(v, p.Name, "", func(k key) bool { return k.phase == i && k.version == v })
		}
	}
	pods := map[string]bool{}
	for _, cell := range l.cells {
		for k := range cell.latencies {
			pods[k.pod] = true
		}
	}
	delete(pods, "")
	for _, pod := range slices.Sorted(maps.Keys(pods)) {
		add("", "", pod, func(k key) bool { return k.pod == pod })
	}
	return out
}
