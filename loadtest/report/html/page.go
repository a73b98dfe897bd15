package html

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"rollproof/loadtest/report"
	"rollproof/loadtest/report/series"
	"rollproof/loadtest/verdict"
)

// Bounds of lists: what is left out is said, and is in the files beside the page.
const (
	maxLosses   = 200
	maxEvents   = 300
	maxLines    = 200
	maxPodTable = 200
	maxReasons  = 50
	maxCauses   = 40
)

// Page is all that page.html shows.
type Page struct {
	Shell
	Title   string
	Verdict verdict.Outcome
	Meaning string
	What    string
	When    string
	Figures []Figure
	Reasons []Reason
	More    string // reasons that are left out
	Warned  []string
	Checks  []Check

	Causes []Cause
	Lost   uint64

	Ticks   []Tick
	Groups  []Group
	Moments []Moment
	Data    Data
	Missing string // why there is no latency over time
	Cluster bool   // one was watched

	Charts  []Chart
	Names   []string // of the percentiles
	Whole   []Percentiles
	ByPhase []Percentiles
	ByPod   []Percentiles
	Lanes   []LaneRow

	Facts     []string
	Pods      []PodRow
	PodsNote  string
	ByPodNote string
	Losses    []LossRow
	LossNote  string
	Command   []string
	CommandOf string
	CmdNote   string
	Events    []EventRow
	EventNote string
	Settings  []Setting
	Schema    int
}

// LaneRow is one lane's counts.
type LaneRow struct {
	Name, Requests, Rate, OK, Lost, Words, Masked, Late, Dropped, Stall string
	Bad                                                                 bool
}

// PodRow is one pod in the table.
type PodRow struct {
	Name, Version, Answers, Lost, Node, Ready, First, Last, Terminating, Gone string
}

// EventRow is one event in the list.
type EventRow struct {
	At, Kind, Name, What, Detail string
}

// Setting is one setting.
type Setting struct{ Name, Value string }

// Moment is a line through all rows.
type Moment struct{ X, Name string }

func newPage(r *report.Report, s *series.Series, missing string) *Page {
	d := &drawing{axis: newAxis(r.Run.Start, r.Run.End), r: r, s: s}
	p := &Page{
		Shell: newShell(), Verdict: r.Verdict.Outcome, Meaning: meaning(r.Verdict), What: what(r),
		When:    fmt.Sprintf("%s, for %s", moment(r.Run.Start), long(r.Run.End.Sub(r.Run.Start).Seconds())),
		Figures: figures(r), Ticks: d.ticks(), Groups: d.groups(), Moments: d.moments(), Missing: missing, Schema: r.SchemaVersion,
		Lost: r.Verdict.Lost, Cluster: r.Timeline() != nil,
	}
	p.Title = fmt.Sprintf("%s: %s", p.Verdict, p.What)
	for _, reason := range r.Verdict.Reasons[:min(len(r.Verdict.Reasons), maxReasons)] {
		mark := "fail"
		if reason.Outcome == verdict.Inconclusive {
			mark = "lacking"
		}
		p.Reasons = append(p.Reasons, Reason{mark, clip(reason.Text, maxText)})
	}
	if n := len(r.Verdict.Reasons) - maxReasons; n > 0 {
		p.More = fmt.Sprintf("%s more in report.json", plural(n, "reason", "reasons"))
	}
	for _, w := range r.Run.Warnings[:min(len(r.Run.Warnings), maxReasons)] {
		p.Warned = append(p.Warned, clip(w, maxText))
	}
	for _, c := range r.Checks() {
		p.Checks = append(p.Checks, newCheck(c))
	}
	for _, e := range r.Explanations[:min(len(r.Explanations), maxCauses)] {
		p.Causes = append(p.Causes, d.cause(e))
	}
	for _, l := range r.Lanes {
		lost := lostOf(l)
		row := LaneRow{
			Name: l.Name, Requests: count(l.Requests), Rate: fmt.Sprintf("%.1f", l.Rate), OK: count(l.OK), Lost: count(lost), Words: lostWords(l.Lost),
			Masked: count(l.Masked), Late: count(l.Late), Dropped: count(l.Dropped), Stall: "–", Bad: lost > 0,
		}
		if l.OpenLoop {
			row.Stall = long(l.Stall)
		}
		p.Lanes = append(p.Lanes, row)
	}
	for _, f := range r.Facts {
		p.Facts = append(p.Facts, clip(f.Sentence, maxText))
	}
	p.pods(d)
	p.losses(d)
	p.command(d)
	p.events(d)
	p.Settings = settings(r)
	p.Data = d.data()
	if s != nil {
		p.Charts = d.charts()
		p.Whole = d.percentiles(func(x series.Distribution) bool { return x.Phase == "" && x.Pod == "" })
		p.ByPhase = d.percentiles(func(x series.Distribution) bool { return x.Phase != "" })
		p.ByPod = d.percentiles(func(x series.Distribution) bool { return x.Pod != "" })
		if n := len(p.ByPod); n > maxPodTable {
			p.ByPod = p.ByPod[:maxPodTable]
			p.ByPodNote = fmt.Sprintf("The first %d of %d rows.", maxPodTable, n)
		}
		for _, q := range tableShares {
			p.Names = append(p.Names, q.name)
		}
	}
	return p
}

