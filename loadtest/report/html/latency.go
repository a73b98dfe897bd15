package html

import (
	"fmt"
	"math"
	"strings"

	"rollproof/loadtest/report/series"
)

// scale is a logarithmic scale of latency, top to bottom.
type scale struct {
	low, high     float64 // log10 of seconds
	top, bottom   float64 // pixels
	lowest, above float64 // seconds, as they were asked for
}

// newScale returns a scale that holds all from least to most, to the next 1, 2 or 5.
func newScale(least, most, top, bottom float64) scale {
	least = max(least, 1e-6)
	most = max(most, least*1.5)
	return scale{low: math.Log10(roundDown(least)), high: math.Log10(roundUp(most)), top: top, bottom: bottom, lowest: least, above: most}
}

var steps = []float64{1, 2, 5, 10}

func roundDown(v float64) float64 {
	base := math.Pow10(int(math.Floor(math.Log10(v))))
	out := base
	for _, s := range steps {
		if s*base <= v*1.0001 {
			out = s * base
		}
	}
	return out
}

func roundUp(v float64) float64 {
	base := math.Pow10(int(math.Floor(math.Log10(v))))
	for _, s := range steps {
		if s*base >= v*0.9999 {
			return s * base
		}
	}
	return 10 * base
}

// y returns where a latency lies.
func (s scale) y(seconds float64) float64 {
	v := (math.Log10(max(seconds, 1e-6)) - s.low) / (s.high - s.low)
	return s.bottom - min(max(v, 0), 1)*(s.bottom-s.top)
}

// levels returns the labels of the scale: its decades, and where it has none or
// one its ends too.
func (s scale) levels() []Level {
	var out []Level
	add := func(log float64) {
		y := int(math.Round(s.y(math.Pow(10, log))))
		for _, l := range out {
			if d := l.Y - y; d > -12 && d < 12 {
				return
			}
		}
		out = append(out, Level{Y: y, Text: long(math.Pow(10, log))})
	}
	add(s.high)
	for log := math.Ceil(s.low - 1e-9); log <= s.high+1e-9; log++ {
		add(log)
	}
	add(s.low)
	return out
}

// curves returns a row for each lane: its latency over time, by version.
func (d *drawing) curves() []Row {
	var out []Row
	for i, l := range d.s.Lanes {
		least, most := math.Inf(1), 0.0
		for _, p := range l.Points {
			if p.Max > 0 {
				least, most = min(least, p.P50), max(most, p.Max)
			}
		}
		if most == 0 {
			continue
		}
		sc := newScale(least, most, 6, curveHeight-6)
		row := Row{ID: fmt.Sprintf("latency-%d", i), Label: l.Name, Height: curveHeight, Tall: true, Levels: sc.levels()}
		row.Paths = append(row.Paths, Path{D: d.steps(l.Points, sc, func(p series.Point) float64 { return p.Max }), Class: "curve longest"})
		var names []string
		for _, c := range l.Curves {
			class := d.versionClass(c.Version)
			row.Paths = append(row.Paths,
				Path{D: d.steps(c.Points, sc, func(p series.Point) float64 { return p.P50 }), Class: "curve median " + class},
				Path{D: d.steps(c.Points, sc, func(p series.Point) float64 { return p.P99 }), Class: "curve p99 " + class})
			names = append(names, "v"+clip(c.Version, 20))
		}
		row.Sub = strings.Join(names, ", ")
		row.About = fmt.Sprintf("Latency of lane %s over time, from %s to %s; the percentiles are in a table below.", l.Name, long(least), long(most))
		out = append(out, row)
	}
	return out
}

// versionClass tells the version from before the upgrade from the others.
func (d *drawing) versionClass(version string) string {
	if d.r.Run.Upgrade && version == d.r.Run.From {
		return "old"
	}
	return "new"
}

// steps draws one value of points that follow each other; where none was, there is
// no line.
func (d *drawing) steps(points []series.Point, sc scale, value func(series.Point) float64) string {
	var path strings.Builder
	last := math.Inf(-1)
	for _, p := range points {
		v := value(p)
		if v <= 0 {
			continue
		}
		y := int(math.Round(sc.y(v)))
		if p.At-last > d.s.Width*0.01 {
			fmt.Fprintf(&path, "M%d %d", d.x(p.At), y)
		} else {
			fmt.Fprintf(&path, "V%d", y)
		}
		last = p.At + d.s.Width
		fmt.Fprintf(&path, "H%d", d.x(last))
	}
	return path.String()
}

// Chart is the distribution of one lane's latency: how long an ever larger share
// of answers took at most.
type Chart struct {
	Lane   string
	About  string
	Width  int
	Height int
	Levels []Level
	Shares []Tick // X is in pixels
	Lines  []ChartLine
}

