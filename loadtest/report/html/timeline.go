package html

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"rollproof/loadtest/explain"
	"rollproof/loadtest/report"
	"rollproof/loadtest/report/series"
	"rollproof/loadtest/tally"
	"rollproof/loadtest/timeline"
)

// Bounds of what is drawn and listed, so that the page of any run can be opened.
const (
	maxPods   = 60  // rows of pods
	maxNodes  = 20  // rows of nodes
	tickCells = 240 // groups of events and of lines in a row
	maxTip    = 3   // texts of one such group that are shown
)

// Heights of rows, in pixels.
const (
	phaseHeight = 26
	laneHeight  = 44
	curveHeight = 96
	podHeight   = 30
	scaleHeight = 48
	tickHeight  = 24
)

// drawing makes the timeline's rows.
type drawing struct {
	axis
	r *report.Report
	s *series.Series // nil: no latency over time
}

// groups returns all rows, lanes over pods over endpoints.
func (d *drawing) groups() []Group {
	out := []Group{{Name: "Run", Rows: d.run()}, {Name: "Lanes", Note: "Bars are requests, diamonds are losses: a full one was lost, a hollow one was answered by a hidden retry.", Rows: d.lanes()}}
	if t := d.r.Timeline(); t != nil {
		pods, note := d.pods(t)
		out = append(out, Group{Name: "Pods and their endpoints", Note: note, Rows: pods},
			Group{Name: "Replicas and autoscaler", Rows: d.scales(t)}, Group{Name: "Nodes", Rows: d.nodes(t)},
			Group{Name: "Command and events", Rows: d.events(t)})
	}
	if d.s != nil {
		note := fmt.Sprintf("From the moment a request was due, right answers only, on a logarithmic scale. Each step is %s: the thin line is the median, the thick one the 99th percentile, the dotted one the longest.", long(d.s.Width))
		if d.r.Run.Upgrade {
			note += " The old version is dashed, the new one solid."
		}
		out = append(out, Group{Name: "Latency over time, by version", Note: note, Rows: d.curves()})
	}
	return slices.DeleteFunc(out, func(g Group) bool { return len(g.Rows) == 0 })
}

// run returns the phases, and the times in which the harness or a watch was blind.
func (d *drawing) run() []Row {
	row := Row{ID: "phases", Label: "Phases", Height: phaseHeight}
	var said []string
	for i, p := range d.r.Phases() {
		from, to := d.share(p.From), d.share(p.To)
		words := fmt.Sprintf("%s: %s to %s", p.Name, long(d.r.After(p.From)), long(d.r.After(p.To)))
		row.rect(from, to, 3, phaseHeight-6, fmt.Sprintf("phase p%d", i%2), words)
		row.Texts = append(row.Texts, Text{X: percent(from), W: percent(to - from), Y: 17, Class: "phase-name", Text: p.Name})
		said = append(said, words)
	}
	row.About = strings.Join(said, "; ")
	out := []Row{row}
	if lags := d.r.Run.Lags; len(lags) > 0 {
		row := Row{ID: "harness", Label: "Harness", Sub: "stood still", Height: tickHeight, About: fmt.Sprintf("The harness itself stood still %s.", plural(len(lags), "time", "times"))}
		for _, l := range lags[:min(len(lags), tickCells)] {
			row.rect(d.share(l.From), d.share(l.From.Add(l.Length.D())), 5, 14, "blind", fmt.Sprintf("the harness stood still for %s", long(l.Length.D().Seconds())))
		}
		out = append(out, row)
	}
	if t := d.r.Timeline(); t != nil && len(t.Gaps) > 0 {
		row := Row{ID: "watch", Label: "Watch", Sub: "broken", Height: tickHeight, About: fmt.Sprintf("A watch of the cluster was broken %s.", plural(len(t.Gaps), "time", "times"))}
		for _, g := range t.Gaps[:min(len(t.Gaps), tickCells)] {
			row.rect(d.share(g.From), d.share(d.end(g.To)), 5, 14, "blind",
				fmt.Sprintf("the watch of %s was broken for %s: %s", g.Resource, long(g.Length(d.r.Run.End).Seconds()), clip(g.Error, maxText)))
		}
		out = append(out, row)
	}
	return out
}

// lanes returns a row for each lane: its rate as bars, its losses as marks.
func (d *drawing) lanes() []Row {
	var out []Row
	for i, l := range d.r.Lanes {
		row := Row{ID: fmt.Sprintf("lane-%d", i), Label: l.Name, Height: laneHeight}
		row.Sub = fmt.Sprintf("%.0f/s", l.Rate)
		lost := lostOf(l)
		if lost > 0 {
			row.Sub += ", " + count(lost) + " lost"
		}
		row.About = fmt.Sprintf("Lane %s: %s requests, %s lost, %s masked, longest time without a right answer %s.",
			l.Name, count(l.Requests), count(lost), count(l.Masked), long(l.Stall))
		d.rate(&row, l)
		if l.OpenLoop && l.Stall > 0 {
			row.rect(d.shareOf(l.StallAt), d.shareOf(l.StallAt+l.Stall), laneHeight-5, 4, "stall",
				fmt.Sprintf("the longest time without a right answer: %s, from %s on", long(l.Stall), long(l.StallAt)))
		}
		d.marks(&row, l.Name)
		out = append(out, row)
	}
	return out
}

