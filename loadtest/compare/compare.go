// Package compare sets two runs side by side: their verdicts, losses, latency and
// the rollout's facts, each with its difference and the direction of it. It finds
// no significance in a difference and judges neither run anew.
package compare

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"rollproof/loadtest/report"
	"rollproof/loadtest/report/series"
	"rollproof/loadtest/verdict"
)

// Run is one of the two.
type Run struct {
	Name   string
	Report *report.Report
	Series *series.Series
}

// Comparison is two runs side by side.
type Comparison struct {
	A Side `json:"a"`
	B Side `json:"b"`
	// Settings are those that differ: with one that makes the load another, figures
	// cannot be compared.
	Settings []Setting `json:"settings"`
	Figures  []Figure  `json:"figures"`
	Latency  []Figure  `json:"latency"` // of each lane, and of each phase of it
	Causes   []Figure  `json:"causes"`
	Facts    []Figure  `json:"facts"`
}

// Side is what is said of one run alone.
type Side struct {
	Name     string          `json:"name"`
	Outcome  verdict.Outcome `json:"outcome"`
	Reasons  []string        `json:"reasons"`
	Start    string          `json:"start"`
	Versions string          `json:"versions"`
}

// Setting is one setting that differs.
type Setting struct {
	Name string `json:"name"`
	A    string `json:"a"`
	B    string `json:"b"`
	Load bool   `json:"load"` // it makes the load another
}

// Direction says what a difference means.
type Direction string

// The directions, from A to B.
const (
	Same   Direction = "same"
	Better Direction = "better"
	Worse  Direction = "worse"
	Other  Direction = "changed" // neither way is better
	OnlyA  Direction = "only a"
	OnlyB  Direction = "only b"
)

// Figure is one figure of both runs. What one of them does not have is null.
type Figure struct {
	Lane      string    `json:"lane,omitempty"`
	Phase     string    `json:"phase,omitempty"`
	Name      string    `json:"name"`
	Unit      string    `json:"unit"` // s, count, ratio or 1/s
	A         *float64  `json:"a"`
	B         *float64  `json:"b"`
	Direction Direction `json:"direction"`
}

// What two runs of the same server differ by: less than that is called the same.
const (
	slackShare   = 0.05
	slackSeconds = 0.0005
)

// loadSettings are the settings that make the load another, by their names in
// report.json.
var loadSettings = []string{
	"protocol", "grpc", "new_rate", "reused_rate", "slow_new_rate", "slow_reused_rate", "slow_rows", "hot_connections", "hot_hold", "step_rate", "step_rows", "step_lanes", "step_raise", "timeout", "duration", "steady",
}

// placeSettings are those that differ between any two runs, and say nothing.
var placeSettings = []string{"out", "cluster.Kubeconfig", "cluster.Context"}

// Two compares two runs. It refuses a steady load beside an upgrade, and runs whose
// loads differ unless anyway is set: the error names what differs.
func Two(a, b Run, anyway bool) (*Comparison, error) {
	if a.Report.Run.Upgrade != b.Report.Run.Upgrade {
		kind := func(r Run) string {
			if r.Report.Run.Upgrade {
				return r.Name + " is an upgrade"
			}
			return r.Name + " is a steady load"
		}
		return nil, fmt.Errorf("%s, and %s: they have no figures in common", kind(a), kind(b))
	}
	c := &Comparison{A: side(a), B: side(b), Settings: settings(a.Report, b.Report)}
	var differ []string
	for _, s := range c.Settings {
		if s.Load {
			differ = append(differ, fmt.Sprintf("%s (%s and %s)", s.Name, s.A, s.B))
		}
	}
	if len(differ) > 0 && !anyway {
		return nil, fmt.Errorf("%s and %s had different loads: %s; --anyway compares them all the same", a.Name, b.Name, strings.Join(differ, ", "))
	}
	c.Figures = figures(a.Report, b.Report)
	c.Latency = latencies(a, b)
	c.Causes = causes(a.Report, b.Report)
	c.Facts = facts(a.Report, b.Report)
	return c, nil
}

// JSON writes it for programs.
func (c *Comparison) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(c)
}

func side(r Run) Side {
	s := Side{Name: r.Name, Outcome: r.Report.Verdict.Outcome, Reasons: []string{}, Start: r.Report.Run.Start.UTC().Format("2006-01-02 15:04:05 MST")}
	for _, reason := range r.Report.Verdict.Reasons {
		s.Reasons = append(s.Reasons, reason.Text)
	}
	s.Versions = r.Report.Run.From
	if r.Report.Run.Upgrade {
		s.Versions += " to " + r.Report.Run.To
	}
	return s
}

