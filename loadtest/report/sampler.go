package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"rollproof/loadtest/objectives"
	"rollproof/loadtest/tally"
	"rollproof/loadtest/verdict"
)

// Warn implements run.Warner.
func (c *Console) Warn(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.print("warning: " + oneLine(why))
}

// warnings writes what a person must know to trust the run.
func (r *Report) warnings(b *strings.Builder) {
	for _, w := range r.Run.Warnings {
		wrap(b, "warning: ", "  ", oneLine(w))
	}
}

// phases writes each lane's p99 and p99.9 by phase, where the run had more than
// one.
func (r *Report) phases(b *strings.Builder) {
	var names []string
	for _, name := range tally.StageNames() {
		if slices.ContainsFunc(r.Lanes, func(l Lane) bool { return l.Phases[name].Requests > 0 }) {
			names = append(names, name)
		}
	}
	if len(names) < 2 {
		return
	}
	b.WriteString("\nLatency by phase (p99 and p99.9)\n")
	table(b, func(row func(string, ...any)) {
		row("lane\t%s", strings.Join(names, "\t"))
		for _, l := range r.Lanes {
			cells := make([]string, len(names))
			for i, name := range names {
				cells[i] = "-"
				if s := l.Phases[name]; s.Requests > s.Lost {
					cells[i] = ms(s.P99) + " " + ms(s.P999)
				}
			}
			row("%s\t%s", l.Name, strings.Join(cells, "\t"))
		}
	})
}

// sampler writes what the harness saw of itself.
func (r *Report) sampler(b *strings.Builder) {
	if words := r.harness(); words != "" {
		b.WriteString("\nThe harness itself\n")
		wrap(b, "  ", "  ", words+".")
	}
}

// harness says what the harness saw of itself; empty where it saw nothing.
func (r *Report) harness() string {
	s := r.Run.Sampler
	if s == (verdict.Sampler{}) {
		return ""
	}
	parts := []string{fmt.Sprintf("late by %s at most (p99 %s)", short(s.LagMax), short(s.LagP99))}
	if s.FileLimit > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d files open", s.Files, s.FileLimit))
	}
	if s.PortLimit > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d local ports taken (%d more by connections that have ended)", s.Ports, s.PortLimit, s.PortsWaiting))
	}
	parts = append(parts, fmt.Sprintf("%.2f of %.0f processors used (%.2f at most)", s.CPU, s.CPULimit, s.CPUPeak))
	if c := r.Run.Control; c != nil {
		parts = append(parts, fmt.Sprintf("control lane: %d of %d lost, p99 %s", c.Lost, c.Requests, short(c.P99)))
	}
	return strings.Join(parts, ", ")
}

func short(d objectives.Duration) string { return ms(time.Duration(d).Seconds()) }
