package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"rollproof/loadtest/explain"
	"rollproof/loadtest/tally"
	"rollproof/loadtest/timeline"
)

// Explain says why the losses were lost, and fills in what was measured of the
// cluster. losses are all of them, with the masked retries, in any order, as
// run.Losses reads them. It uses nothing but what the report and the timeline
// hold, so that it comes to the same from a run's folder at any later time. After
// an error what came before it is explained.
func (r *Report) Explain(losses iter.Seq2[tally.Loss, error]) error {
	in := r.scene()
	e := explain.New(in)
	drawn := r.newMarks()
	var readErr error
	for loss, err := range losses {
		if err != nil {
			readErr = fmt.Errorf("explanations: %w", err)
			break
		}
		e.Add(loss)
		drawn.add(loss, e.Cause(loss))
	}
	r.marks = drawn.sorted()
	r.Explanations = e.Explanations()
	r.Facts = explain.Facts(in)
	for i := range r.Losses {
		r.Losses[i].Cause = e.Cause(r.Losses[i].Loss)
	}
	return readErr
}

// scene is what explanations rest on.
func (r *Report) scene() explain.Input {
	in := explain.Input{Timeline: r.timeline, Run: r.Run, Pods: map[string]*tally.Pod{}}
	for _, p := range r.Pods {
		if p.Requests > 0 {
			in.Pods[p.Name] = &tally.Pod{
				Requests: p.Requests, Lost: p.Lost, Versions: p.Versions, First: p.First, Last: p.Last, LastNew: p.LastNew,
			}
		}
	}
	for _, l := range r.Lanes {
		in.Longest = max(in.Longest, time.Duration(l.Max*float64(time.Second)))
	}
	return in
}

// Load reads the report, and the timeline where there is one, that Write kept in
// dir.
func Load(dir string) (*Report, error) {
	var r Report
	if err := readJSON(filepath.Join(dir, File), &r); err != nil {
		return nil, err
	}
	if r.SchemaVersion != SchemaVersion {
		return nil, fmt.Errorf("report %s: its form is version %d, want %d", filepath.Join(dir, File), r.SchemaVersion, SchemaVersion)
	}
	var t timeline.Timeline
	switch err := readJSON(filepath.Join(dir, TimelineFile), &t); {
	case errors.Is(err, fs.ErrNotExist): // no cluster was watched
	case err != nil:
		return nil, err
	default:
		r.timeline = &t
	}
	return &r, nil
}

func readJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("report %s: %w", path, err)
	}
	return nil
}
