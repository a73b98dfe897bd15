package html

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"rollproof/loadtest/report"
	"rollproof/loadtest/timeline"
)

// pods returns a row for each pod: what it was above, its endpoint below. Of very
// many those are drawn first that held losses.
func (d *drawing) pods(t *timeline.Timeline) (rows []Row, note string) {
	var pods []report.Pod
	for _, p := range d.r.Pods {
		if p.Cluster != nil && (p.Cluster.Gone.IsZero() || p.Cluster.Gone.After(d.start)) && p.Cluster.Seen.Before(d.end(time.Time{})) {
			pods = append(pods, p)
		}
	}
	note = "The bar is the pod, the line below it its endpoint: thick while new connections are to go there, thin while it only serves on."
	if len(pods) > maxPods {
		note += fmt.Sprintf(" %d of %s are drawn, those first whose connections lost something; all of them are in timeline.json.", maxPods, plural(len(pods), "pod", "pods"))
		holders := map[string]bool{}
		for _, e := range d.r.Explanations {
			for _, p := range e.Pods {
				holders[p] = true
			}
		}
		slices.SortStableFunc(pods, func(a, b report.Pod) int {
			switch ha, hb := holders[a.Name] || a.Lost > 0, holders[b.Name] || b.Lost > 0; {
			case ha == hb:
				return 0
			case ha:
				return -1
			}
			return 1
		})
		pods = pods[:maxPods]
	}
	slices.SortStableFunc(pods, func(a, b report.Pod) int { return a.Cluster.Seen.Compare(b.Cluster.Seen) })
	for i, p := range pods {
		rows = append(rows, d.pod(t, i, p))
	}
	return rows, note
}

// State is what a pod was for a while, from and to in seconds after the start.
type State struct {
	From float64 `json:"from"`
	To   float64 `json:"to"`
	Word string  `json:"word"`
}

func (d *drawing) pod(t *timeline.Timeline, i int, p report.Pod) Row {
	side := "new"
	if d.old(*p.Cluster) {
		side = "old"
	}
	row := Row{ID: fmt.Sprintf("pod-%d", i), Label: clip(p.Name, 80), Height: podHeight}
	row.Sub = strings.TrimSpace(versionWords(p.Versions) + " " + count(p.Requests) + " answers")
	if p.Lost > 0 {
		row.Sub += ", " + count(p.Lost) + " lost"
	}
	if n := len(p.Cluster.Readiness); n > maxStates-4 {
		row.Sub += fmt.Sprintf(", the first %d of its turns drawn", maxStates)
	}
	said := []string{}
	for _, s := range d.states(*p.Cluster) {
		words := fmt.Sprintf("%s from %s to %s", s.Word, long(s.From), long(s.To))
		said = append(said, words)
		row.rect(d.shareOf(s.From), d.shareOf(s.To), 4, 14, "pod "+side+" "+strings.ReplaceAll(s.Word, " ", "-"), row.Label+": "+words)
	}
	for _, s := range d.routes(t, p.Name) {
		words := fmt.Sprintf("endpoint %s from %s to %s", s.Word, long(s.From), long(s.To))
		said = append(said, words)
		y, h := 21, 5
		if s.Word != "ready" {
			y, h = 22, 2
		}
		row.rect(d.shareOf(s.From), d.shareOf(s.To), y, h, "endpoint "+s.Word, row.Label+": "+words)
	}
	for _, e := range p.Cluster.Exits {
		at := e.Moment()
		if at.Before(d.start) {
			continue
		}
		words := fmt.Sprintf("%s: container %s ended at %s, exit code %d %s", row.Label, clip(e.Container, 80), long(d.r.After(at)), e.Code, clip(e.Reason, 80))
		row.Marks = append(row.Marks, Mark{X: percent(d.share(at)), Y: 11, Shape: "exit", Class: "exit", Tip: strings.TrimSpace(words)})
		said = append(said, words)
	}
	row.About = fmt.Sprintf("Pod %s (%s): %s", row.Label, row.Sub, strings.Join(said[:min(len(said), 30)], "; "))
	return row
}

// old tells whether a pod is of the template from before the upgrade.
func (d *drawing) old(p timeline.Pod) bool {
	return d.r.Run.OldTemplate != "" && p.Template == d.r.Run.OldTemplate
}

// maxStates bounds how often a pod's turns are drawn.
const maxStates = 40

