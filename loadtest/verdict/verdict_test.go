package verdict_test

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rollproof/loadtest/objectives"
	"rollproof/loadtest/tally"
	"rollproof/loadtest/timeline"
	"rollproof/loadtest/verdict"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(seconds float64) time.Time {
	return start.Add(time.Duration(seconds * float64(time.Second)))
}

// steady returns the samples of a lane of 5 requests a second for 60 seconds,
// answered by old pods before second 30 and new ones after.
func steady(lane string) []tally.Sample {
	var out []tally.Sample
	for i := range 300 {
		s := tally.Sample{
			Lane: lane, Seq: uint64(i), Intended: at(float64(i) / 5), Sent: at(float64(i) / 5),
			Latency: 5 * time.Millisecond, Class: tally.OK, Attempts: 1, Rows: 1, Pod: "old-1", Version: "1",
		}
		if i >= 150 {
			s.Pod, s.Version, s.Stage = "new-1", "2", "rollout"
		}
		out = append(out, s)
	}
	return out
}

func count(name string, samples []tally.Sample) *tally.Lane {
	l := tally.NewLane(name, start, true, 5)
	l.Began, l.Ended, l.MaxWorkers, l.PeakInFlight = start, at(60), 100, 3
	for _, s := range samples {
		l.Add(s)
	}
	return l
}

// good returns the input of an upgrade at which nothing is wrong.
func good() verdict.Input {
	o := objectives.Default()
	o.Scaling = true
	o.Evidence.Requests = 500
	o.Evidence.Rate = 5
	return verdict.Input{
		Objectives: o,
		Lanes:      []*tally.Lane{count("new", steady("new")), count("reused", steady("reused"))},
		Timeline: &timeline.Timeline{
			Pods: []timeline.Pod{
				{Name: "old-1", Template: "a", Ready: at(-100), Terminating: at(30), Gone: at(36), AtStart: true},
				{Name: "new-1", Template: "b", Ready: at(29), ReadyNow: true},
				{Name: "brief", Template: "b", Ready: at(50), Terminating: at(51), Gone: at(55)},
			},
			Scales: []timeline.Scale{
				{At: at(0), Spec: 2, Min: 2, Max: 6}, {At: at(40), Spec: 3, Min: 2, Max: 6}, {At: at(50), Spec: 2, Min: 2, Max: 6},
			},
		},
		Run: verdict.Run{
			Upgrade: true, From: "1", To: "2", Start: start,
			CommandStart: at(20), CommandEnd: at(35), StepStart: at(20), StepEnd: at(45),
			RolledOut: at(36), Settled: at(55), End: at(60), OldTemplate: "a", NewTemplate: "b",
		},
	}
}

// nameless takes from all answers who gave them.
func nameless(in *verdict.Input) {
	for i, name := range []string{"new", "reused"} {
		samples := steady(name)
		for k := range samples {
			samples[k].Pod, samples[k].Version = "", ""
		}
		in.Lanes[i] = count(name, samples)
	}
}

