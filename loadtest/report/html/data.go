package html

import (
	"rollproof/loadtest/timeline"
)

// Data is what the script reads: the same that is drawn, as numbers.
type Data struct {
	Seconds float64    `json:"seconds"`
	Step    float64    `json:"step"`
	Phases  []State    `json:"phases"`
	Lanes   []LaneData `json:"lanes"`
	Pods    []PodData  `json:"pods"`
	Scales  [][4]int32 `json:"scales"` // asked for, ready, measured, most
	ScaleAt []float64  `json:"scaleAt"`
}

// LaneData is a lane's points: when, requests, lost, masked, p50, p99, max.
type LaneData struct {
	Name   string       `json:"name"`
	Points [][7]float64 `json:"points"`
}

// PodData is a pod's states and its endpoint's.
type PodData struct {
	Name   string  `json:"name"`
	States []State `json:"states"`
	Routes []State `json:"routes"`
}

// data returns what the script reads.
func (d *drawing) data() Data {
	out := Data{Seconds: d.total, Phases: []State{}, Lanes: []LaneData{}, Pods: []PodData{}, Scales: [][4]int32{}, ScaleAt: []float64{}}
	for _, p := range d.r.Phases() {
		out.Phases = append(out.Phases, State{d.r.After(p.From), d.r.After(p.To), p.Name})
	}
	if d.s != nil {
		out.Step = d.s.Width
		for _, l := range d.s.Lanes {
			lane := LaneData{Name: l.Name, Points: [][7]float64{}}
			for _, p := range l.Points {
				lane.Points = append(lane.Points, [7]float64{p.At, float64(p.Requests), float64(p.Lost), float64(p.Masked), p.P50, p.P99, p.Max})
			}
			out.Lanes = append(out.Lanes, lane)
		}
	}
	t := d.r.Timeline()
	if t == nil {
		return out
	}
	rows, _ := d.pods(t)
	drawn := map[string]bool{}
	for _, row := range rows {
		drawn[row.Label] = true
	}
	for _, p := range d.r.Pods {
		if p.Cluster != nil && drawn[clip(p.Name, 80)] {
			out.Pods = append(out.Pods, PodData{Name: clip(p.Name, 80), States: orNone(d.states(*p.Cluster)), Routes: orNone(d.routes(t, p.Name))})
		}
	}
	scales := t.Scales
	for _, s := range thin(scales, 500) {
		out.Scales = append(out.Scales, [4]int32{s.Spec, s.Ready, s.Measured, s.Max})
		out.ScaleAt = append(out.ScaleAt, d.r.After(s.At))
	}
	return out
}

func orNone(s []State) []State {
	if s == nil {
		return []State{}
	}
	return s
}

// thin keeps at most so many of a list, evenly.
func thin(list []timeline.Scale, most int) []timeline.Scale {
	if len(list) <= most {
		return list
	}
	out := make([]timeline.Scale, 0, most)
	for i := range most {
		out = append(out, list[i*len(list)/most])
	}
	return out
}
