package run_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rollproof/loadtest/objectives"
	"rollproof/loadtest/observe"
	"rollproof/loadtest/report"
	"rollproof/loadtest/run"
	"rollproof/loadtest/tally"
	"rollproof/loadtest/timeline"
	"rollproof/loadtest/verdict"
)

// console keeps what a person would see.
type console struct {
	mu     sync.Mutex
	phases []string
	lines  []string
}

func (c *console) Phase(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phases = append(c.phases, name)
}

func (c *console) CommandLine(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, line)
}

func (c *console) Wait(string)           {}
func (c *console) Progress(run.Progress) {}

func (c *console) reached(phase string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.phases {
		if p == phase {
			return true
		}
	}
	return false
}

func seconds(s float64) objectives.Duration { return objectives.Duration(s * float64(time.Second)) }

// quick returns the configuration of an upgrade of a second or two.
func quick(t *testing.T, c *cluster, command ...string) run.Config {
	t.Helper()
	cfg := run.DefaultUpgrade()
	cfg.URL, cfg.Out, cfg.Service = c.url, t.TempDir(), set
	cfg.Objectives = objectives.Default()
	cfg.Objectives.Scaling = true
	cfg.Objectives.Evidence = objectives.Evidence{Requests: 20, Achieved: 0.1, Late: 1, SamplerLag: seconds(5), WatchGap: seconds(5)}
	cfg.Objectives.Stall = seconds(3)
	cfg.Cluster = &observe.Target{Namespace: namespace, Deployment: "web"}
	cfg.Client, cfg.Namespace = c.client, namespace
	cfg.NewRate, cfg.ReusedRate, cfg.HotConnections, cfg.HotHold = 40, 40, 2, seconds(0.04)
	cfg.StepRate, cfg.StepRows = 20, 7
	cfg.SlowNewRate, cfg.SlowReusedRate, cfg.SlowRows = 10, 10, 20
	cfg.PreflightTimeout, cfg.Steady, cfg.Tail = seconds(3), seconds(0.3), seconds(0.2)
	cfg.StepTimeout, cfg.RolloutTimeout, cfg.ChangeTimeout, cfg.SettleTimeout = seconds(4), seconds(10), seconds(0.5), seconds(10)
	cfg.CommandGrace = seconds(5)
	cfg.FromVersion, cfg.ToVersion, cfg.Command = "1", "2", command
	return cfg
}

func judge(t *testing.T, r *run.Result, err error) verdict.Verdict {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return verdict.Judge(r.Input)
}

func wants(t *testing.T, v verdict.Verdict, outcome verdict.Outcome, reason string) {
	t.Helper()
	found := reason == ""
	for _, r := range v.Reasons {
		found = found || strings.Contains(r.Text, reason)
	}
	if v.Outcome != outcome || !found {
		t.Errorf("%s %v, want %s for %q", v.Outcome, v.Reasons, outcome, reason)
	}
}

// The tests that drive four lanes take turns: side by side they would measure
// the machine.

func TestUpgradePasses(t *testing.T) {
	c := newCluster(t, set)
	go c.rollOut(true)
	cfg := quick(t, c, "sh", "-c", "echo upgrading; touch "+c.trigger)
	seen := &console{}
	r, err := run.Upgrade(t.Context(), t.Context(), cfg, seen)
	wants(t, judge(t, r, err), verdict.Pass, "")
	if got := strings.Join(seen.phases, " "); got != "preflight steady rollout scaling settle tail stopping" {
		t.Errorf("phases: %s", got)
	}
	for _, l := range r.Input.Lanes {
		if v := l.Versions(); v["2"] == 0 || (v["1"] == 0 && l.Name != run.LaneStep) {
			t.Errorf("lane %s: versions %v", l.Name, v)
		}
	}
	if len(r.Input.Lanes) != 6 || len(seen.lines) != 1 || seen.lines[0] != "upgrading" {
		t.Errorf("%d lanes, command's lines %v", len(r.Input.Lanes), seen.lines)
	}
	if log, err := os.ReadFile(filepath.Join(cfg.Out, run.CommandLog)); err != nil || string(log) != "upgrading\n" {
		t.Errorf("command log %q, %v", log, err)
	}
	// The command's lines and the pods' specs are on the same clock as all else.
	tl := r.Input.Timeline
	if !slices.ContainsFunc(tl.Events, func(e timeline.Event) bool { return e.Kind == "Command" && e.Detail == "upgrading" }) {
		t.Error("the command's line is not in the timeline")
	}
	if len(tl.Templates) != 2 || len(tl.Strategies) == 0 {
		t.Errorf("templates %+v, strategies %+v", tl.Templates, tl.Strategies)
	}
	for _, err := range run.Losses(cfg.Out) {
		t.Errorf("a loss of a run that lost nothing: %v", err)
	}
	m := r.Input.Run
	if m.OldTemplate != "a" || m.NewTemplate != "b" || m.RolledOut.Before(m.CommandStart) || m.Settled.Before(m.StepEnd) {
		t.Errorf("moments: %+v", m)
	}
}

