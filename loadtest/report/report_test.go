package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rollproof/loadtest/goldentest"
	"rollproof/loadtest/objectives"
	"rollproof/loadtest/report"
	"rollproof/loadtest/run"
	"rollproof/loadtest/tally"
	"rollproof/loadtest/timeline"
	"rollproof/loadtest/verdict"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(seconds float64) time.Time {
	return start.Add(time.Duration(seconds * float64(time.Second)))
}

// input is an upgrade of 20 seconds; with lost, some of its requests are.
func input(lost bool) verdict.Input {
	lane := tally.NewLane("new", start, true, 10)
	lane.Began, lane.Ended = start, at(20)
	for i := range 200 {
		s := tally.Sample{
			Lane: "new", Seq: uint64(i), Intended: at(float64(i) / 10), Sent: at(float64(i) / 10), Status: 200,
			Latency: time.Duration(i+1) * 100 * time.Microsecond, Class: tally.OK, Attempts: 1, Rows: 1, Pod: "web-a", Version: "1", Remote: "127.0.0.1:30080",
		}
		if i >= 100 {
			s.Pod, s.Version = "web-b", "2"
		}
		if lost && i >= 98 && i < 101 {
			s.Class, s.Detail, s.Pod, s.Status = tally.EOF, "EOF\x1b[31m", "", 0
			s.Reused, s.Conn, s.LastPod, s.Idle, s.Written, s.Phase = true, 7, "web-a", 100*time.Millisecond, 300, tally.Wait
		}
		lane.Add(s)
	}
	o := objectives.Default()
	o.Evidence.Requests = 100
	return verdict.Input{
		Objectives: o, Lanes: []*tally.Lane{lane},
		Timeline: &timeline.Timeline{
			Events: []timeline.Event{{At: at(9), Kind: "Pod", Name: "web-b", What: "ready"}},
			Pods: []timeline.Pod{
				{Name: "web-a", Template: "a", Ready: at(-60), Terminating: at(9.5), Gone: at(12.5), AtStart: true},
				{Name: "web-b", Template: "b", Seen: at(7), Ready: at(9), ReadyNow: true},
			},
			Scales: []timeline.Scale{{At: at(0), Spec: 1, Min: 1, Max: 3}, {At: at(13), Spec: 2, Min: 1, Max: 3}},
		},
		Run: verdict.Run{
			Upgrade: true, From: "1", To: "2", Start: start, CommandStart: at(5), CommandEnd: at(11), StepStart: at(5),
			StepEnd: at(15), RolledOut: at(12.5), Settled: at(18), End: at(20), OldTemplate: "a", NewTemplate: "b", Errors: []string{},
		},
	}
}

func TestReports(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]verdict.Input{"pass": input(false), "fail": input(true)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := run.DefaultUpgrade()
			cfg.URL, cfg.Out, cfg.Command = "http://127.0.0.1:30080", "out/run", []string{"pulumi", "up"}
			result := &run.Result{Input: in}
			if name == "fail" {
				result.Input.Run.CommandError, result.CommandTail = "exit status 3", []string{"first line", "last line"}
			}
			r := report.New(cfg, result, verdict.Judge(result.Input))
			if err := r.Explain(losses(in)); err != nil {
				t.Fatal(err)
			}
			var terminal bytes.Buffer
			if err := r.Summary(&terminal); err != nil {
				t.Fatal(err)
			}
			terminal.WriteString(r.Line() + "\n")
			goldentest.Same(t, name+".txt", terminal.Bytes())

			dir := t.TempDir()
			if err := r.Write(dir); err != nil {
				t.Fatal(err)
			}
			written, err := os.ReadFile(filepath.Join(dir, report.File))
			if err != nil {
				t.Fatal(err)
			}
			goldentest.Same(t, name+".json", written)
			events, err := os.ReadFile(filepath.Join(dir, report.TimelineFile))
			if err != nil || !json.Valid(events) {
				t.Errorf("timeline: %v", err)
			}
			if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
				t.Errorf("files left: %v, %v", files, err)
			}
		})
	}
}

// losses yields what the lanes lost.
func losses(in verdict.Input) iter.Seq2[tally.Loss, error] {
	return func(yield func(tally.Loss, error) bool) {
		for _, l := range in.Lanes {
			for _, loss := range l.EarliestLosses() {
				if !yield(loss, nil) {
					return
				}
			}
		}
	}
}

// What was written is read again, and explained again to the same.
func TestExplanationsAreComputedAgain(t *testing.T) {
	t.Parallel()
	in := input(true)
	cfg := run.DefaultUpgrade()
	cfg.Out = t.TempDir()
	first := report.New(cfg, &run.Result{Input: in}, verdict.Judge(in))
	if err := first.Explain(losses(in)); err != nil {
		t.Fatal(err)
	}
	if err := first.Write(cfg.Out); err != nil {
		t.Fatal(err)
	}
	again, err := report.Load(cfg.Out)
	if err != nil {
		t.Fatal(err)
	}
	again.Explanations, again.Facts = nil, nil
	for i := range again.Losses {
		again.Losses[i].Cause = ""
	}
	if err := again.Explain(losses(in)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, again, cmpopts.IgnoreUnexported(report.Report{}), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if len(again.Explanations) == 0 || len(again.Facts) == 0 {
		t.Errorf("%d explanations, %d facts", len(again.Explanations), len(again.Facts))
	}
}

// Losses that cannot be read to their end are explained as far as they came.
func TestExplainingGoesAsFarAsItCan(t *testing.T) {
	t.Parallel()
	in := input(true)
	r := report.New(run.DefaultUpgrade(), &run.Result{Input: in}, verdict.Judge(in))
	broken := errors.New("disk gone")
	err := r.Explain(func(yield func(tally.Loss, error) bool) {
		_ = yield(r.Losses[0].Loss, nil) && yield(tally.Loss{}, broken)
	})
	if !errors.Is(err, broken) || len(r.Explanations) != 1 || r.Explanations[0].Count != 1 || r.Losses[2].Cause == "" {
		t.Errorf("error %v, explanations %+v", err, r.Explanations)
	}
}

func TestLoadNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, report, timeline, want string }{
		{"nothing there", "", "", "report.json"},
		{"not JSON", "{", "", "report.json"},
		{"another form", `{"schema_version": 1}`, "", "its form is version 1, want 3"},
		{"a broken timeline", `{"schema_version": 3}`, "[]", "timeline.json"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, text := range map[string]string{report.File: tt.report, report.TimelineFile: tt.timeline} {
				if text == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := report.Load(dir); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestWriteNamesTheFolder(t *testing.T) {
	t.Parallel()
	in := input(false)
	r := report.New(run.DefaultLoad(), &run.Result{Input: in}, verdict.Judge(in))
	if err := r.Write("no/such/folder"); err == nil || !strings.Contains(err.Error(), "no/such/folder") {
		t.Errorf("error %v", err)
	}
}
