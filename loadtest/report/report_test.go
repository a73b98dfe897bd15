package report_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollproof/loadtest/objectives"
	"rollproof/loadtest/report"
	"rollproof/loadtest/run"
	"rollproof/loadtest/tally"
	"rollproof/loadtest/timeline"
	"rollproof/loadtest/verdict"
)

var update = flag.Bool("update", false, "write the golden files")

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
				{Name: "web-a", Template: "a", Ready: at(-60), Terminating: at(10), Gone: at(12.5), AtStart: true},
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

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (run with -update if this is meant):\n%s", path, diff)
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
			var terminal bytes.Buffer
			if err := r.Summary(&terminal); err != nil {
				t.Fatal(err)
			}
			terminal.WriteString(r.Line() + "\n")
			golden(t, name+".txt", terminal.Bytes())

			dir := t.TempDir()
			if err := r.Write(dir); err != nil {
				t.Fatal(err)
			}
			written, err := os.ReadFile(filepath.Join(dir, report.File))
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".json", written)
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

func TestWriteNamesTheFolder(t *testing.T) {
	t.Parallel()
	in := input(false)
	r := report.New(run.DefaultLoad(), &run.Result{Input: in}, verdict.Judge(in))
	if err := r.Write("no/such/folder"); err == nil || !strings.Contains(err.Error(), "no/such/folder") {
		t.Errorf("error %v", err)
	}
}

func TestConsole(t *testing.T) {
	t.Parallel()
	for name, terminal := range map[string]bool{"plain": false, "live": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			clock := start
			progress := run.Progress{Requests: 500, Lost: 2, State: &timeline.State{
				Deployment: timeline.Deployment{Spec: 3}, HPA: &timeline.HPA{Min: 2, Max: 6, Metric: "cpu 80%"},
				NewestPods: timeline.PodCount{All: 3, Ready: 2}, OtherPods: timeline.PodCount{All: 1, Ready: 1},
			}}
			c := report.NewConsole(&out, terminal, func() time.Time { return clock })
			c.Phase("preflight")
			c.Wait("connection refused")
			c.Wait("connection refused")
			c.Phase("steady")
			for range 7 {
				clock = clock.Add(time.Second)
				progress.Requests += 100
				c.Progress(progress)
			}
			c.CommandLine("updating")
			c.End()
			golden(t, name+".console", out.Bytes())
		})
	}
}
