// Package report tells people and programs what a run saw and how it was
// judged: a line of progress and a summary on the terminal, JSON in the run's
// folder. It computes figures for display and judges nothing.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"rollproof/loadtest/explain"
	"rollproof/loadtest/objectives"
	"rollproof/loadtest/run"
	"rollproof/loadtest/tally"
	"rollproof/loadtest/timeline"
	"rollproof/loadtest/verdict"
)

// The files that Write makes.
const (
	File         = "report.json"
	TimelineFile = "timeline.json"
)

// SchemaVersion is the version of report.json's form. A change that would break
// a reader raises it.
const SchemaVersion = 3

// Report is report.json.
type Report struct {
	SchemaVersion int                   `json:"schema_version"`
	Verdict       verdict.Verdict       `json:"verdict"`
	Run           verdict.Run           `json:"run"`
	Settings      run.Config            `json:"settings"`
	Objectives    objectives.Objectives `json:"objectives"`
	Lanes         []Lane                `json:"lanes"`
	Pods          []Pod                 `json:"pods"`
	Versions      map[string]uint64     `json:"versions"` // right answers by version
	Upgrade       *Upgrade              `json:"upgrade,omitempty"`
	Explanations  []explain.Explanation `json:"explanations"` // of every loss and masked retry
	Facts         []explain.Fact        `json:"facts"`
	Losses        []Loss                `json:"losses"` // the earliest of each lane; the counts are whole
	CommandTail   []string              `json:"command_tail,omitempty"`

	timeline *timeline.Timeline
	marks    []Mark
}

// Loss is one loss with its cause, which names one of the explanations.
type Loss struct {
	tally.Loss
	Cause explain.Cause `json:"cause"`
}

// Lane is one lane's figures. Latency counts from the time at which a request
// was due, in seconds, of right answers.
type Lane struct {
	Name         string                 `json:"name"`
	OpenLoop     bool                   `json:"open_loop"`
	TargetRate   float64                `json:"target_rate,omitempty"`
	Rate         float64                `json:"rate"`
	Began        time.Time              `json:"began"` // its first request was due
	Ended        time.Time              `json:"ended"` // its sending ended
	Seconds      float64                `json:"seconds"`
	Requests     uint64                 `json:"requests"`
	Rows         uint64                 `json:"rows"`
	OK           uint64                 `json:"ok"`
	Lost         map[tally.Class]uint64 `json:"lost"`
	Masked       uint64                 `json:"masked"`
	Late         uint64                 `json:"late"`
	MaxLate      float64                `json:"max_late_seconds"`
	Dropped      uint64                 `json:"dropped"`
	PeakInFlight int                    `json:"peak_in_flight"`
	MaxWorkers   int                    `json:"max_workers,omitempty"`
	P50          float64                `json:"p50_seconds"`
	P90          float64                `json:"p90_seconds"`
	P99          float64                `json:"p99_seconds"`
	P999         float64                `json:"p999_seconds"`
	Max          float64                `json:"max_seconds"`
	Stall        float64                `json:"stall_seconds"`
	StallAt      float64                `json:"stall_at_seconds"` // after the run's start
	Versions     map[string]uint64      `json:"versions"`
	// The lane's requests by the run's phase in which they were due, by the version
	// that answered and by the pod.
	Phases    map[string]Share `json:"phases,omitempty"`
	ByVersion map[string]Share `json:"by_version,omitempty"`
	ByPod     map[string]Share `json:"by_pod,omitempty"`
}

// Share is a part of a lane's requests. Of pods the percentiles have two digits
// that count, of all others three.
type Share struct {
	Requests uint64  `json:"requests"`
	Lost     uint64  `json:"lost"`
	P50      float64 `json:"p50_seconds"`
	P90      float64 `json:"p90_seconds"`
	P99      float64 `json:"p99_seconds"`
	P999     float64 `json:"p999_seconds"`
	Max      float64 `json:"max_seconds"`
}

// Pod is one pod: what it answered and what the cluster said of it.
type Pod struct {
	Name     string            `json:"name"`
	Requests uint64            `json:"requests"`
	Lost     uint64            `json:"lost"`
	Versions map[string]uint64 `json:"versions"`
	First    time.Time         `json:"first_answer,omitzero"`
	Last     time.Time         `json:"last_answer,omitzero"`
	LastNew  time.Time         `json:"last_new_connection,omitzero"` // when it was last asked on one, and answered right
	Cluster  *timeline.Pod     `json:"cluster,omitempty"`
}

// Upgrade holds the timeline's main figures, in seconds after the command's
// start unless they say otherwise; null where it did not come to that.
type Upgrade struct {
	Command      *float64 `json:"command_seconds"`
	Rollout      *float64 `json:"rollout_seconds"`
	ScaleUp      *float64 `json:"scale_up_seconds"` // after the step's start
	PeakReplicas int32    `json:"peak_replicas"`
	Settle       *float64 `json:"settle_seconds"` // after the step's end
}