func TestUpgradeThatLoses(t *testing.T) {
	c := newCluster(t, set)
	go func() {
		if c.triggered() {
			c.drop.Store(3)
		}
		c.rollOut(true)
	}()
	cfg := quick(t, c, "touch", c.trigger)
	r, err := run.Upgrade(t.Context(), t.Context(), cfg, &console{})
	v := judge(t, r, err)
	wants(t, v, verdict.Fail, "3 requests were lost (wrong_status 3)")
	// Each of them is kept, and explained.
	rep := report.New(cfg, r, v)
	if err := rep.Explain(run.Losses(cfg.Out)); err != nil {
		t.Fatal(err)
	}
	var count uint64
	for _, x := range rep.Explanations {
		count += x.Count
	}
	if count != 3 || len(rep.Losses) != 3 || rep.Losses[0].Cause == "" || len(rep.Facts) == 0 {
		t.Errorf("%d explained: %+v", count, rep.Explanations)
	}
}

func TestTheOldVersionAnswersAfterItsEnd(t *testing.T) {
	c := newCluster(t, set)
	go func() {
		c.rollOut(false)
		c.mu.Lock()
		server := c.pods[0].server
		c.mu.Unlock()
		time.Sleep(time.Second)
		server.SetVersion("1")
	}()
	cfg := quick(t, c, "touch", c.trigger)
	cfg.Objectives.Scaling, cfg.Tail = false, seconds(2)
	r, err := run.Upgrade(t.Context(), t.Context(), cfg, &console{})
	v := judge(t, r, err)
	wants(t, v, verdict.Fail, "wrong_version")
	for _, l := range r.Input.Lanes {
		for class := range l.Lost {
			if class != tally.WrongVersion {
				t.Errorf("lane %s lost %v", l.Name, l.Lost)
			}
		}
	}
}

// A rollout after which the old version answers throughout is no upgrade, and its
// answers are no losses: it shows nothing.
func TestARolloutThatChangesNoVersion(t *testing.T) {
	c := newCluster(t, set)
	c.to = "1"
	go c.rollOut(false)
	cfg := quick(t, c, "touch", c.trigger)
	cfg.Objectives.Scaling, cfg.Tail = false, seconds(1)
	r, err := run.Upgrade(t.Context(), t.Context(), cfg, &console{})
	v := judge(t, r, err)
	wants(t, v, verdict.Inconclusive, "version 2 never answered: the version did not change")
	if v.Lost != 0 {
		t.Errorf("%d requests count as lost", v.Lost)
	}
}

func TestNoScaling(t *testing.T) {
	c := newCluster(t, set)
	go c.rollOut(false)
	cfg := quick(t, c, "touch", c.trigger)
	cfg.StepTimeout, cfg.StepLanes, cfg.StepRaise = seconds(3), 2, seconds(0.2)
	r, err := run.Upgrade(t.Context(), t.Context(), cfg, &console{})
	wants(t, judge(t, r, err), verdict.Inconclusive, "did not raise the replicas")
	// One step lane did not make the autoscaler act, so that another joined it, no more.
	var steps []string
	for _, l := range r.Input.Lanes {
		if verdict.IsStep(l.Name) && l.OK > 0 {
			steps = append(steps, l.Name)
		}
	}
	if !slices.Equal(steps, []string{"step", "step-2"}) {
		t.Errorf("step lanes %q, want step and step-2", steps)
	}
}

func TestCommandThatFails(t *testing.T) {
	c := newCluster(t, set)
	r, err := run.Upgrade(t.Context(), t.Context(), quick(t, c, "sh", "-c", "echo no such image >&2; exit 7"), &console{})
	wants(t, judge(t, r, err), verdict.Fail, "exit status 7")
	if len(r.CommandTail) != 1 || r.CommandTail[0] != "no such image" {
		t.Errorf("last lines: %v", r.CommandTail)
	}
}

func TestCommandThatChangesNothing(t *testing.T) {
	c := newCluster(t, set)
	r, err := run.Upgrade(t.Context(), t.Context(), quick(t, c, "true"), &console{})
	wants(t, judge(t, r, err), verdict.Inconclusive, "nothing was rolled out")
}