// moments returns the moments that matter to every row.
func (d *drawing) moments() []Moment {
	var out []Moment
	for _, m := range []struct {
		name string
		at   time.Time
	}{
		{"command started", d.r.Run.CommandStart}, {"command ended", d.r.Run.CommandEnd},
		{"last old pod gone", d.r.Run.RolledOut}, {"replicas back", d.r.Run.Settled},
	} {
		if !m.at.IsZero() && !m.at.Before(d.start) {
			out = append(out, Moment{percent(d.share(m.at)), m.name + " at " + long(d.r.After(m.at))})
		}
	}
	return out
}

func (p *Page) pods(d *drawing) {
	all := d.r.Pods
	for _, x := range all[:min(len(all), maxPodTable)] {
		row := PodRow{
			Name: clip(x.Name, 120), Version: versionWords(x.Versions), Answers: count(x.Requests), Lost: count(x.Lost),
			First: d.whenOrNot(x.First), Last: d.whenOrNot(x.Last), Ready: "–", Terminating: "–", Gone: "–", Node: "–",
		}
		if c := x.Cluster; c != nil {
			row.Ready, row.Terminating, row.Gone = d.whenOrNot(c.Ready), d.whenOrNot(c.Terminating), d.whenOrNot(c.Gone)
			if c.Node != "" {
				row.Node = clip(c.Node, 80)
			}
			if c.AtStart && !c.Ready.IsZero() {
				row.Ready = "before the start"
			}
		}
		p.Pods = append(p.Pods, row)
	}
	if n := len(all) - len(p.Pods); n > 0 {
		p.PodsNote = fmt.Sprintf("The first %d of %s; all of them are in report.json.", len(p.Pods), plural(len(all), "pod", "pods"))
	}
}

func (d *drawing) whenOrNot(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return d.when(t)
}

func (p *Page) command(d *drawing) {
	p.CommandOf = clip(strings.Join(d.r.Settings.Command, " "), maxText)
	var lines []string
	if t := d.r.Timeline(); t != nil {
		for _, e := range t.Events {
			if e.Kind == "Command" {
				lines = append(lines, fmt.Sprintf("%9s  %s", long(d.r.After(e.At)), clip(e.Detail, 300)))
			}
		}
	}
	head, tail, left := shorten(lines, maxLines)
	p.Command = slices.Clone(head)
	if left > 0 {
		p.Command = append(append(p.Command, fmt.Sprintf("           … %s left out …", plural(left, "line is", "lines are"))), tail...)
		p.CmdNote = "All of it is in command.log."
	}
}

func (p *Page) events(d *drawing) {
	t := d.r.Timeline()
	if t == nil {
		return
	}
	var all []EventRow
	for _, e := range t.Events {
		if e.Kind != "Command" && e.Kind != "EndpointSlice" {
			all = append(all, EventRow{At: d.when(e.At), Kind: e.Kind, Name: clip(e.Name, 120), What: clip(e.What, 120), Detail: clip(e.Detail, 300)})
		}
	}
	head, tail, left := shorten(all, maxEvents)
	p.Events = append(slices.Clone(head), tail...)
	if left > 0 {
		p.EventNote = fmt.Sprintf("The first and the last %d of %s; all of them are in timeline.json.", maxEvents/2, plural(len(all), "event", "events"))
	}
}

// settings returns the settings, and what must hold.
func settings(r *report.Report) []Setting {
	var out []Setting
	for _, s := range r.Flat() {
		out = append(out, Setting{clip(s.Name, 120), clip(s.Value, maxText)})
	}
	return out
}