func lose(in *verdict.Input, n int, class tally.Class) {
	for i := range n {
		in.Lanes[0].Add(tally.Sample{Lane: "new", Seq: uint64(10000 + i), Intended: at(31), Sent: at(31), Class: class, Attempts: 1})
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	lag := func(from, length float64) []verdict.Lag {
		return []verdict.Lag{{From: at(from), Length: objectives.Duration(length * float64(time.Second))}}
	}
	without := func(from, to float64) []tally.Sample {
		var out []tally.Sample
		for _, s := range steady("new") {
			if s.Intended.Before(at(from)) || s.Intended.After(at(to)) {
				out = append(out, s)
			}
		}
		return out
	}
	// waiting makes a stall in which so many of the lane's workers waited.
	waiting := func(inFlight, workers int) func(*verdict.Input) {
		return func(in *verdict.Input) {
			in.Lanes[0] = count("new", without(40, 42))
			in.Lanes[0].PeakInFlight, in.Lanes[0].MaxWorkers = inFlight, workers
		}
	}
	// every returns a slow lane with a request each period, without some of them.
	every := func(period time.Duration, without ...int) *tally.Lane {
		var samples []tally.Sample
		for i, s := range steady(verdict.SlowNew)[:time.Minute/period] {
			s.Intended = start.Add(time.Duration(i) * period)
			if s.Sent = s.Intended; !slices.Contains(without, i) {
				samples = append(samples, s)
			}
		}
		l := count(verdict.SlowNew, samples)
		l.Target = float64(time.Second) / float64(period)
		return l
	}
	tests := []struct {
		name   string
		change func(*verdict.Input)
		want   verdict.Outcome
		reason string // a part of one reason
	}{
		{"nothing wrong", func(*verdict.Input) {}, verdict.Pass, ""},
		{"one loss", func(in *verdict.Input) { lose(in, 1, tally.EOF) }, verdict.Fail, "1 request was lost (eof 1); the objective allows 0"},
		{"losses of two kinds", func(in *verdict.Input) { lose(in, 2, tally.WrongAnswer); lose(in, 1, tally.Refused) }, verdict.Fail, "3 requests were lost (refused 1, wrong_answer 2)"},
		{"a loss that is allowed", func(in *verdict.Input) { in.Objectives.Lost = 1; lose(in, 1, tally.EOF) }, verdict.Pass, ""},
		{"masked", func(in *verdict.Input) { in.Lanes[0].Masked = 1 }, verdict.Fail, "1 right answer took a retry"},
		{"stall", func(in *verdict.Input) { in.Lanes[0] = count("new", without(40, 42)) }, verdict.Fail, "lane new had no right answer for 2.4 s, 39.8 s after the start"},
		{"the harness's own stall", func(in *verdict.Input) {
			in.Lanes[0] = count("new", without(40, 42))
			in.Run.Lags = lag(40.1, 1.8)
		}, verdict.Inconclusive, "of which the harness itself stood still for 1.8 s"},
		{"a stall longer than the harness's own", func(in *verdict.Input) {
			in.Lanes[0] = count("new", without(40, 42))
			in.Run.Lags = lag(40.1, 0.6)
		}, verdict.Fail, "no right answer"},
		{"a slow answer that the only two workers waited for", waiting(2, 2), verdict.Inconclusive, "lane new had no right answer for 2.4 s, in which no more than 2 requests waited"},
		{"a stall that all of a few workers waited for", waiting(3, 3), verdict.Fail, "lane new had no right answer for 2.4 s"},
		{"a stall that one of two workers waited for", waiting(1, 2), verdict.Fail, "lane new had no right answer for 2.4 s"},
		{"a lane too slow to show a stall of a second", func(in *verdict.Input) {
			in.Lanes[0], in.Objectives.Evidence.Requests = every(2*time.Second), 300
		}, verdict.Pass, ""},
		{"a stall that a slow lane shows", func(in *verdict.Input) {
			in.Lanes[0] = every(2*time.Second, 20, 21, 22)
		}, verdict.Fail, "lane slow-new had no right answer for 8.0 s, 38.0 s after the start; the objective allows 1.0 s, and so slow a lane shows 6.0 s"},
		{"a stall of a closed loop", func(in *verdict.Input) {
			in.Lanes[0] = count("new", without(40, 42))
			in.Lanes[0].OpenLoop = false
		}, verdict.Pass, ""},
		{"the harness stood still", func(in *verdict.Input) { in.Run.Lags = lag(10, 0.7) }, verdict.Inconclusive, "stood still for 700ms"},
		{"p99", func(in *verdict.Input) {
			in.Objectives.P99 = objectives.Bounds{"new": {All: objectives.Duration(time.Millisecond)}}
		}, verdict.Fail, "lane new: the 99th percentile of latency is 5ms; the objective allows 1ms"},
		{"as slow as the harness itself", func(in *verdict.Input) {
			in.Objectives.P99 = objectives.Bounds{"new": {All: objectives.Duration(time.Millisecond)}}
			in.Run.Control = &verdict.Control{Requests: 3000, P99: objectives.Duration(2 * time.Millisecond)}
		}, verdict.Inconclusive, "but the control lane's, which stays within the harness, is 2ms"},
		{"slower than the harness itself", func(in *verdict.Input) {
			in.Objectives.P99 = objectives.Bounds{"new": {All: objectives.Duration(time.Millisecond)}}
			in.Run.Control = &verdict.Control{Requests: 3000, P99: objectives.Duration(time.Millisecond)}
		}, verdict.Fail, "lane new: the 99th percentile"},
		{"allowed losses count as slow", func(in *verdict.Input) {
			in.Objectives.P99 = objectives.Bounds{"new": {All: objectives.Duration(time.Second)}}
			in.Objectives.Lost = 100
			lose(in, 5, tally.EOF)
		}, verdict.Fail, "lane new: so many requests were lost (5 of 305) that the 99th percentile"},
		{"p99.9 of a phase", func(in *verdict.Input) {
			in.Objectives.P999 = objectives.Bounds{"reused": {Phases: map[string]objectives.Duration{"rollout": objectives.Duration(4 * time.Millisecond)}}}
		}, verdict.Fail, "lane reused in phase rollout: the 99.9th percentile of latency is 5ms; the objective allows 4ms"},
		{"p99.9 of a phase that was fast enough, and of one without requests", func(in *verdict.Input) {
			in.Objectives.P999 = objectives.Bounds{"new": {Phases: map[string]objectives.Duration{
				"rollout": objectives.Duration(6 * time.Millisecond), "settle": 1,
			}}}
		}, verdict.Pass, ""},
		{"losses while the control lane lost too", func(in *verdict.Input) {
			lose(in, 2, tally.Refused) // due at 31
			in.Run.Control = &verdict.Control{Requests: 3000, Lost: 5, Outages: lag(30.9, 0.4)}
		}, verdict.Inconclusive, "2 requests were lost, each while the control lane"},
		{"losses while the control lane had no answer", func(in *verdict.Input) {
			lose(in, 2, tally.Timeout)
			in.Run.Control = &verdict.Control{Requests: 3000, Outages: lag(30.5, 0.8)}
		}, verdict.Inconclusive, "2 requests were lost, each while the control lane"},
		{"losses at another time than the control lane's", func(in *verdict.Input) {
			lose(in, 2, tally.Refused)
			in.Run.Control = &verdict.Control{Requests: 3000, Lost: 5, Outages: lag(12, 0.4)}
		}, verdict.Fail, "2 requests were lost (refused 2)"},
		{"one loss more than the control lane's outage holds", func(in *verdict.Input) {
			lose(in, 2, tally.Refused)
			in.Lanes[1].Add(tally.Sample{Lane: "reused", Seq: 1e6, Intended: at(50), Sent: at(50), Class: tally.EOF, Attempts: 1})
			in.Run.Control = &verdict.Control{Requests: 3000, Lost: 5, Outages: lag(30.9, 0.4)}
		}, verdict.Fail, "3 requests were lost"},
		{"losses while the control lane was a little slow", func(in *verdict.Input) {
			lose(in, 2, tally.Refused)
			in.Run.Control = &verdict.Control{Requests: 3000, Outages: lag(30.9, 0.3)}
		}, verdict.Fail, "2 requests were lost"},
		{"the control lane lost", func(in *verdict.Input) {
			in.Run.Control = &verdict.Control{Requests: 3000, Lost: 1, Outages: lag(3, 0.02)}
		}, verdict.Inconclusive, "the control lane, which stays within the harness, lost 1 of 3000 requests"},
		{"the control lane stood still", func(in *verdict.Input) {
			in.Run.Control = &verdict.Control{Requests: 3000, Outages: lag(3, 0.6)}
		}, verdict.Inconclusive, "had no answer for 600ms"},
		{"a control lane that sent nothing", func(in *verdict.Input) { in.Run.Control = &verdict.Control{} }, verdict.Inconclusive, "sent nothing"},
		{"a stall that is the control lane's too", func(in *verdict.Input) {
			in.Lanes[0] = count("new", without(40, 42))
			in.Run.Control = &verdict.Control{Requests: 3000, Outages: lag(40.1, 1.8)}
			in.Run.Lags = lag(40.3, 1)
		}, verdict.Inconclusive, "of which the harness itself stood still for 1.8 s"},
		{"files ran out", func(in *verdict.Input) { in.Run.Sampler = verdict.Sampler{Files: 1000, FileLimit: 1024} }, verdict.Inconclusive, "1000 files open of the 1024"},
		{"ports ran out", func(in *verdict.Input) { in.Run.Sampler = verdict.Sampler{Ports: 28000, PortLimit: 28232} }, verdict.Inconclusive, "28000 of the machine's 28232 local ports"},
		{"processors ran out", func(in *verdict.Input) { in.Run.Sampler = verdict.Sampler{CPU: 1.94, CPULimit: 2} }, verdict.Inconclusive, "1.94 of 2 processors"},
		{"enough of all", func(in *verdict.Input) {
			in.Run.Sampler = verdict.Sampler{Files: 300, FileLimit: 1024, Ports: 9000, PortLimit: 28232, CPU: 0.7, CPUPeak: 2, CPULimit: 2}
			in.Run.Control = &verdict.Control{Requests: 3000}
		}, verdict.Pass, ""},
		{"a service that tells neither versions nor pods", func(in *verdict.Input) {
			in.Run.From, in.Run.To = "", ""
			nameless(in)
		}, verdict.Pass, ""},
		{"a service that tells neither, and answered nothing before the new pods", func(in *verdict.Input) {
			in.Run.From, in.Run.To, in.Run.CommandStart = "", "", at(28.9)
			nameless(in)
			in.Timeline.Pods[1].Ready = at(28.95)
		}, verdict.Inconclusive, "the load did not meet the change"},
		{"a slow lane has a rate of its own", func(in *verdict.Input) {
			in.Lanes[0].Name, in.Objectives.Evidence.Rate = verdict.SlowNew, 5.2
		}, verdict.Pass, ""},
		{"too slow a rate", func(in *verdict.Input) { in.Lanes[0].Target = 6 }, verdict.Inconclusive, "less than 95 % of the 6"},
		{"a rate below the objective's", func(in *verdict.Input) { in.Objectives.Evidence.Rate = 100 }, verdict.Inconclusive, "the objective wants 100"},
		{"the step lane has no rate to reach", func(in *verdict.Input) {
			in.Lanes[0].Name = verdict.StepLane
			in.Objectives.Evidence.Rate = 5.2
		}, verdict.Pass, ""},
		{"workers ran out", func(in *verdict.Input) { in.Lanes[0].PeakInFlight = 100 }, verdict.Inconclusive, "ran out of workers: all 100"},
		{"late", func(in *verdict.Input) { in.Lanes[0].Late = 60 }, verdict.Inconclusive, "20.0 % of its requests more than 100ms"},
		{"too few requests", func(in *verdict.Input) { in.Objectives.Evidence.Requests = 20000 }, verdict.Inconclusive, "600 requests were answered right; the objective wants 20000"},
		{"a silent lane", func(in *verdict.Input) { in.Lanes = append(in.Lanes, count("hot", nil)) }, verdict.Inconclusive, "lane hot got no right answer to 0 requests"},
		{"no lanes", func(in *verdict.Input) { in.Lanes = nil }, verdict.Inconclusive, "no lane has sent anything"},
		{"raw results not kept", func(in *verdict.Input) { in.Run.Errors = []string{"lane new: raw results: disk full"} }, verdict.Inconclusive, "disk full"},
		{"interrupted", func(in *verdict.Input) { in.Run.Interrupted = true }, verdict.Inconclusive, "interrupted after 60.0 s"},
		{"interrupted, with a loss", func(in *verdict.Input) { in.Run.Interrupted = true; lose(in, 1, tally.Reset) }, verdict.Fail, "lost"},
		{"command failed", func(in *verdict.Input) { in.Run.CommandError = "exit status 3" }, verdict.Fail, "the command failed after 15.0 s: exit status 3"},
		{"command ended by the interruption", func(in *verdict.Input) {
			in.Run.CommandError, in.Run.Interrupted, in.Run.CommandEnd = "signal: interrupt", true, at(61)
		}, verdict.Inconclusive, "interrupted"},
		{"command failed before the interruption", func(in *verdict.Input) {
			in.Run.CommandError, in.Run.Interrupted = "exit status 3", true
		}, verdict.Fail, "exit status 3"},
		{"command not started", func(in *verdict.Input) { in.Run.CommandStart = time.Time{} }, verdict.Inconclusive, "the command was not started"},
		{"nothing changed", func(in *verdict.Input) {
			in.Run.NewTemplate, in.Run.RolledOut = "a", time.Time{}
		}, verdict.Inconclusive, "nothing was rolled out"},
		{"the version did not change", func(in *verdict.Input) { in.Run.To = "3" }, verdict.Inconclusive, "version 3 never answered"},
		{"the old version never answered", func(in *verdict.Input) { in.Run.From = "0" }, verdict.Inconclusive, "version 0 never answered"},
		{"the load ended before the old pods did", func(in *verdict.Input) {
			in.Run.RolledOut, in.Timeline.Pods[0].Gone = time.Time{}, time.Time{}
			in.Timeline.Pods = append(in.Timeline.Pods, timeline.Pod{Name: "new-2", Template: "b", Ready: at(58), ReadyNow: true})
		}, verdict.Inconclusive, "the load ended before the old pods did, 40.0 s after the command's start: still there: old-1"},
		{"the same, beyond the objective", func(in *verdict.Input) {
			in.Run.RolledOut, in.Timeline.Pods[0].Gone = time.Time{}, time.Time{}
			in.Timeline.Pods = append(in.Timeline.Pods, timeline.Pod{Name: "new-2", Template: "b", Ready: at(58), ReadyNow: true})
			in.Objectives.Rollout = objectives.Duration(30 * time.Second)
		}, verdict.Fail, "the rollout was not complete after 40.0 s; the objective allows 30.0 s"},
		{"an old pod that was never told to end", func(in *verdict.Input) {
			in.Run.RolledOut, in.Timeline.Pods[0].Gone, in.Timeline.Pods[0].Terminating = time.Time{}, time.Time{}, time.Time{}
			in.Timeline.Pods = append(in.Timeline.Pods, timeline.Pod{Name: "new-2", Template: "b", Ready: at(58), ReadyNow: true})
		}, verdict.Fail, "still there: old-1"},
		{"rollout not complete", func(in *verdict.Input) {
			in.Run.RolledOut, in.Timeline.Pods[0].Gone = time.Time{}, time.Time{}
		}, verdict.Fail, "still there: old-1"},
		{"rollout interrupted", func(in *verdict.Input) {
			in.Run.RolledOut, in.Run.Interrupted = time.Time{}, true
		}, verdict.Inconclusive, "interrupted"},
		{"rollout too slow", func(in *verdict.Input) { in.Objectives.Rollout = objectives.Duration(10 * time.Second) }, verdict.Fail, "the rollout took 16.0 s; the objective allows 10.0 s"},
		{"old pods served nothing", func(in *verdict.Input) { in.Run.CommandStart = at(30.5) }, verdict.Inconclusive, "the load did not meet the change"},
		{"no scaling", func(in *verdict.Input) { in.Timeline.Scales = in.Timeline.Scales[:1] }, verdict.Inconclusive, "did not raise the replicas"},
		{"scaled before the command only", func(in *verdict.Input) { in.Timeline.Scales[1].At = at(10) }, verdict.Inconclusive, "did not raise the replicas"},
		{"no scaling, none asked", func(in *verdict.Input) {
			in.Timeline.Scales, in.Objectives.Scaling = nil, false
		}, verdict.Pass, ""},
		{"replicas did not come back", func(in *verdict.Input) { in.Run.Settled = time.Time{} }, verdict.Fail, "did not come back to the minimum of 2 in 15.0 s"},
		{"a pod that never answered", func(in *verdict.Input) { in.Timeline.Pods[2].Terminating = at(58) }, verdict.Fail, "pod brief was ready for 5.0 s and gave no right answer"},
		{"the cluster was not watched", func(in *verdict.Input) { in.Timeline = nil }, verdict.Inconclusive, "the cluster was not watched"},
		{"a watch broke", func(in *verdict.Input) {
			in.Timeline.Gaps = []timeline.Gap{{Resource: "pods", From: at(20), Error: "refused"}}
		}, verdict.Inconclusive, "the watch of pods was broken for 40.0 s: refused"},
		{"a watch broke briefly", func(in *verdict.Input) {
			in.Timeline.Gaps = []timeline.Gap{{Resource: "pods", From: at(20), To: at(22), Error: "refused"}}
		}, verdict.Pass, ""},
		{"a steady load needs no cluster", func(in *verdict.Input) {
			in.Timeline, in.Run = nil, verdict.Run{From: "1", Start: start, End: at(60)}
		}, verdict.Pass, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := good()
			tt.change(&in)
			v := verdict.Judge(in)
			found := tt.reason == "" && len(v.Reasons) == 0
			for _, r := range v.Reasons {
				found = found || (tt.reason != "" && strings.Contains(r.Text, tt.reason))
			}
			if v.Outcome != tt.want || !found {
				t.Errorf("%s %v, want %s for %q", v.Outcome, v.Reasons, tt.want, tt.reason)
			}
		})
	}
}

