// Package markdown writes a report as a summary in GitHub's Markdown, for a CI's
// step or a comment. What a cluster or a server said stands in it as text: it
// makes no link, no picture and no HTML. It judges nothing.
package markdown

import (
	"fmt"
	"io"
	"strings"

	"rollproof/loadtest/report"
	"rollproof/loadtest/tally"
	"rollproof/loadtest/verdict"
)

// File is the name of the file in a run's folder.
const File = "summary.md"

// Bounds of lists; GitHub takes 1 MiB of a step.
const (
	maxReasons = 30
	maxCauses  = 15
	maxLanes   = 30
	maxText    = 1500
)

// signs stand before the words, never instead of them.
var signs = map[verdict.Outcome]string{verdict.Pass: "✅", verdict.Fail: "❌", verdict.Inconclusive: "⚠️"}

// Write writes the summary.
func Write(w io.Writer, r *report.Report) error {
	var b strings.Builder
	v := r.Verdict
	fmt.Fprintf(&b, "## %s %s: %s\n\n", signs[v.Outcome], v.Outcome, title(r))
	fmt.Fprintf(&b, "%d requests, **%d lost**, %d masked, %.3g s down. %s\n\n", v.Requests, v.Lost, v.Masked, v.SecondsDown, text(r.Evidence()))
	reasons(&b, r)
	causes(&b, r)
	checks(&b, r)
	lanes(&b, r)
	facts(&b, r)
	_, err := io.WriteString(w, b.String())
	return err
}

func title(r *report.Report) string {
	if !r.Run.Upgrade {
		return "load on " + code(r.Settings.URL)
	}
	name := r.Settings.URL
	if c := r.Settings.Cluster; c != nil && c.Deployment != "" {
		name = c.Deployment
	}
	return fmt.Sprintf("upgrade of %s from %s to %s", code(name), code(r.Run.From), code(r.Run.To))
}

func reasons(b *strings.Builder, r *report.Report) {
	list := r.Verdict.Reasons
	for _, reason := range list[:min(len(list), maxReasons)] {
		word := "fail"
		if reason.Outcome == verdict.Inconclusive {
			word = "lacking"
		}
		fmt.Fprintf(b, "- %s **%s** %s\n", signs[reason.Outcome], word, text(reason.Text))
	}
	if n := len(list) - maxReasons; n > 0 {
		fmt.Fprintf(b, "- and %d more, in report.json\n", n)
	}
	warned := r.Run.Warnings
	for _, w := range warned[:min(len(warned), maxReasons)] {
		fmt.Fprintf(b, "- **warning** %s\n", text(w))
	}
	if len(list)+len(warned) > 0 {
		b.WriteString("\n")
	}
}

func causes(b *strings.Builder, r *report.Report) {
	list := r.Explanations
	if len(list) == 0 {
		return
	}
	b.WriteString("### Why it was lost\n\n| cause | count | when | what happened | what to change |\n| --- | ---: | --- | --- | --- |\n")
	for _, e := range list[:min(len(list), maxCauses)] {
		fmt.Fprintf(b, "| %s | %d | %.1f s to %.1f s | %s | %s |\n", code(string(e.Cause)), e.Count, r.After(e.From), r.After(e.To), text(e.Sentence), text(e.Advice))
	}
	if n := len(list) - maxCauses; n > 0 {
		fmt.Fprintf(b, "\n%d more causes are in report.json.\n", n)
	}
	b.WriteString("\n")
}

func checks(b *strings.Builder, r *report.Report) {
	b.WriteString("### Objectives\n\n| objective | | wanted | seen |\n| --- | --- | --- | --- |\n")
	for _, c := range r.Checks() {
		word := signs[verdict.Pass] + " met"
		switch {
		case c.Outcome == verdict.Fail:
			word = signs[c.Outcome] + " not met"
		case c.Outcome == verdict.Inconclusive:
			word = signs[c.Outcome] + " not shown"
		case !c.Judged:
			word = "– not judged"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", c.Rule, word, text(c.Wanted), text(c.Seen))
	}
	b.WriteString("\n")
}

func lanes(b *strings.Builder, r *report.Report) {
	b.WriteString("### Lanes\n\nLatency counts from the moment at which a request was due.\n\n| lane | requests | a second | lost | masked | p50 | p99 | p99.9 | max | longest stall |\n| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, l := range r.Lanes[:min(len(r.Lanes), maxLanes)] {
		stall := "–"
		if l.OpenLoop {
			stall = ms(l.Stall)
		}
		fmt.Fprintf(b, "| %s | %d | %.1f | %s | %d | %s | %s | %s | %s | %s |\n", code(l.Name), l.Requests, l.Rate, lost(l.Lost), l.Masked,
			ms(l.P50), ms(l.P99), ms(l.P999), ms(l.Max), stall)
	}
	b.WriteString("\n")
}

func lost(of map[tally.Class]uint64) string {
	var total uint64
	var parts []string
	for _, c := range tally.Classes() {
		if n := of[c]; n > 0 {
			total += n
			parts = append(parts, fmt.Sprintf("%s %d", strings.ReplaceAll(string(c), "_", " "), n))
		}
	}
	if total == 0 {
		return "0"
	}
	return fmt.Sprintf("**%d** (%s)", total, strings.Join(parts, ", "))
}

func facts(b *strings.Builder, r *report.Report) {
	if len(r.Facts) == 0 {
		return
	}
	b.WriteString("<details><summary>What was measured of the rollout</summary>\n\n")
	for _, f := range r.Facts {
		fmt.Fprintf(b, "- %s\n", text(f.Sentence))
	}
	b.WriteString("\n</details>\n\n")
}

func ms(s float64) string {
	if s < 0.01 {
		return fmt.Sprintf("%.1f ms", s*1e3)
	}
	return fmt.Sprintf("%.0f ms", s*1e3)
}

// clip keeps the beginning of a text on one line.
func clip(s string) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(c rune) bool { return c <= ' ' || c == 0x7f }), " ")
	if letters := []rune(s); len(letters) > maxText {
		return string(letters[:maxText]) + "…"
	}
	return s
}

// special are the letters that mean something to Markdown inside a line.
const special = "\\`*_{}[]!|~$"

// text writes words that are not ours so that none of their letters means
// anything: no tag, link, mention, reference or address comes of them.
func text(s string) string {
	var b strings.Builder
	letters := []rune(clip(s))
	for i, c := range letters {
		var next rune
		if i+1 < len(letters) {
			next = letters[i+1]
		}
		switch {
		case c == '<' || c == '>' || c == '&' || c == '@',
			c == ':' && next == '/',                // https://
			c == '#' && next >= '0' && next <= '9', // #123
			c == '.' && i >= 3 && strings.EqualFold(string(letters[i-3:i]), "www"):
			fmt.Fprintf(&b, "&#%d;", c)
		case strings.ContainsRune(special, c):
			b.WriteRune('\\')
			b.WriteRune(c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// code writes a name as code, where nothing is escaped but a bar of a table. A
// name that holds a back-tick is written as text.
func code(s string) string {
	s = clip(s)
	if s == "" || strings.ContainsAny(s, "`|\\") {
		return text(s)
	}
	return "`" + s + "`"
}
