// Package plot draws what a benchmark found: the rates as bars, and below how far each
// ratio is from its goal.
package plot

import (
	"fmt"
	"math"
	"slices"

	"rollproof/bench/pair"
	"rollproof/bench/result"
	"rollproof/bench/table"
)

const (
	width  = 1120.0
	margin = 24.0
	left   = 500.0         // where the axes begin; labels are to the left
	right  = width - 190.0 // where they end; numbers are to the right

	black = "#222222"
	gray  = "#6b6b6b"
	faint = "#dddddd"
	blue  = "#1f6f8b" // Rollproof
	beige = "#c9b79c" // the others
	green = "#2a7f3f" // reached
	red   = "#b8321f" // not reached
)

// SVG draws the document.
func SVG(d *result.Document) []byte {
	c := &canvas{}
	const title = "Rollproof's prediction server beside what people use instead"
	c.text(margin, 36, style{20, black, "start", true}, title)
	how := fmt.Sprintf("One core for the server, another for the client; %d interleaved pairs; %s", d.Settings.Pairs, d.Began.Format("2006-01-02"))
	c.text(margin, 58, style{12, gray, "start", false}, how)
	c.text(margin, 75, style{12, gray, "start", false}, d.Machine.String())
	y := c.rates(d, 112)
	y = c.goals(d, y+46)
	return c.document(width, y+margin, title)
}

// bar is one rate.
type bar struct {
	label, of string
	rate      float64
	ours      bool
}

// bars are the rates that the document has, the largest first: one of ours a model,
// and each that it is compared with.
func bars(d *result.Document) []bar {
	var all []bar
	ours := map[string][]float64{}
	for _, r := range d.Rows {
		if r.Unit != result.RequestsPerSecond || r.Comparison == nil || r.Goal.IsZero() {
			continue
		}
		all = append(all, bar{label: r.Against, of: r.Of, rate: r.Comparison.Theirs.Median})
		ours[r.Of] = append(ours[r.Of], r.Comparison.Ours.Median)
	}
	for of, rates := range ours {
		if s, err := pair.Of(rates); err == nil {
			all = append(all, bar{label: "Rollproof", of: of, rate: s.Median, ours: true})
		}
	}
	slices.SortFunc(all, func(a, b bar) int {
		switch {
		case a.rate != b.rate:
			return int(math.Copysign(1, b.rate-a.rate))
		case a.label+a.of < b.label+b.of:
			return -1
		default:
			return 1
		}
	})
	return all
}

// rates draws the bars from y on and returns where they end.
func (c *canvas) rates(d *result.Document, y float64) float64 {
	all := bars(d)
	if len(all) == 0 {
		return y
	}
	c.text(margin, y, style{15, black, "start", true}, "Requests per second at the maximum, one row a request (more is better)")
	y += 16
	const row, thick = 34.0, 17.0
	step := niceStep(all[0].rate / 4)
	last := math.Ceil(all[0].rate/step) * step
	at := func(rate float64) float64 { return left + rate/last*(right-left) }
	bottom := y + row*float64(len(all))
	for tick := 0.0; tick <= last+step/2; tick += step {
		c.line(at(tick), y, at(tick), bottom, 1, faint, "")
		c.text(at(tick), bottom+16, style{11, gray, "middle", false}, thousands(tick))
	}
	for i, b := range all {
		top := y + row*float64(i)
		color := beige
		if b.ours {
			color = blue
		}
		c.label(top, row, b.label, b.of, b.ours)
		c.rect(left, top+(row-thick)/2, at(b.rate)-left, thick, color)
		c.text(at(b.rate)+7, top+row/2+4, style{12, black, "start", b.ours}, table.Number(b.rate))
	}
	return bottom + 16
}

// label writes what a row is of, in two lines.
func (c *canvas) label(top, row float64, first, second string, bold bool) {
	c.text(left-12, top+row/2-2, style{12, black, "end", bold}, first)
	c.text(left-12, top+row/2+12, style{11, gray, "end", false}, second)
}

// niceStep is the smallest of 1, 2 and 5 times a power of ten that is not below v.
func niceStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, factor := range []float64{1, 2, 5} {
		if factor*power >= v {
			return factor * power
		}
	}
	return 10 * power
}

// thousands shortens the numbers of an axis: 20k.
func thousands(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%gk", v/1000)
	}
	return fmt.Sprintf("%g", v)
}

// goals draws how far each ratio is from its goal, from y on, and returns where that
// ends.
func (c *canvas) goals(d *result.Document, y float64) float64 {
	var rows []result.Row
	low, high := 0.5, 2.0
	for _, r := range d.Rows {
		if r.Goal.IsZero() {
			continue
		}
		rows = append(rows, r)
		s := r.Judged()
		for _, v := range []float64{s.Least, s.Most} {
			low, high = min(low, r.Goal.Margin(v)), max(high, r.Goal.Margin(v))
		}
	}
	c.text(margin, y, style{15, black, "start", true}, "Against what is to be reached (right of the line: reached)")
	y += 30
	const row = 36.0
	low, high = low*0.95, high*1.05
	at := func(v float64) float64 {
		return left + math.Log(v/low)/math.Log(high/low)*(right-left)
	}
	bottom := y + row*float64(len(rows))
	for _, tick := range []float64{0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50} {
		if tick < low || tick > high {
			continue
		}
		c.line(at(tick), y, at(tick), bottom, 1, faint, "")
		name := fmt.Sprintf("%gx", tick)
		if tick == 1 {
			name = "the goal"
		}
		c.text(at(tick), bottom+16, style{11, gray, "middle", false}, name)
	}
	c.line(at(1), y-6, at(1), bottom, 2, black, "5 3")
	c.text(right+20, y-8, style{11, gray, "start", false}, "ratio (to reach)")
	for i, r := range rows {
		c.goal(r, y+row*float64(i), row, at)
	}
	c.text((left+right)/2, bottom+36, style{11, gray, "middle", false}, "how many times better than asked, logarithmic; dot: median, line: range")
	return bottom + 40
}

// goal draws one row.
func (c *canvas) goal(r result.Row, top, row float64, at func(float64) float64) {
	against, of := r.Against, r.What
	if against == "" {
		against = "by itself"
	}
	if r.Of != "" {
		of = r.Of + ": " + of
	}
	c.label(top, row, against, of, false)
	color := green
	if !r.Reached {
		color = red
	}
	s, middle := r.Judged(), top+row/2
	least, most := at(r.Goal.Margin(s.Least)), at(r.Goal.Margin(s.Most))
	if least > most {
		least, most = most, least
	}
	c.line(least, middle, most, middle, 2.5, color, "")
	for _, x := range []float64{least, most} {
		c.line(x, middle-4, x, middle+4, 2, color, "")
	}
	c.dot(at(r.Goal.Margin(s.Median)), middle, r.Reached, color)
	c.text(right+20, middle+4, style{12, color, "start", true}, table.Number(s.Median))
	c.text(right+72, middle+4, style{12, gray, "start", false}, "("+r.Goal.String()+")")
}
