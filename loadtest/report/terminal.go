package report

import (
	"fmt"
	"io"
	"math"
	"sort"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"rollproof/loadtest/tally"
	"rollproof/loadtest/verdict"
)

// shownLosses is how many losses the summary lists one by one.
const shownLosses = 20

// Line returns the line for scripts, the last on standard output.
func (r *Report) Line() string {
	v := r.Verdict
	return fmt.Sprintf("%s requests=%d lost=%d masked=%d seconds_down=%s report=%s",
		v.Outcome, v.Requests, v.Lost, v.Masked, trim(v.SecondsDown), r.Settings.Out)
}

// trim writes seconds with at most three decimals and no needless zero.
func trim(s float64) string {
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.3f", s), "0"), ".")
}

// Summary writes the run's tables and the reasons of its verdict for a person.
func (r *Report) Summary(w io.Writer) error {
	var b strings.Builder
	r.warnings(&b)
	r.lanes(&b)
	r.phases(&b)
	r.pods(&b)
	r.upgrade(&b)
	r.facts(&b)
	r.sampler(&b)
	r.losses(&b)
	r.explanations(&b)
	r.command(&b)
	r.reasons(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// Why writes only what was measured and why requests were lost.
func (r *Report) Why(w io.Writer) error {
	var b strings.Builder
	r.facts(&b)
	r.explanations(&b)
	if len(r.Explanations) == 0 {
		b.WriteString("\nNothing was lost.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// table writes rows of cells, separated by tabs, in columns.
func table(b *strings.Builder, fill func(row func(format string, cells ...any))) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	// A strings.Builder takes every write, and so does a tabwriter on it.
	fill(func(format string, cells ...any) { _, _ = fmt.Fprintf(w, format+"\n", cells...) })
	_ = w.Flush()
}

func (r *Report) lanes(b *strings.Builder) {
	b.WriteString("\nLanes (latency from the time at which a request was due)\n")
	table(b, func(row func(string, ...any)) {
		row("lane\trequests\trate/s\tok\tlost\tmasked\tlate\tdropped\tp50\tp99\tmax\tstall")
		for _, l := range r.Lanes {
			stall := "-"
			if l.OpenLoop {
				stall = ms(l.Stall)
			}
			row("%s\t%d\t%.1f\t%d\t%s\t%d\t%d\t%d\t%s\t%s\t%s\t%s", l.Name, l.Requests, l.Rate, l.OK,
				lostWords(l.Lost), l.Masked, l.Late, l.Dropped, ms(l.P50), ms(l.P99), ms(l.Max), stall)
		}
	})
}

// lostWords writes losses by class: "3 (eof 2, timeout 1)".
func lostWords(lost map[tally.Class]uint64) string {
	var total uint64
	var parts []string
	for _, c := range tally.Classes() {
		if n := lost[c]; n > 0 {
			total += n
			parts = append(parts, fmt.Sprintf("%s %d", c, n))
		}
	}
	if total == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%s)", total, strings.Join(parts, ", "))
}

// ms writes seconds as milliseconds, with a decimal where it matters.
func ms(s float64) string {
	if s < 0.01 {
		return fmt.Sprintf("%.1fms", s*1e3)
	}
	return fmt.Sprintf("%.0fms", s*1e3)
}

func (r *Report) pods(b *strings.Builder) {
	if len(r.Pods) == 0 {
		return
	}
	b.WriteString("\nPods (seconds after the start)\n")
	table(b, func(row func(string, ...any)) {
		row("pod\tversion\tanswers\tlost\tready\tfirst answer\tlast answer\tterminating\tgone")
		for _, p := range r.Pods {
			ready, terminating, gone := "-", "-", "-"
			if c := p.Cluster; c != nil {
				ready, terminating, gone = r.after(c.Ready), r.after(c.Terminating), r.after(c.Gone)
				if c.AtStart && !c.Ready.IsZero() {
					ready = "before"
				}
			}
			row("%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s", p.Name, versionWords(p.Versions), p.Requests, p.Lost,
				ready, r.after(p.First), r.after(p.Last), terminating, gone)
		}
	})
}

func versionWords(versions map[string]uint64) string {
	var names []string
	for v := range versions {
		names = append(names, v)
	}
	if len(names) == 0 {
		return "-"
	}
	sort.Strings(names)
	return strings.Join(names, ",")
}

// after writes a moment as seconds after the run's start.
func (r *Report) after(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return fmt.Sprintf("%.1f", t.Sub(r.Run.Start).Seconds())
}

func (r *Report) upgrade(b *strings.Builder) {
	f := r.Upgrade
	if f == nil {
		return
	}
	b.WriteString("\nUpgrade\n")
	table(b, func(row func(string, ...any)) {
		row("command\t%s", took(f.Command))
		row("rollout, until the last old pod was gone\t%s", took(f.Rollout))
		row("replicas raised, after the step\t%s, to %d at most", took(f.ScaleUp), f.PeakReplicas)
		row("replicas back at the minimum, after the step's end\t%s", took(f.Settle))
	})
}

func took(s *float64) string {
	if s == nil {
		return "not seen"
	}
	return fmt.Sprintf("%.1f s", *s)
}

// facts writes what was measured besides; it is told also when all is well.
func (r *Report) facts(b *strings.Builder) {
	if len(r.Facts) == 0 {
		return
	}
	b.WriteString("\nMeasured\n")
	for _, f := range r.Facts {
		wrap(b, "  ", "    ", f.Sentence)
	}
}

// explanations writes why requests were lost, each cause with what to change.
func (r *Report) explanations(b *strings.Builder) {
	if len(r.Explanations) == 0 {
		return
	}
	b.WriteString("\nWhy (seconds after the start)\n")
	for _, e := range r.Explanations {
		fmt.Fprintf(b, "  %s: %d, %s to %s, %s\n", e.Cause, e.Count, r.after(e.From), r.after(e.To), names("lane", e.Lanes))
		wrap(b, "    ", "    ", oneLine(e.Sentence))
		if e.Advice != "" {
			wrap(b, "    -> ", "       ", oneLine(e.Advice))
		}
		if len(e.Examples) > 0 {
			x := e.Examples[0]
			wrap(b, "    e.g. ", "       ", oneLine(fmt.Sprintf("%s %s %d: %s", r.after(x.At), x.Lane, x.Seq, x.Sentence)))
		}
	}
}

// names writes "lane new" or "lanes hot, new".
func names(what string, list []string) string {
	if len(list) != 1 {
		what += "s"
	}
	return what + " " + strings.Join(list, ", ")
}

// width is where wrap breaks lines: the tables are no wider on most terminals.
const width = 110

// wrap writes text in lines of at most width columns where its words allow; the
// first begins with first, the others with rest.
func wrap(b *strings.Builder, first, rest, text string) {
	line := first
	empty := true
	for word := range strings.FieldsSeq(text) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			b.WriteString(line + "\n")
			line, empty = rest, true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	b.WriteString(line + "\n")
}

func (r *Report) losses(b *strings.Builder) {
	if len(r.Losses) == 0 {
		return
	}
	shown := r.Losses[:min(len(r.Losses), shownLosses)]
	fmt.Fprintf(b, "\nLosses (the first %d of %d; seconds after the start)\n", len(shown), r.Verdict.Lost)
	table(b, func(row func(string, ...any)) {
		row("at\tlane\tclass\tpod\tconnection\tdetail")
		for _, l := range shown {
			pod, connection := l.Pod, "new"
			if pod == "" {
				pod = "-"
			}
			if l.Reused {
				connection = "reused"
			}
			if l.Attempts == 0 {
				connection = "none"
			}
			row("%s\t%s\t%s\t%s\t%s\t%.160s", r.after(l.At), l.Lane, l.Class, pod, connection, oneLine(l.Detail))
		}
	})
}

// oneLine keeps what a server said from breaking the table or the terminal.
func oneLine(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, s)
}

func (r *Report) command(b *strings.Builder) {
	if r.Run.CommandError == "" {
		return
	}
	fmt.Fprintf(b, "\nThe command failed: %s; its last lines:\n", r.Run.CommandError)
	for _, line := range r.CommandTail {
		fmt.Fprintf(b, "  %s\n", line)
	}
}

func (r *Report) reasons(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s\n", r.Verdict.Outcome)
	for _, reason := range r.Verdict.Reasons {
		mark := "fail"
		if reason.Outcome == verdict.Inconclusive {
			mark = "lacking"
		}
		fmt.Fprintf(b, "  %s: %s\n", mark, oneLine(reason.Text))
	}
	if len(r.Verdict.Reasons) == 0 {
		b.WriteString("  every objective was met\n")
	}
	fmt.Fprintf(b, "  %s\n\n", r.Evidence())
}

// Evidence says how sure the counts make it.
func (r *Report) Evidence() string {
	v := r.Verdict
	shown := "no open-loop lane would have shown an outage"
	if v.OutageSeen > 0 {
		shown = fmt.Sprintf("an outage of %s or more would have shown", ms(v.OutageSeen))
	}
	return fmt.Sprintf("%d of %d lost: with 95 %% certainty fewer than %s %%; %s", v.Lost, v.Requests, percent(v.LossRateUpper), shown)
}

// percent writes a share with two digits that count, rounded up.
func percent(share float64) string {
	p := 100 * share
	if p <= 0 || p >= 100 {
		return "100"
	}
	digits := max(0, 1-int(math.Floor(math.Log10(p))))
	scale := math.Pow10(digits)
	return fmt.Sprintf("%.*f", digits, math.Ceil(p*scale)/scale)
}