// states returns what a pod was, one after the other.
func (d *drawing) states(p timeline.Pod) []State {
	end := p.Gone
	if end.IsZero() || end.After(d.end(time.Time{})) {
		end = d.end(time.Time{})
	}
	type turn struct {
		at   time.Time
		word string
	}
	turns := []turn{}
	if p.AtStart && !p.Ready.IsZero() {
		turns = append(turns, turn{d.start, "ready"})
	} else {
		turns = append(turns, turn{p.Seen, "pending"})
		if !p.Started.IsZero() {
			turns = append(turns, turn{p.Started, "starting"})
		}
		if !p.Ready.IsZero() {
			turns = append(turns, turn{p.Ready, "ready"})
		}
	}
	for _, r := range p.Readiness {
		if r.At.After(p.Ready) && !p.Ready.IsZero() && (p.Terminating.IsZero() || r.At.Before(p.Terminating)) {
			word := "not ready"
			if r.Ready {
				word = "ready"
			}
			turns = append(turns, turn{r.At, word})
		}
	}
	if !p.Terminating.IsZero() {
		turns = append(turns, turn{p.Terminating, "terminating"})
	}
	var out []State
	for i, t := range turns[:min(len(turns), maxStates)] {
		to := end
		if i+1 < len(turns) && turns[i+1].at.Before(end) {
			to = turns[i+1].at
		}
		if t.at.Before(d.start) {
			t.at = d.start
		}
		if to.After(t.at) {
			out = append(out, State{d.r.After(t.at), d.r.After(to), t.word})
		}
	}
	return out
}

// routes returns when the pod's endpoint was ready, and when it served on without
// being ready for new connections.
func (d *drawing) routes(t *timeline.Timeline, pod string) []State {
	var out []State
	add := func(spans []timeline.Span, word string) {
		for _, s := range spans[:min(len(spans), maxStates)] {
			from, to := s.From, d.end(s.To)
			if from.Before(d.start) {
				from = d.start
			}
			if to.After(from) {
				out = append(out, State{d.r.After(from), d.r.After(to), word})
			}
		}
	}
	add(t.Routed(pod), "ready")
	add(t.Serving(pod), "serving")
	return out
}

func versionWords(versions map[string]uint64) string {
	var names []string
	for v := range versions {
		names = append(names, "v"+clip(v, 20))
	}
	slices.Sort(names)
	if len(names) > 3 {
		names = append(names[:3], "…")
	}
	return strings.Join(names, ", ")
}

// scales returns how many replicas were asked for and ready, and what the
// autoscaler measured.
func (d *drawing) scales(t *timeline.Timeline) []Row {
	if len(t.Scales) == 0 {
		return nil
	}
	var most, top int32 = 1, 1
	for _, s := range t.Scales {
		most = max(most, s.Spec, s.Ready)
		top = max(top, s.Measured, s.Target)
	}
	y := func(n, of int32) int { return scaleHeight - 6 - int(float64(scaleHeight-14)*float64(n)/float64(of)) }
	line := func(value func(timeline.Scale) int32, of int32) string {
		var path strings.Builder
		for i, s := range t.Scales {
			if i == 0 {
				fmt.Fprintf(&path, "M%d %d", d.x(d.r.After(s.At)), y(value(s), of))
				continue
			}
			fmt.Fprintf(&path, "H%dV%d", d.x(d.r.After(s.At)), y(value(s), of))
		}
		return path.String() + "H10000"
	}
	row := Row{ID: "replicas", Label: "Replicas", Sub: "asked for: line, ready: area", Height: scaleHeight, Tall: true}
	ready := line(func(s timeline.Scale) int32 { return s.Ready }, most)
	row.Paths = []Path{
		{D: fmt.Sprintf("%sV%dH%dz", ready, y(0, 1), d.x(d.r.After(t.Scales[0].At))), Class: "replicas-ready"},
		{D: line(func(s timeline.Scale) int32 { return s.Spec }, most), Class: "replicas-asked"},
	}
	row.Levels = []Level{{y(most, most), fmt.Sprint(most)}}
	var said []string
	last := int32(-1)
	for _, s := range t.Scales {
		if s.Spec != last && len(said) < 30 {
			said = append(said, fmt.Sprintf("%d asked for from %s on", s.Spec, d.when(s.At)))
			last = s.Spec
		}
	}
	row.About = "Replicas: " + strings.Join(said, "; ")
	out := []Row{row}
	if top > 1 {
		cpu := Row{ID: "autoscaler", Label: "Autoscaler", Sub: "measured: line, target: dashed", Height: scaleHeight, Tall: true}
		var target int32
		for _, s := range t.Scales {
			target = max(target, s.Target)
		}
		cpu.Paths = []Path{{D: line(func(s timeline.Scale) int32 { return s.Measured }, top), Class: "measured"}}
		if target > 0 {
			cpu.Paths = append(cpu.Paths, Path{D: fmt.Sprintf("M0 %dH10000", y(target, top)), Class: "target"})
		}
		cpu.Levels = []Level{{y(top, top), fmt.Sprintf("%d %%", top)}}
		cpu.About = fmt.Sprintf("The autoscaler measured up to %d %% of the request and holds it to %d %%.", top, target)
		out = append(out, cpu)
	}
	return out
}