func TestWhatKeepsAnUpgradeFromStarting(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*run.Config, *cluster)
		want   string
	}{
		{"no such command", func(c *run.Config, _ *cluster) { c.Command = []string{"/no/such/command"} }, "/no/such/command"},
		{"no command", func(c *run.Config, _ *cluster) { c.Command = nil }, "no command"},
		{"no deployment", func(c *run.Config, _ *cluster) { c.Cluster.Deployment = "absent" }, "deployment ns/absent"},
		{"another version", func(c *run.Config, cl *cluster) {
			c.PreflightTimeout = seconds(0.5)
			for _, p := range cl.pods {
				p.server.SetVersion("2")
			}
		}, "answers as version 2, want 1"},
		{"no such version", func(c *run.Config, _ *cluster) { c.ToVersion = "9" }, `version "9" has no goldens`},
		{"same version", func(c *run.Config, _ *cluster) { c.ToVersion = "1" }, "nothing would change"},
		{"scaled already", func(c *run.Config, cl *cluster) {
			c.PreflightTimeout = seconds(0.5)
			cl.addPod(set, "a", "1")
			cl.setDeployment(1, 3, 3, 3)
		}, "want the autoscaler's minimum of 2"},
		{"not complete", func(c *run.Config, cl *cluster) {
			c.PreflightTimeout = seconds(0.5)
			cl.setDeployment(1, 2, 1, 2)
		}, "deployment web is not complete"},
		{"nobody there", func(c *run.Config, _ *cluster) {
			c.PreflightTimeout, c.URL = seconds(0.5), "http://127.0.0.1:1"
		}, "connection refused"},
		{"not a URL", func(c *run.Config, _ *cluster) { c.URL = "127.0.0.1:80" }, "--url"},
		{"no rate", func(c *run.Config, _ *cluster) { c.NewRate = 0 }, "above 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, set)
			cfg := quick(t, c, "true")
			tt.change(&cfg, c)
			_, err := run.Upgrade(t.Context(), t.Context(), cfg, &console{})
			if !errors.Is(err, run.ErrCouldNotRun) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// An interruption ends the load, gives the command its SIGINT, and is judged.
func TestInterruption(t *testing.T) {
	for _, phase := range []string{"preflight", "steady", "rollout"} {
		t.Run(phase, func(t *testing.T) {
			c := newCluster(t, set)
			mark := filepath.Join(t.TempDir(), "interrupted")
			cfg := quick(t, c, "sh", "-c", "trap 'touch "+mark+"; exit 130' INT; sleep 20 & wait")
			cfg.Steady = seconds(1)
			if phase == "preflight" {
				cfg.FromVersion, cfg.ToVersion, cfg.PreflightTimeout = "2", "1", seconds(20)
			}
			ctx, cancel := context.WithCancel(t.Context())
			seen := &console{}
			go func() {
				for !seen.reached(phase) {
					time.Sleep(10 * time.Millisecond)
				}
				time.Sleep(300 * time.Millisecond)
				cancel()
			}()
			began := time.Now()
			r, err := run.Upgrade(ctx, t.Context(), cfg, seen)
			v := judge(t, r, err)
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
			if phase == "rollout" {
				if _, err := os.Stat(mark); err != nil {
					t.Errorf("the command got no SIGINT: %v", err)
				}
				if len(r.Input.Lanes) != 6 {
					t.Errorf("%d lanes", len(r.Input.Lanes))
				}
			}
			wants(t, v, verdict.Inconclusive, "interrupted")
		})
	}
}

// A command that ignores SIGINT is killed, with its children, when its grace is
// over; a second interruption does so at once.
func TestStubbornCommand(t *testing.T) {
	for _, twice := range []bool{false, true} {
		t.Run(strconv.FormatBool(twice), func(t *testing.T) {
			c := newCluster(t, set)
			cfg := quick(t, c, "sh", "-c", "trap '' INT; sleep 60; sleep 60")
			cfg.CommandGrace = seconds(1)
			ctx, cancel := context.WithCancel(t.Context())
			hard, cancelHard := context.WithCancel(t.Context())
			defer cancelHard()
			if twice {
				cfg.CommandGrace = seconds(60)
			}
			seen := &console{}
			go func() {
				for !seen.reached("rollout") {
					time.Sleep(10 * time.Millisecond)
				}
				time.Sleep(200 * time.Millisecond)
				cancel()
				if twice {
					cancelHard()
				}
			}()
			began := time.Now()
			r, err := run.Upgrade(ctx, hard, cfg, seen)
			v := judge(t, r, err)
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
			wants(t, v, verdict.Inconclusive, "interrupted")
		})
	}
}

func TestLoad(t *testing.T) {
	c := newCluster(t, set)
	cfg := quick(t, c)
	cfg.Cluster, cfg.FromVersion, cfg.ToVersion, cfg.Duration = nil, "", "", seconds(1)
	r, err := run.Load(t.Context(), cfg, &console{})
	wants(t, judge(t, r, err), verdict.Pass, "")
	if len(r.Input.Lanes) != 5 || r.Input.Run.From != "1" || r.Input.Timeline != nil {
		t.Errorf("%d lanes, version %q", len(r.Input.Lanes), r.Input.Run.From)
	}
	for _, l := range r.Input.Lanes {
		if info, err := os.Stat(filepath.Join(cfg.Out, run.RawDir, l.Name+".gob")); err != nil || info.Size() == 0 {
			t.Errorf("raw results of lane %s: %v", l.Name, err)
		}
	}
}

// Nothing is being rolled out, so a version that comes by itself is a loss.
func TestLoadDuringWhichTheVersionChanges(t *testing.T) {
	c := newCluster(t, set)
	cfg := quick(t, c)
	cfg.Cluster, cfg.FromVersion, cfg.ToVersion, cfg.Duration = nil, "", "", seconds(1)
	seen := &console{}
	go func() {
		for !seen.reached("load") {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(300 * time.Millisecond)
		for _, p := range c.pods {
			p.server.SetVersion("2")
		}
	}()
	r, err := run.Load(t.Context(), cfg, seen)
	wants(t, judge(t, r, err), verdict.Fail, "wrong_version")
}