// New puts a report together. What Explain adds is still missing.
func New(cfg run.Config, result *run.Result, v verdict.Verdict) *Report {
	in := result.Input
	r := &Report{
		SchemaVersion: SchemaVersion, Verdict: v, Run: in.Run, Settings: cfg, Objectives: in.Objectives,
		Versions: map[string]uint64{}, Losses: []Loss{}, CommandTail: result.CommandTail, timeline: in.Timeline,
	}
	for _, l := range in.Lanes {
		lane := newLane(l)
		r.Lanes = append(r.Lanes, lane)
		for version, n := range lane.Versions {
			r.Versions[version] += n
		}
		for _, loss := range l.EarliestLosses() {
			r.Losses = append(r.Losses, Loss{Loss: loss})
		}
	}
	sort.SliceStable(r.Losses, func(i, j int) bool { return r.Losses[i].At.Before(r.Losses[j].At) })
	r.Pods = newPods(tally.Pods(in.Lanes), in.Timeline)
	if in.Run.Upgrade && in.Timeline != nil && !in.Run.CommandStart.IsZero() {
		r.Upgrade = newUpgrade(in.Run, in.Timeline)
	}
	return r
}

func newLane(l *tally.Lane) Lane {
	at := func(q float64) float64 { return float64(l.Latency.ValueAtQuantile(q)) / 1e6 }
	stallAt, stall := time.Duration(0), time.Duration(0)
	if l.OpenLoop {
		stallAt, stall = l.Stall()
	}
	lane := Lane{
		Name: l.Name, OpenLoop: l.OpenLoop, TargetRate: l.Target, Rate: l.Rate(), Began: l.Began, Ended: l.Ended, Seconds: l.Seconds(),
		Requests: l.Requests, Rows: l.Rows, OK: l.OK, Lost: l.Lost, Masked: l.Masked,
		Late: l.Late, MaxLate: l.MaxLate.Seconds(), Dropped: l.Dropped, PeakInFlight: l.PeakInFlight, MaxWorkers: l.MaxWorkers,
		P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(l.Latency.Max()) / 1e6,
		Stall: stall.Seconds(), StallAt: stallAt.Seconds(), Versions: l.Versions(),
		Phases: shares(l.Stages), ByVersion: shares(l.Told), ByPod: map[string]Share{},
	}
	for name, p := range l.Pods {
		lane.ByPod[name] = newShare(p.Requests, p.Lost, p.Latency)
	}
	return lane
}

func shares(from map[string]*tally.Share) map[string]Share {
	out := map[string]Share{}
	for name, s := range from {
		out[name] = newShare(s.Requests, s.Lost, s.Latency)
	}
	return out
}

// newShare takes the percentiles of a histogram, nil where nothing was answered right.
func newShare(requests, lost uint64, latency *hdrhistogram.Histogram) Share {
	s := Share{Requests: requests, Lost: lost}
	if latency == nil {
		return s
	}
	at := func(q float64) float64 { return float64(latency.ValueAtQuantile(q)) / 1e6 }
	s.P50, s.P90, s.P99, s.P999, s.Max = at(50), at(90), at(99), at(99.9), float64(latency.Max())/1e6
	return s
}

func newPods(answered map[string]*tally.Pod, t *timeline.Timeline) []Pod {
	out := []Pod{}
	seen := map[string]bool{}
	if t != nil {
		for _, p := range t.Pods {
			pod := Pod{Name: p.Name, Versions: map[string]uint64{}, Cluster: &p}
			pod.fill(answered[p.Name])
			out = append(out, pod)
			seen[p.Name] = true
		}
	}
	for _, name := range tally.PodNames(answered) {
		if !seen[name] {
			pod := Pod{Name: name}
			pod.fill(answered[name])
			out = append(out, pod)
		}
	}
	return out
}

func (p *Pod) fill(t *tally.Pod) {
	if t != nil {
		p.Requests, p.Lost, p.Versions, p.First, p.Last = t.Requests, t.Lost, t.Versions, t.First, t.Last
		p.LastNew = t.LastNew
	}
}

func newUpgrade(r verdict.Run, t *timeline.Timeline) *Upgrade {
	return &Upgrade{
		Command:      between(r.CommandStart, r.CommandEnd),
		Rollout:      between(r.CommandStart, r.RolledOut),
		ScaleUp:      between(r.StepStart, t.Raised(r.CommandStart)),
		PeakReplicas: t.Peak(r.CommandStart),
		Settle:       between(r.StepEnd, r.Settled),
	}
}

func between(from, to time.Time) *float64 {
	if from.IsZero() || to.IsZero() {
		return nil
	}
	s := to.Sub(from).Seconds()
	return &s
}

// Write keeps the report, and the timeline where there is one, in dir. Each file
// appears whole or not at all.
func (r *Report) Write(dir string) error {
	if r.timeline != nil {
		if err := writeJSON(filepath.Join(dir, TimelineFile), r.timeline); err != nil {
			return err
		}
	}
	return writeJSON(filepath.Join(dir, File), r)
}

// JSON writes the report as report.json has it.
func (r *Report) JSON(w io.Writer) error {
	data, err := encode(r)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	_, err = w.Write(data)
	return err
}

func encode(v any) ([]byte, error) {
	data, err := json.MarshalIndent(v, "", "  ")
	return append(data, '\n'), err
}

func writeJSON(path string, v any) error {
	data, err := encode(v)
	if err != nil {
		return fmt.Errorf("report %s: %w", path, err)
	}
	return WriteFile(path, data)
}

// WriteFile writes a file that appears whole or not at all.
func WriteFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("report %s: %w", path, errors.Join(err, os.Remove(f.Name())))
		}
	}()
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