func rank(o verdict.Outcome) int {
	return map[verdict.Outcome]int{verdict.Pass: 0, verdict.Inconclusive: 1, verdict.Fail: 2}[o]
}

// perturb makes one of the many inputs between right and wrong.
func perturb(t *rapid.T) (verdict.Input, []tally.Sample) {
	in := good()
	in.Objectives.Lost = uint64(rapid.IntRange(0, 3).Draw(t, "allowed"))
	in.Objectives.Evidence.Requests = uint64(rapid.IntRange(560, 605).Draw(t, "wanted"))
	in.Run.Interrupted = rapid.Bool().Draw(t, "interrupted")
	if rapid.Bool().Draw(t, "control") {
		in.Run.Control = &verdict.Control{Requests: 3000, Lost: rapid.Uint64Range(0, 1).Draw(t, "control lost")}
		for range rapid.IntRange(0, 2).Draw(t, "control outages") {
			in.Run.Control.Outages = append(in.Run.Control.Outages, verdict.Lag{
				From:   at(float64(rapid.IntRange(0, 59).Draw(t, "from"))),
				Length: objectives.Duration(time.Duration(rapid.IntRange(1, 30_000).Draw(t, "length")) * time.Millisecond),
			})
		}
	}
	if rapid.Bool().Draw(t, "bounded") {
		in.Objectives.P999 = objectives.Bounds{"new": {Phases: map[string]objectives.Duration{
			"rollout": objectives.Duration(time.Duration(rapid.IntRange(4, 6).Draw(t, "bound")) * time.Millisecond),
		}}}
	}
	in.Lanes[0].Target = rapid.SampledFrom([]float64{5, 5.3, 0.7}).Draw(t, "target")
	in.Lanes[0].MaxWorkers = rapid.SampledFrom([]int{2, 3, 100}).Draw(t, "workers")
	samples := steady("new")
	if rapid.Bool().Draw(t, "stall") {
		from := rapid.IntRange(0, len(samples)-1).Draw(t, "stalled from")
		samples = slices.Delete(samples, from, min(len(samples), from+rapid.IntRange(4, 30).Draw(t, "stalled for")))
	}
	for range rapid.IntRange(0, 4).Draw(t, "losses") {
		i := rapid.IntRange(0, len(samples)-1).Draw(t, "which")
		samples[i].Class = rapid.SampledFrom(tally.Classes()).Draw(t, "class")
	}
	return in, samples
}