func lostOf(l report.Lane) uint64 {
	var n uint64
	for _, c := range l.Lost {
		n += c
	}
	return n
}

// rate draws how many requests were due in each part of the time.
func (d *drawing) rate(row *Row, l report.Lane) {
	if d.s == nil {
		row.rect(d.share(l.Began), d.share(l.Ended), 10, laneHeight-20, "rate", "")
		return
	}
	i := slices.IndexFunc(d.s.Lanes, func(s series.Lane) bool { return s.Name == l.Name })
	if i < 0 {
		return
	}
	points := d.s.Lanes[i].Points
	var most uint64
	for _, p := range points {
		most = max(most, p.Requests)
	}
	var path strings.Builder
	const base = laneHeight - 6
	for _, p := range points {
		height := int(float64(base-8) * float64(p.Requests) / float64(most))
		from, to := d.x(p.At), d.x(p.At+d.s.Width)
		fmt.Fprintf(&path, "M%d %dV%dH%dV%dz", from, base, base-height, to, base)
	}
	row.Paths = append(row.Paths, Path{D: path.String(), Class: "rate"})
}

// x writes seconds after the start in the space of a Path.
func (d *drawing) x(seconds float64) int { return int(d.shareOf(seconds) * 10000) }

// marks draws the losses of one lane; each leads to its explanation. The keyboard
// stops at the first of each cause.
func (d *drawing) marks(row *Row, lane string) {
	seen := map[explain.Cause]bool{}
	for _, m := range d.marksOf(lane) {
		what, shape := "lost", "loss"
		if m.Masked {
			what, shape = "answered by a hidden retry", "masked"
		}
		if m.Count >= 10 {
			shape += "-many"
		}
		when := "at " + long(d.r.After(m.From))
		if m.Count > 1 {
			when = fmt.Sprintf("from %s to %s", long(d.r.After(m.From)), long(d.r.After(m.To)))
		}
		middle := m.From.Add(m.To.Sub(m.From) / 2)
		row.Marks = append(row.Marks, Mark{
			X: percent(d.share(middle)), Y: 13, Shape: shape, Class: "loss-mark", Href: "#" + causeID(m.Cause), Tab: !seen[m.Cause],
			Tip: fmt.Sprintf("%s %s on lane %s, %s: %s", count(m.Count), what, lane, when, m.Cause),
		})
		seen[m.Cause] = true
	}
}

// maxMarks bounds how many marks a lane has.
const maxMarks = 400

// marksOf returns the marks of a lane; where there are too many, those that lie
// side by side become one.
func (d *drawing) marksOf(lane string) []report.Mark {
	var marks []report.Mark
	for _, m := range d.r.Marks() {
		if m.Lane == lane {
			marks = append(marks, m)
		}
	}
	for cells := 256; len(marks) > maxMarks && cells >= 1; cells /= 2 {
		type key struct {
			cause  explain.Cause
			masked bool
			cell   int
		}
		at := map[key]int{}
		var fewer []report.Mark
		for _, m := range marks {
			k := key{m.Cause, m.Masked, int(d.share(m.From) * float64(cells))}
			i, ok := at[k]
			if !ok {
				at[k] = len(fewer)
				fewer = append(fewer, m)
				continue
			}
			fewer[i].Count += m.Count
			if m.To.After(fewer[i].To) {
				fewer[i].To = m.To
			}
		}
		marks = fewer
	}
	return marks
}

// causeID names the part of the page that explains a cause.
func causeID(c explain.Cause) string { return "why-" + string(c) }

