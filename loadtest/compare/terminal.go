package compare

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Terminal writes the comparison for a person.
func (c *Comparison) Terminal(w io.Writer) error {
	var b strings.Builder
	for _, s := range []struct {
		mark string
		side Side
	}{{"A", c.A}, {"B", c.B}} {
		fmt.Fprintf(&b, "%s  %s  %s, version %s, %s\n", s.mark, s.side.Outcome, line(s.side.Name), line(s.side.Versions), s.side.Start)
		for _, reason := range s.side.Reasons {
			fmt.Fprintf(&b, "     %s\n", line(reason))
		}
	}
	c.warnings(&b)
	section(&b, "The runs", c.Figures)
	section(&b, "Latency (from the time at which a request was due)", c.Latency)
	section(&b, "Why requests were lost", c.Causes)
	section(&b, "Measured (of several pods the median)", c.Facts)
	b.WriteString("\nA difference below 5 % or 0.5 ms is called the same.\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (c *Comparison) warnings(b *strings.Builder) {
	if len(c.Settings) == 0 {
		b.WriteString("\nThe settings are the same.\n")
		return
	}
	b.WriteString("\nSettings that differ\n")
	tabs(b, func(row func(string, ...any)) {
		row("\tA\tB\t")
		for _, s := range c.Settings {
			note := ""
			if s.Load {
				note = "WARNING: another load"
			}
			row("%s\t%.60s\t%.60s\t%s", s.Name, line(s.A), line(s.B), note)
		}
	})
}

func section(b *strings.Builder, title string, list []Figure) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", title)
	tabs(b, func(row func(string, ...any)) {
		row("\tA\tB\tchange\t")
		for _, f := range list {
			row("%s\t%s\t%s\t%s\t%s", f.Label(), Value(f.A, f.Unit), Value(f.B, f.Unit), f.Change(), f.Direction)
		}
	})
}

// Label names the figure with its lane and phase.
func (f Figure) Label() string {
	var parts []string
	for _, p := range []string{f.Lane, f.Phase, strings.ReplaceAll(f.Name, "_", " ")} {
		if p != "" {
			parts = append(parts, line(p))
		}
	}
	return strings.Join(parts, ", ")
}

// Change says by how much B differs from A.
func (f Figure) Change() string {
	if f.A == nil || f.B == nil {
		return "-"
	}
	d := *f.B - *f.A
	if d == 0 {
		return "0"
	}
	sign := "+"
	if d < 0 {
		sign, d = "-", -d
	}
	text := sign + Value(&d, f.Unit)
	if *f.A > 0 && f.Unit != "count" {
		text += fmt.Sprintf(" (%s%.0f %%)", sign, 100*d / *f.A)
	}
	return text
}

// Value writes a figure in its unit.
func Value(v *float64, unit string) string {
	switch {
	case v == nil:
		return "-"
	case *v == 0:
		return "0"
	case unit == "s" && *v < 0.01:
		return fmt.Sprintf("%.1fms", *v*1e3)
	case unit == "s" && *v < 1:
		return fmt.Sprintf("%.0fms", *v*1e3)
	case unit == "s":
		return fmt.Sprintf("%.2fs", *v)
	case unit == "1/s":
		return fmt.Sprintf("%.1f/s", *v)
	case unit == "ratio":
		return fmt.Sprintf("%.3g", *v)
	}
	return fmt.Sprintf("%.0f", *v)
}

// line keeps what others wrote on one line, without what moves a cursor.
func line(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, s)
}

func tabs(b *strings.Builder, fill func(row func(string, ...any))) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	// A strings.Builder takes every write, and so does a tabwriter on it.
	fill(func(format string, cells ...any) {
		_, _ = fmt.Fprintln(w, strings.TrimRight("  "+fmt.Sprintf(format, cells...), "\t"))
	})
	_ = w.Flush()
}