func recount(in *verdict.Input, samples []tally.Sample) verdict.Verdict {
	in.Lanes[0] = like(in.Lanes[0], samples)
	return verdict.Judge(*in)
}

// like counts samples on a lane that was asked for the same.
func like(lane *tally.Lane, samples []tally.Sample) *tally.Lane {
	l := count(lane.Name, samples)
	l.Target, l.MaxWorkers = lane.Target, lane.MaxWorkers
	return l
}

// Whatever a stall's length, who lacked the workers to tell it gets no PASS.
func TestNoLaneWithoutWorkersPasses(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in, samples := perturb(t)
		in.Lanes[0].MaxWorkers = rapid.IntRange(1, 3).Draw(t, "few") // of which 3 were under way
		if v := recount(&in, samples); v.Outcome == verdict.Pass {
			t.Fatalf("%s with %d workers", v.Outcome, in.Lanes[0].MaxWorkers)
		}
	})
}

func TestALossNeverImprovesAVerdict(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in, samples := perturb(t)
		before := recount(&in, samples)
		worse := append([]tally.Sample{}, samples...)
		loss := samples[rapid.IntRange(0, len(samples)-1).Draw(t, "like")]
		loss.Class = rapid.SampledFrom(tally.Classes()).Draw(t, "added")
		loss.Version = rapid.SampledFrom([]string{"1", "2"}).Draw(t, "version")
		if rapid.Bool().Draw(t, "instead") {
			i := rapid.IntRange(0, len(worse)-1).Draw(t, "at")
			worse[i].Class = loss.Class
		} else {
			worse = append(worse, loss)
		}
		after := recount(&in, worse)
		if rank(after.Outcome) < rank(before.Outcome) {
			t.Fatalf("%s %v became %s %v", before.Outcome, before.Reasons, after.Outcome, after.Reasons)
		}
	})
}

func TestOrderAndMergingDoNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in, samples := perturb(t)
		want := recount(&in, samples)
		shuffled := append([]tally.Sample{}, samples...)
		rand.New(rand.NewSource(rapid.Int64().Draw(t, "order"))).Shuffle(len(shuffled), func(i, j int) {
			shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
		})
		cut := rapid.IntRange(0, len(shuffled)).Draw(t, "cut")
		merged := like(in.Lanes[0], shuffled[:cut])
		merged.Merge(like(in.Lanes[0], shuffled[cut:]))
		in.Lanes = []*tally.Lane{in.Lanes[1], merged}
		if diff := cmp.Diff(fmt.Sprint(want), fmt.Sprint(verdict.Judge(in))); diff != "" {
			t.Fatal(diff)
		}
	})
}