// settings returns those that differ, the load's first.
func settings(a, b *report.Report) []Setting {
	fa, fb := a.Flat(), b.Flat()
	values := func(list []report.Setting) map[string]string {
		out := map[string]string{}
		for _, s := range list {
			out[s.Name] = s.Value
		}
		return out
	}
	va, vb := values(fa), values(fb)
	out := []Setting{}
	seen := map[string]bool{}
	for _, s := range slices.Concat(fa, fb) {
		if seen[s.Name] || va[s.Name] == vb[s.Name] || slices.Contains(placeSettings, s.Name) {
			continue
		}
		seen[s.Name] = true
		or := func(v map[string]string) string {
			if v[s.Name] == "" {
				return "not set"
			}
			return v[s.Name]
		}
		out = append(out, Setting{Name: s.Name, A: or(va), B: or(vb), Load: slices.Contains(loadSettings, s.Name)})
	}
	slices.SortStableFunc(out, func(a, b Setting) int {
		switch {
		case a.Load == b.Load:
			return 0
		case a.Load:
			return -1
		}
		return 1
	})
	return out
}

// what says which way is better.
type what int

const (
	lower what = iota
	higher
	neither
)

// figure compares two values; exact ones have no slack.
func figure(name, unit string, a, b *float64, better what, exact bool) Figure {
	f := Figure{Name: name, Unit: unit, A: a, B: b, Direction: Same}
	switch {
	case a == nil && b == nil:
		return f
	case a == nil:
		f.Direction = OnlyB
		return f
	case b == nil:
		f.Direction = OnlyA
		return f
	}
	d := *b - *a
	slack := 0.0
	if !exact {
		slack = slackShare * math.Max(math.Abs(*a), math.Abs(*b))
		if unit == "s" {
			slack = max(slack, slackSeconds)
		}
	}
	switch {
	case math.Abs(d) <= slack:
	case better == neither:
		f.Direction = Other
	case (d < 0) == (better == lower):
		f.Direction = Better
	default:
		f.Direction = Worse
	}
	return f
}

func number[N ~int32 | ~uint64](n N) *float64 {
	f := float64(n)
	return &f
}

func seconds(s float64) *float64 { return &s }

// figures compares the runs as wholes, and their lanes' counts.
func figures(a, b *report.Report) []Figure {
	va, vb := a.Verdict, b.Verdict
	out := []Figure{
		figure("requests", "count", number(va.Requests), number(vb.Requests), neither, false),
		figure("lost", "count", number(va.Lost), number(vb.Lost), lower, true),
		figure("masked", "count", number(va.Masked), number(vb.Masked), lower, true),
		figure("down", "s", seconds(va.SecondsDown), seconds(vb.SecondsDown), lower, true),
		figure("loss rate excluded with 95 % certainty", "ratio", seconds(va.LossRateUpper), seconds(vb.LossRateUpper), lower, false),
		figure("shortest outage shown", "s", seconds(va.OutageSeen), seconds(vb.OutageSeen), lower, false),
	}
	if a.Upgrade != nil || b.Upgrade != nil {
		ua, ub := a.Upgrade, b.Upgrade
		if ua == nil {
			ua = &report.Upgrade{}
		}
		if ub == nil {
			ub = &report.Upgrade{}
		}
		out = append(out,
			figure("command", "s", ua.Command, ub.Command, neither, false),
			figure("rollout", "s", ua.Rollout, ub.Rollout, lower, false),
			figure("replicas raised after", "s", ua.ScaleUp, ub.ScaleUp, lower, false),
			figure("most replicas", "count", number(ua.PeakReplicas), number(ub.PeakReplicas), neither, true),
			figure("replicas back after", "s", ua.Settle, ub.Settle, lower, false))
	}
	for _, name := range lanes(a, b) {
		la, lb := lane(a, name), lane(b, name)
		of := func(n string, unit string, value func(report.Lane) *float64, better what, exact bool) {
			var x, y *float64
			if la != nil {
				x = value(*la)
			}
			if lb != nil {
				y = value(*lb)
			}
			f := figure(n, unit, x, y, better, exact)
			f.Lane = name
			out = append(out, f)
		}
		of("lost", "count", func(l report.Lane) *float64 { return number(lost(l)) }, lower, true)
		of("masked", "count", func(l report.Lane) *float64 { return number(l.Masked) }, lower, true)
		of("requests a second", "1/s", func(l report.Lane) *float64 { return seconds(l.Rate) }, higher, false)
		if (la == nil || la.OpenLoop) && (lb == nil || lb.OpenLoop) {
			of("longest stall", "s", func(l report.Lane) *float64 { return seconds(l.Stall) }, lower, false)
		}
	}
	return out
}

