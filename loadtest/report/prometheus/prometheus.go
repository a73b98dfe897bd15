// Package prometheus writes a report as metrics in Prometheus' text format, for a
// push gateway or the node exporter's textfile collector. All of them are gauges:
// they tell of one run that is over. It judges nothing.
package prometheus

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"rollproof/loadtest/report"
	"rollproof/loadtest/tally"
	"rollproof/loadtest/verdict"
)

// File is the name of the file in a run's folder.
const File = "metrics.prom"

// metrics gathers the gauges of one report.
type metrics struct {
	registry *prometheus.Registry
	gauges   map[string]*prometheus.GaugeVec
}

// set sets a gauge; labels are names and values in turn.
func (m *metrics) set(name, help string, value float64, labels ...string) {
	names, values := []string{}, []string{}
	for i := 0; i+1 < len(labels); i += 2 {
		names = append(names, labels[i])
		values = append(values, strings.ToValidUTF8(labels[i+1], "?"))
	}
	g := m.gauges[name]
	if g == nil {
		g = prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "rollproof", Subsystem: "loadtest", Name: name, Help: help}, names)
		m.registry.MustRegister(g)
		m.gauges[name] = g
	}
	g.WithLabelValues(values...).Set(value)
}

// Write writes the metrics.
func Write(w io.Writer, r *report.Report) error {
	m := &metrics{registry: prometheus.NewRegistry(), gauges: map[string]*prometheus.GaugeVec{}}
	m.run(r)
	for _, l := range r.Lanes {
		m.lane(l)
	}
	for _, e := range r.Explanations {
		m.set("explained_requests", "Requests that were lost, or answered by a hidden retry, by cause.", float64(e.Count), "cause", string(e.Cause))
	}
	for _, f := range r.Facts {
		value := f.Value
		if value == nil {
			value = f.Max
		}
		if value == nil {
			continue
		}
		const help = "What was measured of the rollout; of several pods the most."
		switch f.Unit {
		case "s":
			m.set("fact_seconds", help, *value, "fact", f.Name)
		case "ratio":
			m.set("fact_ratio", help, *value, "fact", f.Name)
		default:
			m.set("fact_value", help, *value, "fact", f.Name)
		}
	}
	families, err := m.registry.Gather()
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(w, f); err != nil {
			return fmt.Errorf("metrics: %w", err)
		}
	}
	return nil
}

// run tells of the run as a whole.
func (m *metrics) run(r *report.Report) {
	v := r.Verdict
	for _, o := range []verdict.Outcome{verdict.Pass, verdict.Fail, verdict.Inconclusive} {
		value := 0.0
		if o == v.Outcome {
			value = 1
		}
		m.set("verdict", "1 for the verdict of the run, 0 for the others.", value, "verdict", strings.ToLower(string(o)))
	}
	for _, c := range r.Checks() {
		value := 0.0
		if c.Outcome == verdict.Pass {
			value = 1
		}
		if c.Judged {
			m.set("objective_met", "Whether an objective was met.", value, "objective", string(c.Rule))
		}
	}
	m.set("start_timestamp_seconds", "When the run began.", float64(r.Run.Start.UnixMilli())/1e3)
	m.set("duration_seconds", "How long the run lasted.", r.Run.End.Sub(r.Run.Start).Seconds())
	m.set("down_seconds", "From each loss to the next right answer, all open-loop lanes together.", v.SecondsDown)
	m.set("loss_ratio_upper_bound", "The share of losses that is excluded with 95 % certainty.", v.LossRateUpper)
	m.set("shortest_outage_shown_seconds", "The shortest outage that would have met a request wherever it fell.", v.OutageSeen)
	if u := r.Upgrade; u != nil {
		for _, f := range []struct {
			name, help string
			value      *float64
		}{
			{"command_seconds", "How long the command took.", u.Command},
			{"rollout_seconds", "From the command's start until the last old pod was gone.", u.Rollout},
			{"scale_up_seconds", "From the step's start until the autoscaler raised the replicas.", u.ScaleUp},
			{"settle_seconds", "From the step's end until the replicas were back.", u.Settle},
		} {
			if f.value != nil {
				m.set(f.name, f.help, *f.value)
			}
		}
		m.set("peak_replicas", "The most replicas that were asked for.", float64(u.PeakReplicas))
	}
}

// lane tells of one lane.
func (m *metrics) lane(l report.Lane) {
	m.set("requests", "Requests that were sent.", float64(l.Requests), "lane", l.Name)
	m.set("right_answers", "Requests that got the right answer.", float64(l.OK), "lane", l.Name)
	m.set("masked_losses", "Right answers that took a retry which the client hid.", float64(l.Masked), "lane", l.Name)
	m.set("late_requests", "Requests that were sent late.", float64(l.Late), "lane", l.Name)
	m.set("dropped_requests", "Requests that were due and not sent.", float64(l.Dropped), "lane", l.Name)
	m.set("request_rate", "Requests a second.", l.Rate, "lane", l.Name)
	for _, c := range tally.Classes() {
		m.set("lost_requests", "Requests that were lost, by class.", float64(l.Lost[c]), "lane", l.Name, "class", string(c))
	}
	if l.OpenLoop {
		m.set("stall_seconds", "The longest time without a right answer.", l.Stall, "lane", l.Name)
	}
	if l.OK == 0 {
		return
	}
	for _, q := range []struct {
		name  string
		value float64
	}{{"50", l.P50}, {"90", l.P90}, {"99", l.P99}, {"99.9", l.P999}, {"100", l.Max}} {
		m.set("latency_seconds", "Latency of right answers from the moment at which they were due.", q.value, "lane", l.Name, "percentile", q.name)
	}
	for _, version := range slices.Sorted(maps.Keys(l.Versions)) {
		m.set("version_right_answers", "Right answers, by the version that gave them.", float64(l.Versions[version]), "lane", l.Name, "version", version)
	}
}
