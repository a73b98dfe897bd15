package html

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"rollproof/loadtest/explain"
	"rollproof/loadtest/report"
	"rollproof/loadtest/report/series"
	"rollproof/loadtest/timeline"
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

// Figure is one number of the page's head.
type Figure struct {
	Name, Value, Note string
	Bad               bool
}

// Reason is one reason of the verdict.
type Reason struct {
	Mark string // fail or lacking
	Text string
}

// Check is one rule with how it came out.
type Check struct {
	Rule, Wanted, Seen, Outcome, Class string
}

// Cause is one explanation.
type Cause struct {
	ID, Name, Title  string
	Count            string
	When             string
	Lanes, Pods      string
	Sentence, Advice string
	From, To         float64 // shares, for the zoom
	Examples         []LossRow
}

// LossRow is one loss.
type LossRow struct {
	At, Lane, Class, Pod, Detail, Cause, CauseID string
	Seq                                          uint64
	Sentence                                     string
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

// Data is what the script reads: the same that is drawn, as numbers.
type Data struct {
	Seconds float64    `json:"seconds"`
	Step    float64    `json:"step"`
	Phases  []State    `json:"phases"`
	Lanes   []LaneData `json:"lanes"`
	Pods    []PodData  `json:"pods"`
	Scales  [][4]int32 `json:"scales"` // asked for, ready, measured, most
	ScaleAt []float64  `json:"scaleAt"`
}

// LaneData is a lane's points: when, requests, lost, masked, p50, p99, max.
type LaneData struct {
	Name   string       `json:"name"`
	Points [][7]float64 `json:"points"`
}

// PodData is a pod's states and its endpoint's.
type PodData struct {
	Name   string  `json:"name"`
	States []State `json:"states"`
	Routes []State `json:"routes"`
}

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

// what names the run.
func what(r *report.Report) string {
	target := r.Settings.URL
	if c := r.Settings.Cluster; c != nil && c.Deployment != "" {
		target = c.Deployment
		if c.Namespace != "" {
			target = c.Namespace + "/" + c.Deployment
		}
	}
	target = clip(target, 120)
	if !r.Run.Upgrade {
		return "load on " + target + ", version " + clip(r.Run.From, 40)
	}
	return fmt.Sprintf("upgrade of %s from version %s to %s", target, clip(r.Run.From, 40), clip(r.Run.To, 40))
}

// meaning says in one sentence what the verdict says.
func meaning(v verdict.Verdict) string {
	switch v.Outcome {
	case verdict.Pass:
		if v.Lost == 0 && v.Masked == 0 {
			return "Every request got the right answer, and every objective was met."
		}
		return "Every objective was met."
	case verdict.Fail:
		if v.Lost > 0 {
			return fmt.Sprintf("%s of %s requests did not get the right answer.", count(v.Lost), count(v.Requests))
		}
		return "An objective was not met."
	}
	return "Nothing that was seen speaks against it, and there is too little to say that all is well."
}

func figures(r *report.Report) []Figure {
	v := r.Verdict
	out := []Figure{
		{Name: "requests", Value: count(v.Requests)},
		{Name: "lost", Value: count(v.Lost), Bad: v.Lost > r.Objectives.Lost, Note: fmt.Sprintf("fewer than %s of all, with 95 %% certainty", rateBound(v.LossRateUpper))},
		{Name: "masked", Value: count(v.Masked), Bad: v.Masked > r.Objectives.Masked, Note: "answered by a retry that the client hid"},
		{Name: "down", Value: long(v.SecondsDown), Bad: v.SecondsDown > 0, Note: "from a loss to the next right answer, all lanes together"},
	}
	var stall float64
	var lane string
	for _, l := range r.Lanes {
		if l.OpenLoop && l.Stall > stall {
			stall, lane = l.Stall, l.Name
		}
	}
	if lane != "" {
		out = append(out, Figure{Name: "longest stall", Value: long(stall), Bad: stall > r.Objectives.Stall.D().Seconds(), Note: "without a right answer, on lane " + lane})
	}
	if v.OutageSeen > 0 {
		out = append(out, Figure{Name: "shortest outage shown", Value: long(v.OutageSeen), Note: "a longer one would have met a request, wherever it fell"})
	}
	if u := r.Upgrade; u != nil && u.Rollout != nil {
		limit := r.Objectives.Rollout.D().Seconds()
		out = append(out, Figure{Name: "rollout", Value: long(*u.Rollout), Bad: limit > 0 && *u.Rollout > limit, Note: "from the command's start until the last old pod was gone"})
	}
	return out
}

// ruleNames says what the rules ask, in words.
var ruleNames = map[verdict.Rule]string{
	verdict.SamplerRule: "Harness", verdict.Losses: "Losses", verdict.Stall: "Stall", verdict.Latency: "Latency", verdict.Evidence: "Evidence", verdict.Watch: "Watch",
	verdict.Command: "Command", verdict.Rollout: "Rollout", verdict.Scaling: "Scaling", verdict.Interruption: "To its end",
}

func newCheck(c report.Check) Check {
	out := Check{Rule: ruleNames[c.Rule], Wanted: clip(c.Wanted, maxText), Seen: clip(c.Seen, maxText), Outcome: "met", Class: "pass"}
	if out.Rule == "" {
		out.Rule = string(c.Rule)
	}
	switch {
	case c.Outcome == verdict.Fail:
		out.Outcome, out.Class = "not met", "fail"
	case c.Outcome == verdict.Inconclusive:
		out.Outcome, out.Class = "not shown", "lacking"
	case !c.Judged:
		out.Outcome, out.Class = "not judged", "none"
	}
	return out
}

// causeTitle writes a cause's word as words.
func causeTitle(c explain.Cause) string {
	return strings.NewReplacer("_", " ", "sigterm", "SIGTERM", "oom", "OOM").Replace(string(c))
}

// cause puts one explanation into words.
func (d *drawing) cause(e explain.Explanation) Cause {
	c := Cause{
		ID: causeID(e.Cause), Name: string(e.Cause), Title: causeTitle(e.Cause),
		Count: plural(e.Count, "request", "requests"), Lanes: strings.Join(e.Lanes, ", "),
		When:     fmt.Sprintf("%s to %s after the start", long(d.r.After(e.From)), long(d.r.After(e.To))),
		Sentence: clip(e.Sentence, 2000), Advice: clip(e.Advice, 2000),
	}
	if e.Masked > 0 {
		c.Count += fmt.Sprintf(", %s of them answered by a hidden retry", count(e.Masked))
	}
	pods := e.Pods[:min(len(e.Pods), 10)]
	names := make([]string, 0, len(pods))
	for _, p := range pods {
		names = append(names, clip(p, 80))
	}
	c.Pods = strings.Join(names, ", ")
	if n := len(e.Pods) - len(pods); n > 0 {
		c.Pods += fmt.Sprintf(" and %d more", n)
	}
	// A moment before and after, so that what led to it is seen.
	from, to := d.share(e.From), d.share(e.To)
	room := max((to-from)/10, 0.02)
	c.From, c.To = max(from-room, 0), min(to+room, 1)
	for _, x := range e.Examples {
		c.Examples = append(c.Examples, LossRow{
			At: long(d.r.After(x.At)), Lane: x.Lane, Seq: x.Seq, Class: string(x.Class), Pod: clip(x.Pod, 80),
			Detail: clip(x.Detail, 300), Sentence: clip(x.Sentence, maxText),
		})
	}
	return c
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

func (p *Page) losses(d *drawing) {
	all := d.r.Losses
	explained := map[explain.Cause]string{}
	for _, e := range d.r.Explanations {
		explained[e.Cause] = causeID(e.Cause)
	}
	for _, l := range all[:min(len(all), maxLosses)] {
		pod := l.Pod
		if pod == "" {
			pod = l.LastPod
		}
		p.Losses = append(p.Losses, LossRow{
			At: long(d.r.After(l.At)), Lane: l.Lane, Seq: l.Seq, Class: string(l.Class), Pod: clip(pod, 80),
			Detail: clip(l.Detail, 300), Cause: causeTitle(l.Cause), CauseID: explained[l.Cause],
		})
	}
	if n := uint64(len(p.Losses)); n < d.r.Verdict.Lost {
		p.LossNote = fmt.Sprintf("The earliest %s of %s. Each one is in raw/LANE.losses.jsonl, the counts above and the marks in the timeline hold all of them.", count(n), count(d.r.Verdict.Lost))
	}
}

// shorten leaves out the middle of a list that is longer than most, and says how
// many that were.
func shorten[T any](list []T, most int) (head, tail []T, left int) {
	if len(list) <= most {
		return list, nil, 0
	}
	return list[:most/2], list[len(list)-most/2:], len(list) - most/2*2
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

// data returns what the script reads.
func (d *drawing) data() Data {
	out := Data{Seconds: d.total, Phases: []State{}, Lanes: []LaneData{}, Pods: []PodData{}, Scales: [][4]int32{}, ScaleAt: []float64{}}
	for _, p := range d.r.Phases() {
		out.Phases = append(out.Phases, State{d.r.After(p.From), d.r.After(p.To), p.Name})
	}
	if d.s != nil {
		out.Step = d.s.Width
		for _, l := range d.s.Lanes {
			lane := LaneData{Name: l.Name, Points: [][7]float64{}}
			for _, p := range l.Points {
				lane.Points = append(lane.Points, [7]float64{p.At, float64(p.Requests), float64(p.Lost), float64(p.Masked), p.P50, p.P99, p.Max})
			}
			out.Lanes = append(out.Lanes, lane)
		}
	}
	t := d.r.Timeline()
	if t == nil {
		return out
	}
	rows, _ := d.pods(t)
	drawn := map[string]bool{}
	for _, row := range rows {
		drawn[row.Label] = true
	}
	for _, p := range d.r.Pods {
		if p.Cluster != nil && drawn[clip(p.Name, 80)] {
			out.Pods = append(out.Pods, PodData{Name: clip(p.Name, 80), States: orNone(d.states(*p.Cluster)), Routes: orNone(d.routes(t, p.Name))})
		}
	}
	scales := t.Scales
	for _, s := range thin(scales, 500) {
		out.Scales = append(out.Scales, [4]int32{s.Spec, s.Ready, s.Measured, s.Max})
		out.ScaleAt = append(out.ScaleAt, d.r.After(s.At))
	}
	return out
}

func orNone(s []State) []State {
	if s == nil {
		return []State{}
	}
	return s
}

// thin keeps at most so many of a list, evenly.
func thin(list []timeline.Scale, most int) []timeline.Scale {
	if len(list) <= most {
		return list
	}
	out := make([]timeline.Scale, 0, most)
	for i := range most {
		out = append(out, list[i*len(list)/most])
	}
	return out
}
