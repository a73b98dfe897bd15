package html

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// axis is the time from the run's start to its end, as percent of a row's width:
// SVG takes its lengths in percent, so that a row is as wide as the screen, and
// zooming changes one number.
type axis struct {
	start time.Time
	total float64 // seconds
}

func newAxis(start, end time.Time) axis {
	return axis{start: start, total: max(end.Sub(start).Seconds(), 0.001)}
}

// share returns where a moment lies, from 0 to 1; what lies outside is put at
// the end that is next to it.
func (a axis) share(t time.Time) float64 { return a.shareOf(t.Sub(a.start).Seconds()) }

func (a axis) shareOf(seconds float64) float64 { return min(max(seconds/a.total, 0), 1) }

// percent writes a share as SVG takes it.
func percent(share float64) string {
	return strconv.FormatFloat(math.Round(share*1e6)/1e4, 'f', -1, 64) + "%"
}

// end returns t, or the axis' own end if t did not come.
func (a axis) end(t time.Time) time.Time {
	if t.IsZero() {
		return a.start.Add(time.Duration(a.total * float64(time.Second)))
	}
	return t
}

// Tick is one label of the axis.
type Tick struct {
	X, Text string
}

// ticks returns round moments, eight or so.
func (a axis) ticks() []Tick {
	step := roundStep(a.total / 8)
	var out []Tick
	for n := 0; float64(n)*step <= a.total*1.0001; n++ {
		out = append(out, Tick{percent(a.shareOf(float64(n) * step)), clock(float64(n)*step, step)})
	}
	return out
}

// roundStep returns the least step of the usual ones that is not below least.
func roundStep(least float64) float64 {
	for _, step := range []float64{0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200} {
		if step >= least {
			return step
		}
	}
	return 86400
}

// clock writes seconds after the start as a label: 12 s, 0.25 s, 3:20, 1:02:00.
func clock(seconds, step float64) string {
	if step < 60 && seconds < 600 {
		return strconv.FormatFloat(math.Round(seconds*1e3)/1e3, 'f', -1, 64) + " s"
	}
	s := int(math.Round(seconds))
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}