// nodes returns a row for each node that was seen to change, or all if few.
func (d *drawing) nodes(t *timeline.Timeline) []Row {
	byName := map[string][]timeline.Node{}
	var names []string
	for _, n := range t.Nodes {
		if byName[n.Name] == nil {
			names = append(names, n.Name)
		}
		byName[n.Name] = append(byName[n.Name], n)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(-cmp.Compare(len(byName[a]), len(byName[b])), cmp.Compare(a, b))
	})
	var out []Row
	for i, name := range names[:min(len(names), maxNodes)] {
		row := Row{ID: fmt.Sprintf("node-%d", i), Label: clip(name, 80), Height: tickHeight}
		turns := byName[name]
		var said []string
		for k, turn := range turns {
			to := d.end(time.Time{})
			if k+1 < len(turns) {
				to = turns[k+1].At
			}
			class, word := "node-ready", "ready"
			switch {
			case turn.Gone:
				class, word = "node-gone", "gone"
			case !turn.Ready:
				class, word = "blind", "not ready"
			case turn.Unschedulable:
				class, word = "node-cordoned", "closed for new pods"
			}
			words := fmt.Sprintf("%s from %s on", word, d.when(turn.At))
			said = append(said, words)
			if word != "gone" {
				row.rect(d.share(turn.At), d.share(to), 7, 10, class, "node "+row.Label+": "+words)
			}
		}
		row.About = "Node " + row.Label + ": " + strings.Join(said[:min(len(said), 20)], "; ")
		out = append(out, row)
	}
	return out
}

// when writes a moment as seconds after the start, or says that it was before.
func (d *drawing) when(t time.Time) string {
	if t.Before(d.start) {
		return "before the start"
	}
	return long(d.r.After(t))
}

// ticks draws moments with texts, many of them as one.
type moments struct {
	at    []time.Time
	texts []string
	alarm []bool
}

func (m *moments) add(at time.Time, text string, alarm bool) {
	m.at, m.texts, m.alarm = append(m.at, at), append(m.texts, text), append(m.alarm, alarm)
}

func (d *drawing) ticksOf(row *Row, m *moments) {
	type cell struct {
		at    time.Time
		texts []string
		more  int
		alarm bool
	}
	cells := map[int]*cell{}
	var order []int
	for i, at := range m.at {
		if at.Before(d.start) || at.After(d.end(time.Time{})) {
			continue
		}
		n := int(d.share(at) * tickCells)
		c := cells[n]
		if c == nil {
			c = &cell{at: at}
			cells[n] = c
			order = append(order, n)
		}
		c.alarm = c.alarm || m.alarm[i]
		if len(c.texts) < maxTip {
			c.texts = append(c.texts, clip(m.texts[i], 160))
		} else {
			c.more++
		}
	}
	for _, n := range order {
		c := cells[n]
		tip := d.when(c.at) + ": " + strings.Join(c.texts, " · ")
		if c.more > 0 {
			tip += fmt.Sprintf(" · and %d more", c.more)
		}
		shape, class := "tick", "tick"
		if c.alarm {
			shape, class = "alarm", "alarm"
		}
		row.Marks = append(row.Marks, Mark{X: percent(d.share(c.at)), Y: tickHeight / 2, Shape: shape, Class: class, Tip: tip})
	}
}

// events returns the command's row and that of the cluster's events.
func (d *drawing) events(t *timeline.Timeline) []Row {
	var out []Row
	var lines, events moments
	for _, e := range t.Events {
		switch e.Kind {
		case "Command":
			lines.add(e.At, e.Detail, false)
		case "Pod", "EndpointSlice", "Node": // they have rows of their own
		case "Run":
			if e.What != "phase" {
				events.add(e.At, e.What+" "+e.Detail, false)
			}
		default:
			events.add(e.At, fmt.Sprintf("%s %s: %s %s", e.Kind, e.Name, e.What, e.Detail), alarming(e))
		}
	}
	if !d.r.Run.CommandStart.IsZero() {
		row := Row{ID: "command", Label: "Command", Sub: plural(len(lines.at), "line", "lines"), Height: tickHeight}
		from, to := d.r.Run.CommandStart, d.end(d.r.Run.CommandEnd)
		words := fmt.Sprintf("the command ran from %s to %s", long(d.r.After(from)), long(d.r.After(to)))
		if e := d.r.Run.CommandError; e != "" {
			words += " and failed: " + clip(e, maxText)
		}
		row.rect(d.share(from), d.share(to), 9, 6, "command", words)
		row.About = words + "; its output is below"
		d.ticksOf(&row, &lines)
		out = append(out, row)
	}
	if len(events.at) > 0 {
		row := Row{ID: "events", Label: "Events", Sub: count(len(events.at)), Height: tickHeight}
		row.About = plural(len(events.at), "event", "events") + " of the cluster; they are listed below"
		d.ticksOf(&row, &events)
		out = append(out, row)
	}
	return out
}

// alarming tells whether an event is of those that Kubernetes warns with.
func alarming(e timeline.Event) bool {
	for _, word := range []string{"Fail", "Unhealthy", "BackOff", "Kill", "Evict", "OOM", "NotReady", "Error"} {
		if strings.Contains(e.What, word) {
			return e.Kind == "Event"
		}
	}
	return false
}

// lostWords writes losses by class: "eof 2, timeout 1".
func lostWords(lost map[tally.Class]uint64) string {
	var parts []string
	for _, c := range tally.Classes() {
		if n := lost[c]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", c, count(n)))
		}
	}
	return strings.Join(parts, ", ")
}
