// Package table shows what a benchmark found as a Markdown table.
package table

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"rollproof/bench/pair"
	"rollproof/bench/result"
)

// Markdown is the whole report: how it was measured, on what, and the table.
func Markdown(d *result.Document) string {
	var b strings.Builder
	how := fmt.Sprintf("server on one core, client on another, %d interleaved pairs", d.Settings.Pairs)
	if d.Quick {
		how += ", quick: fewer and shorter measurements than count"
	}
	fmt.Fprintf(&b, "Measured on %s, by `make bench` (%s), on %s.\n\n", d.Began.Format("2006-01-02"), how, d.Machine)
	b.WriteString("| against | what | Rollproof | the other | ratio: median (range) | to reach | reached |\n")
	b.WriteString("| --- | --- | ---: | ---: | ---: | ---: | --- |\n")
	for i := range d.Rows {
		line(&b, &d.Rows[i])
	}
	b.WriteString("\n")
	for _, r := range d.Rows {
		if r.Note != "" {
			fmt.Fprintf(&b, "- %s: %s.\n", title(&r), r.Note)
		}
	}
	if len(d.Versions) > 0 {
		var versions []string
		for _, name := range slices.Sorted(maps.Keys(d.Versions)) {
			versions = append(versions, name+" "+d.Versions[name])
		}
		fmt.Fprintf(&b, "- Versions: %s.\n", strings.Join(versions, ", "))
	}
	return b.String()
}

// title names a row.
func title(r *result.Row) string {
	if r.Against == "" {
		return r.What
	}
	return r.Against + ", " + r.What
}

func line(b *strings.Builder, r *result.Row) {
	against, other, goal, reached := r.Against, "", r.Goal.String(), "yes"
	if against == "" {
		against = "itself"
	}
	ours, judged := r.Judged(), Ratio(r.Judged())
	if c := r.Comparison; c != nil {
		ours = c.Ours
		other = Quantity(c.Theirs.Median, r.Unit)
	} else {
		judged = ""
	}
	switch {
	case r.Goal.IsZero():
		reached = ""
	case !r.Reached:
		reached = "**no**"
	}
	what := r.What
	if r.Of != "" {
		what = r.Of + ": " + what
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n",
		against, what, Quantity(ours.Median, r.Unit), other, judged, goal, reached)
}

// Ratio is a spread of ratios for people: "54.6 (53.1 to 55.2)".
func Ratio(s pair.Spread) string {
	return fmt.Sprintf("%s (%s to %s)", Number(s.Median), Number(s.Least), Number(s.Most))
}

// Quantity is a number with its unit.
func Quantity(v float64, unit result.Unit) string {
	if unit == result.Allocations {
		return Number(v)
	}
	return Number(v) + " " + string(unit)
}

// Number is a number with three digits that count, and commas between the thousands of
// what is larger.
func Number(v float64) string {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	text := strconv.FormatFloat(v, 'f', max(0, digits), 64)
	whole, fraction, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		return whole + "." + fraction
	}
	return whole
}