func lost(l report.Lane) uint64 {
	var n uint64
	for _, c := range l.Lost {
		n += c
	}
	return n
}

// lanes returns the names of the lanes of both, those of a first.
func lanes(a, b *report.Report) []string {
	var out []string
	for _, l := range slices.Concat(a.Lanes, b.Lanes) {
		if !slices.Contains(out, l.Name) {
			out = append(out, l.Name)
		}
	}
	return out
}

func lane(r *report.Report, name string) *report.Lane {
	for _, l := range r.Lanes {
		if l.Name == name {
			return &l
		}
	}
	return nil
}

// shares are the percentiles that are compared.
var shares = []struct {
	share float64
	name  string
}{{0.5, "p50"}, {0.99, "p99"}, {0.999, "p99.9"}, {1, "max"}}

// latencies compares the percentiles of each lane, and of each phase of it.
func latencies(a, b Run) []Figure {
	out := []Figure{}
	if a.Series == nil || b.Series == nil {
		return out
	}
	phases := []string{""}
	for _, p := range slices.Concat(a.Report.Phases(), b.Report.Phases()) {
		if !slices.Contains(phases, p.Name) {
			phases = append(phases, p.Name)
		}
	}
	if len(phases) == 2 {
		phases = phases[:1] // the only phase is the run
	}
	for _, name := range lanes(a.Report, b.Report) {
		for _, phase := range phases {
			da, db := distribution(a.Series, name, phase), distribution(b.Series, name, phase)
			for _, q := range shares {
				x, y := at(da, q.share), at(db, q.share)
				if x == nil && y == nil {
					continue
				}
				f := figure(q.name, "s", x, y, lower, false)
				f.Lane, f.Phase = name, phase
				out = append(out, f)
			}
		}
	}
	return out
}

func distribution(s *series.Series, lane, phase string) *series.Distribution {
	for _, l := range s.Lanes {
		if l.Name != lane {
			continue
		}
		for _, d := range l.Distributions {
			if d.Phase == phase && d.Version == "" && d.Pod == "" {
				return &d
			}
		}
	}
	return nil
}

func at(d *series.Distribution, share float64) *float64 {
	if d == nil {
		return nil
	}
	if share == 1 {
		return &d.Max
	}
	if s, ok := d.At(share); ok {
		return &s
	}
	return nil
}

// causes compares how often each cause was found.
func causes(a, b *report.Report) []Figure {
	counts := func(r *report.Report) map[string]uint64 {
		out := map[string]uint64{}
		for _, e := range r.Explanations {
			out[string(e.Cause)] = e.Count
		}
		return out
	}
	ca, cb := counts(a), counts(b)
	all := map[string]bool{}
	for _, m := range []map[string]uint64{ca, cb} {
		for name := range m {
			all[name] = true
		}
	}
	out := []Figure{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, figure(name, "count", number(ca[name]), number(cb[name]), lower, true))
	}
	return out
}

// facts compares what was measured of the rollouts; of several pods the median.
func facts(a, b *report.Report) []Figure {
	values := func(r *report.Report) (map[string]*float64, map[string]string, []string) {
		out, units, order := map[string]*float64{}, map[string]string{}, []string{}
		for _, f := range r.Facts {
			v := f.Value
			if v == nil {
				v = f.Median
			}
			out[f.Name], units[f.Name] = v, f.Unit
			order = append(order, f.Name)
		}
		return out, units, order
	}
	fa, ua, oa := values(a)
	fb, ub, ob := values(b)
	out := []Figure{}
	seen := map[string]bool{}
	for _, name := range slices.Concat(oa, ob) {
		if seen[name] {
			continue
		}
		seen[name] = true
		unit := ua[name]
		if unit == "" {
			unit = ub[name]
		}
		out = append(out, figure(name, unit, fa[name], fb[name], lower, unit == "count"))
	}
	return out
}
