package html

import (
	_ "embed" // the page
	"fmt"
	"io"
	"math"

	"rollproof/loadtest/compare"
)

//go:embed comparison.html
var comparisonHTML string

// comparison is all that comparison.html shows.
type comparison struct {
	Shell
	Title   string
	Sides   []compareSide
	Summary string
	Load    []compare.Setting
	Others  []compare.Setting
	Tables  []compareTable
}

type compareSide struct {
	Letter string
	compare.Side
}

type compareTable struct {
	ID, Title, Note string
	Rows            []compareRow
	Plot            bool
}

// compareRow is one figure of both runs. XA and XB are where they lie on the plot.
type compareRow struct {
	Label, A, B, Change, Word, Class string
	XA, XB                           string
}

// WriteComparison writes the page of two runs.
func WriteComparison(w io.Writer, c *compare.Comparison) error {
	p := comparison{
		Shell: newShell(), Title: fmt.Sprintf("%s beside %s", clip(c.A.Name, 80), clip(c.B.Name, 80)),
		Sides: []compareSide{{"A", clipSide(c.A)}, {"B", clipSide(c.B)}},
	}
	for _, s := range c.Settings {
		s.A, s.B = clip(s.A, maxText), clip(s.B, maxText)
		if s.Load {
			p.Load = append(p.Load, s)
		} else {
			p.Others = append(p.Others, s)
		}
	}
	better, worse := 0, 0
	for _, t := range []struct {
		id, title, note string
		list            []compare.Figure
		plot            bool
	}{
		{"runs", "The runs", "", c.Figures, false},
		{"latencies", "Latency", "From the time at which a request was due, right answers only. The plots share one logarithmic scale: a ring is A, a dot is B, further right is slower.", c.Latency, true},
		{"causes", "Why requests were lost", "", c.Causes, false},
		{"facts", "What was measured of the rollouts", "Of several pods the median.", c.Facts, false},
	} {
		if len(t.list) == 0 {
			continue
		}
		table := compareTable{ID: t.id, Title: t.title, Note: t.note, Plot: t.plot}
		sc := plotScale(t.list)
		for _, f := range t.list {
			row := newCompareRow(f)
			if t.plot && f.A != nil && f.B != nil {
				row.XA, row.XB = sc.x(*f.A), sc.x(*f.B)
			}
			switch f.Direction {
			case compare.Better:
				better++
			case compare.Worse:
				worse++
			}
			table.Rows = append(table.Rows, row)
		}
		p.Tables = append(p.Tables, table)
	}
	p.Summary = fmt.Sprintf("From A to B %s better and %s worse; a difference below 5 %% or 0.5 ms is called the same.", plural(better, "figure is", "figures are"), plural(worse, "is", "are"))
	return Execute(w, "comparison", comparisonHTML, p)
}

func clipSide(s compare.Side) compare.Side {
	s.Name, s.Versions = clip(s.Name, 200), clip(s.Versions, 80)
	reasons := s.Reasons[:min(len(s.Reasons), maxReasons)]
	s.Reasons = nil
	for _, r := range reasons {
		s.Reasons = append(s.Reasons, clip(r, maxText))
	}
	return s
}

func newCompareRow(f compare.Figure) compareRow {
	row := compareRow{Label: clip(f.Label(), 200), A: compare.Value(f.A, f.Unit), B: compare.Value(f.B, f.Unit), Change: f.Change(), Word: string(f.Direction), Class: "none"}
	switch f.Direction {
	case compare.Better:
		row.Class, row.Word = "pass", "▲ better"
	case compare.Worse:
		row.Class, row.Word = "fail", "▼ worse"
	}
	return row
}

// plotX is the scale of the plots beside figures.
type plotX struct{ low, high float64 }

func plotScale(list []compare.Figure) plotX {
	low, high := math.Inf(1), 0.0
	for _, f := range list {
		for _, v := range []*float64{f.A, f.B} {
			if v != nil && *v > 0 {
				low, high = min(low, *v), max(high, *v)
			}
		}
	}
	if high == 0 {
		low, high = 1, 10
	}
	return plotX{math.Log10(low), math.Log10(max(high, low*1.01))}
}

// x returns where a value lies, in percent of the plot's width.
func (p plotX) x(v float64) string {
	if v <= 0 {
		return percent(0.04)
	}
	return percent(0.04 + 0.92*(math.Log10(v)-p.low)/(p.high-p.low))
}
