// Package replay puts a run together again from what it kept in its folder: the
// samples from Vegeta's raw results and the losses beside them, from these the
// tallies, the verdict, the explanations and the latency over time. What only
// the run itself could know (its settings, its moments, what was due and not
// sent) comes from report.json, and what the cluster did from timeline.json. It
// writes nothing.
package replay

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"rollproof/loadtest/report"
	"rollproof/loadtest/report/series"
	"rollproof/loadtest/run"
	"rollproof/loadtest/tally"
	"rollproof/loadtest/verdict"
)

// Run is a run that was put together again.
type Run struct {
	Kept   *report.Report // report.json as it is in the folder
	Report *report.Report // computed anew
	Series *series.Series // latency over time
}

// Read puts the run in dir together again. An error names the file that is
// missing, damaged, or does not fit the others.
func Read(dir string) (*Run, error) {
	kept, err := load(dir)
	if err != nil {
		return nil, err
	}
	counter := newCounter(kept)
	in := verdict.Input{Objectives: kept.Objectives, Timeline: kept.Timeline(), Run: kept.Run}
	for _, lane := range kept.Lanes {
		t, err := tallyOf(dir, kept, lane, counter)
		if err != nil {
			return nil, err
		}
		in.Lanes = append(in.Lanes, t)
	}
	again := report.New(kept.Settings, &run.Result{Input: in, CommandTail: kept.CommandTail}, verdict.Judge(in))
	keepLastNew(again, kept)
	if err := again.Explain(run.Losses(dir)); err != nil {
		return nil, err
	}
	return &Run{Kept: kept, Report: again, Series: counter.Series()}, nil
}

// Latency returns the latency over time of the run in dir, whose report is r.
func Latency(dir string, r *report.Report) (*series.Series, error) {
	counter := newCounter(r)
	for _, lane := range r.Lanes {
		for s, err := range Samples(dir, r, lane) {
			if err != nil {
				return nil, err
			}
			counter.Add(s)
		}
	}
	return counter.Series(), nil
}

// load reads report.json and timeline.json, and says what dir is if they are
// not there.
func load(dir string) (*report.Report, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("run's folder: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("run's folder %s: it is a file; the folder that holds %s is wanted", dir, report.File)
	}
	kept, err := report.Load(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s holds no run: %w", dir, err)
	}
	if err != nil {
		return nil, err
	}
	if kept.Timeline() == nil && kept.Run.Upgrade {
		return nil, fmt.Errorf("%s: %w: an upgrade's verdict rests on it", filepath.Join(dir, report.TimelineFile), fs.ErrNotExist)
	}
	return kept, nil
}

func newCounter(r *report.Report) *series.Counter {
	var phases []series.Phase
	for _, p := range r.Phases() {
		phases = append(phases, series.Phase(p))
	}
	return series.New(r.Run.Start, r.Run.End, phases)
}

// tallyOf counts the samples of one lane again, for counter, too.
func tallyOf(dir string, r *report.Report, lane report.Lane, counter *series.Counter) (*tally.Lane, error) {
	t := tally.NewLane(lane.Name, r.Run.Start, lane.OpenLoop, lane.TargetRate)
	t.Began, t.Ended, t.Dropped = lane.Began, lane.Ended, lane.Dropped
	t.PeakInFlight, t.MaxWorkers = lane.PeakInFlight, lane.MaxWorkers
	for s, err := range Samples(dir, r, lane) {
		if err != nil {
			return nil, err
		}
		t.Add(s)
		counter.Add(s)
	}
	return t, nil
}

// keepLastNew takes from the kept report what raw results do not hold: which
// right answers came on a new connection.
func keepLastNew(again, kept *report.Report) {
	last := map[string]time.Time{}
	for _, p := range kept.Pods {
		last[p.Name] = p.LastNew
	}
	for i := range again.Pods {
		again.Pods[i].LastNew = last[again.Pods[i].Name]
	}
}

// Samples reads the samples of one lane of the run in dir, in the order in which
// they were answered. An error names the file and ends it.
func Samples(dir string, r *report.Report, lane report.Lane) iter.Seq2[tally.Sample, error] {
	return func(yield func(tally.Sample, error) bool) {
		if err := eachSample(dir, r, lane, func(s tally.Sample) bool { return yield(s, nil) }); err != nil {
			yield(tally.Sample{}, err)
		}
	}
}

func rawFile(dir, lane string) string { return filepath.Join(dir, run.RawDir, lane+".gob") }