// ChartLine is one version's line, with its name at its end.
type ChartLine struct {
	D, Class string
	Name     string
	X, Y     int
}

// Measures of a chart, in pixels.
const (
	chartWidth  = 360
	chartHeight = 200
	chartLeft   = 52
	chartRight  = 40
	chartTop    = 12
	chartBottom = chartHeight - 26
)

// charts returns the distribution of each lane.
func (d *drawing) charts() []Chart {
	var out []Chart
	for _, l := range d.s.Lanes {
		var of []series.Distribution
		least, most, nines := math.Inf(1), 0.0, 1.0
		for _, x := range l.Distributions {
			if x.Phase != "" || x.Pod != "" || x.Version == "" || len(x.Quantiles) == 0 {
				continue
			}
			of = append(of, x)
			least, most = min(least, x.Quantiles[0].Seconds), max(most, x.Max)
			nines = max(nines, ninesOf(x))
		}
		if len(of) == 0 {
			continue
		}
		sc := newScale(least, most, chartTop, chartBottom)
		x := func(n float64) int { return chartLeft + int(float64(chartWidth-chartLeft-chartRight)*n/nines) }
		c := Chart{Lane: l.Name, Width: chartWidth, Height: chartHeight, Levels: sc.levels()}
		for n, text := range []string{"0", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"} {
			if float64(n) <= nines {
				c.Shares = append(c.Shares, Tick{fmt.Sprint(x(float64(n))), text})
			}
		}
		var said []string
		for _, v := range of {
			line := ChartLine{Name: "v" + clip(v.Version, 8), Class: d.versionClass(v.Version)}
			var path strings.Builder
			for i, q := range append(v.Quantiles, series.Quantile{Share: 1, Seconds: v.Max}) {
				n := ninesOf(v)
				if q.Share < 1 {
					n = -math.Log10(1 - q.Share)
				}
				line.X, line.Y = x(n), int(math.Round(sc.y(q.Seconds)))
				if i == 0 {
					fmt.Fprintf(&path, "M%d %d", line.X, line.Y)
				} else {
					fmt.Fprintf(&path, "L%d %d", line.X, line.Y)
				}
			}
			line.D = path.String()
			c.Lines = append(c.Lines, line)
			said = append(said, fmt.Sprintf("version %s: %s", clip(v.Version, 20), quantileWords(v)))
		}
		apart(c.Lines)
		c.About = fmt.Sprintf("Distribution of latency on lane %s. %s.", l.Name, strings.Join(said, "; "))
		out = append(out, c)
	}
	return out
}

// apart moves names that would lie on each other.
func apart(lines []ChartLine) {
	for i := range lines {
		for k := range lines[:i] {
			if dx, dy := lines[i].X-lines[k].X, lines[i].Y-lines[k].Y; dx > -30 && dx < 30 && dy > -12 && dy < 12 {
				lines[i].Y = lines[k].Y + 12
			}
		}
	}
}

// ninesOf returns the share at which a distribution ends, as a number of nines:
// of n answers the longest is at 1 - 1/n.
func ninesOf(d series.Distribution) float64 { return max(math.Log10(float64(d.Count)), 0.3) }

func quantileWords(d series.Distribution) string {
	var parts []string
	for _, q := range tableShares {
		if s, ok := d.At(q.share); ok {
			parts = append(parts, q.name+" "+long(s))
		}
	}
	return strings.Join(append(parts, "max "+long(d.Max)), ", ")
}

// tableShares are the percentiles that tables show.
var tableShares = []struct {
	share float64
	name  string
}{{0.5, "p50"}, {0.9, "p90"}, {0.99, "p99"}, {0.999, "p99.9"}, {0.9999, "p99.99"}}

// Percentiles is one row of the table of percentiles.
type Percentiles struct {
	Lane, Version, Phase, Pod string
	Answers                   string
	Values                    []string
	Max                       string
}

// percentiles returns the rows of a table of those distributions that it is of.
func (d *drawing) percentiles(is func(series.Distribution) bool) []Percentiles {
	var out []Percentiles
	for _, l := range d.s.Lanes {
		for _, x := range l.Distributions {
			// With one version, all of them are the same.
			if !is(x) || (x.Pod == "" && x.Version == "" && len(l.Curves) == 1) {
				continue
			}
			p := Percentiles{Lane: l.Name, Version: "all", Phase: x.Phase, Pod: clip(x.Pod, 80), Answers: count(x.Count), Max: long(x.Max)}
			if x.Version != "" {
				p.Version = clip(x.Version, 40)
			}
			for _, q := range tableShares {
				value := "–"
				if s, ok := x.At(q.share); ok {
					value = long(s)
				}
				p.Values = append(p.Values, value)
			}
			out = append(out, p)
		}
	}
	return out
}
