package replay

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"rollproof/loadtest/attack"
	"rollproof/loadtest/report"
	"rollproof/loadtest/run"
	"rollproof/loadtest/tally"
	"rollproof/loadtest/verdict"
)

// reader makes samples of one lane's raw results.
type reader struct {
	stages []verdict.Stage
	lane   report.Lane
	losses map[uint64]tally.Loss // by number; each is taken out when its result comes
	rows   int                   // of a request
}

// eachSample gives yield the samples of a lane until it says no.
func eachSample(dir string, r *report.Report, lane report.Lane, yield func(tally.Sample) bool) error {
	path := rawFile(dir, lane.Name)
	if lane.Requests > 0 && lane.Began.IsZero() {
		return fmt.Errorf("%s: lane %s has no \"began\": it was written by an earlier version, whose raw results cannot be counted again", report.File, lane.Name)
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("raw results of lane %s: %w", lane.Name, err)
	}
	defer file.Close() //nolint:errcheck // only read
	losses, err := lossesOf(dir, lane.Name)
	if err != nil {
		return err
	}
	read := &reader{stages: r.Run.Stages, lane: lane, losses: losses}
	if lane.Requests > 0 {
		read.rows = int(lane.Rows / lane.Requests)
	}
	decode := vegeta.NewDecoder(bufio.NewReaderSize(file, 1<<20))
	var n uint64
	for ; ; n++ {
		var result vegeta.Result
		err := decode(&result)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: result %d of %d: %w", path, n+1, lane.Requests, err)
		}
		s, err := read.sample(&result)
		if err != nil {
			return fmt.Errorf("%s: result %d: %w", path, n+1, err)
		}
		if !yield(s) {
			return nil
		}
	}
	if n != lane.Requests {
		return fmt.Errorf("%s holds %d results, and %s tells of %d requests on lane %s: one of them is damaged, or of another run",
			path, n, report.File, lane.Requests, lane.Name)
	}
	if len(read.losses) > 0 {
		return fmt.Errorf("%s: %d losses have no result in %s: one of them is cut short", run.LossPath(dir, lane.Name), len(read.losses), path)
	}
	return nil
}

// lossesOf returns the losses of one lane by number.
func lossesOf(dir, lane string) (map[uint64]tally.Loss, error) {
	out := map[uint64]tally.Loss{}
	for loss, err := range run.LossesOf(dir, lane) {
		if err != nil {
			return nil, err
		}
		out[loss.Seq] = loss
	}
	return out, nil
}

// sample makes of a result what the lane made of it.
func (r *reader) sample(result *vegeta.Result) (tally.Sample, error) {
	s := tally.Sample{
		Lane: r.lane.Name, Seq: result.Seq, Sent: result.Timestamp, Intended: r.intended(result),
		Class: tally.OK, Status: int(result.Code), Attempts: 1, Rows: r.rows,
		Pod: result.Headers.Get(attack.PodHeader), Version: result.Headers.Get(attack.VersionHeader),
		// Unknown of right answers: see keepLastNew.
		Reused: true,
	}
	s.Latency = result.End().Sub(s.Intended)
	s.Stage = verdict.StageAt(r.stages, s.Intended)
	l, ok := r.losses[result.Seq]
	if !ok {
		if result.Error != "" {
			return s, fmt.Errorf("request %d was lost (%s), and %s does not tell of it", result.Seq, result.Error, "the file of losses")
		}
		return s, nil
	}
	delete(r.losses, result.Seq)
	if !l.At.Equal(s.Intended) {
		return s, fmt.Errorf("request %d was due at %s, and the file of losses says %s", result.Seq, s.Intended.Format(time.RFC3339Nano), l.At.Format(time.RFC3339Nano))
	}
	s.Class, s.Detail, s.Status, s.Pod, s.Version, s.Remote = l.Class, l.Detail, l.Status, l.Pod, l.Version, l.Remote
	s.Reused, s.Attempts, s.Conn, s.Local, s.Written, s.LastPod, s.Phase = l.Reused, l.Attempts, l.Conn, l.Local, l.Written, l.LastPod, l.Phase
	s.Idle = seconds(l.IdleSeconds)
	return s, nil
}

// intended returns when a request was due: at its place in an open loop, and
// otherwise when it was sent.
func (r *reader) intended(result *vegeta.Result) time.Time {
	if !r.lane.OpenLoop {
		return result.Timestamp
	}
	return attack.Due(r.lane.Began, r.lane.TargetRate, result.Seq, result.Timestamp)
}

// seconds is the duration that Duration.Seconds made a number of.
func seconds(s float64) time.Duration {
	if s < 0 {
		return -seconds(-s)
	}
	return time.Duration(s*float64(time.Second) + 0.5)
}
