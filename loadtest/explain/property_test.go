package explain_test

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rollproof/loadtest/explain"
	"rollproof/loadtest/objectives"
	"rollproof/loadtest/tally"
	"rollproof/loadtest/timeline"
	"rollproof/loadtest/verdict"
)

func drawTime(t *rapid.T, name string) time.Time {
	return at(float64(rapid.IntRange(-2000, 30_000).Draw(t, name)) / 1000)
}

// maybe returns a time or the zero one.
func maybe(t *rapid.T, name string) time.Time {
	if rapid.Bool().Draw(t, name+" came") {
		return drawTime(t, name)
	}
	return time.Time{}
}

var podNames = []string{"", "web-a-1", "web-a-2", "web-b-1", "web-b-2", "stranger"}

// drawInput makes a cluster's side of which not much must be as in a real one:
// whatever was seen, losses are to be explained.
func drawInput(t *rapid.T) explain.Input {
	in := rollout()
	if rapid.IntRange(0, 9).Draw(t, "no cluster") == 0 {
		in.Timeline = nil
		return in
	}
	tl := in.Timeline
	for _, name := range podNames[1:5] {
		if rapid.Bool().Draw(t, name) {
			p := timeline.Pod{
				Name: name, Template: string(name[4]), Node: "n1", IP: "10.0.0.9", Seen: drawTime(t, "seen"),
				Started: maybe(t, "started"), Ready: maybe(t, "ready"), Terminating: maybe(t, "terminating"), Gone: maybe(t, "gone"),
				AtStart: rapid.Bool().Draw(t, "at start"),
			}
			if rapid.Bool().Draw(t, "grace") {
				p.Grace = ptr(float64(rapid.IntRange(0, 8).Draw(t, "seconds")))
			}
			for range rapid.IntRange(0, 2).Draw(t, "exits") {
				p.Exits = append(p.Exits, timeline.Exit{
					At: drawTime(t, "exit"), Finished: maybe(t, "finished"), Started: maybe(t, "begun"), Container: "c",
					Code: rapid.SampledFrom([]int32{0, 1, 137}).Draw(t, "code"), Reason: rapid.SampledFrom([]string{"", "OOMKilled", "Error"}).Draw(t, "reason"),
				})
			}
			for range rapid.IntRange(0, 3).Draw(t, "turns") {
				p.Readiness = append(p.Readiness, timeline.Turn{At: drawTime(t, "turn"), Ready: rapid.Bool().Draw(t, "is ready")})
			}
			tl.Pods = append(tl.Pods, p)
		}
		for range rapid.IntRange(0, 3).Draw(t, "endpoint turns") {
			tl.Endpoints = append(tl.Endpoints, timeline.Endpoint{
				At: drawTime(t, "endpoint"), Slice: rapid.SampledFrom([]string{"s", "u"}).Draw(t, "slice"), Pod: name,
				Ready: rapid.Bool().Draw(t, "routed"), Withdrawn: rapid.Bool().Draw(t, "withdrawn"),
			})
		}
	}
	if rapid.Bool().Draw(t, "lag") {
		in.Run.Lags = []verdict.Lag{{From: drawTime(t, "lag from"), Length: objectives.Duration(rapid.IntRange(0, 5e9).Draw(t, "lag for"))}}
	}
	if rapid.Bool().Draw(t, "nodes") {
		tl.Nodes = []timeline.Node{{At: drawTime(t, "node"), Name: "n1"}}
	}
	if rapid.Bool().Draw(t, "no templates") {
		tl.Templates, tl.Strategies, tl.Scales = nil, nil, nil
	}
	return in
}

func drawLosses(t *rapid.T) []tally.Loss {
	classes := append(tally.Classes(), tally.OK)
	phases := []tally.Phase{"", tally.Connect, tally.Handshake, tally.Write, tally.Wait, tally.Answer}
	n := 0
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) tally.Loss {
		n++
		return tally.Loss{
			At: drawTime(t, "at"), Lane: rapid.SampledFrom([]string{"new", "hot"}).Draw(t, "lane"), Seq: uint64(n),
			Class: rapid.SampledFrom(classes).Draw(t, "class"), Phase: rapid.SampledFrom(phases).Draw(t, "phase"),
			Status: rapid.SampledFrom([]int{0, 200, 401, 500, 502, 503}).Draw(t, "status"),
			Pod:    rapid.SampledFrom(podNames).Draw(t, "pod"), LastPod: rapid.SampledFrom(podNames).Draw(t, "last pod"),
			Reused: rapid.Bool().Draw(t, "reused"), Conn: rapid.Uint64Range(0, 3).Draw(t, "connection"),
			IdleSeconds: float64(rapid.IntRange(0, 3000).Draw(t, "idle")) / 1000, LatencySeconds: float64(rapid.IntRange(0, 10_000).Draw(t, "latency")) / 1000,
			Remote: rapid.SampledFrom([]string{"", "10.0.0.9:80", "nonsense"}).Draw(t, "remote"),
			Detail: rapid.SampledFrom([]string{"", "EOF", "refused", "too many open files", "100%!d"}).Draw(t, "detail"),
		}
	}), 0, 30).Draw(t, "losses")
}

// Every loss gets exactly one cause, of those that there are; the counts add up;
// and neither the order of the losses nor what else was lost matters.
func TestEveryLossHasOneCause(t *testing.T) {
	t.Parallel()
	known := map[explain.Cause]bool{}
	for _, c := range explain.Causes() {
		known[c] = true
	}
	rapid.Check(t, func(t *rapid.T) {
		in, losses := drawInput(t), drawLosses(t)
		e := explain.New(in)
		want := map[explain.Cause]uint64{}
		var masked uint64
		for _, l := range losses {
			e.Add(l)
			want[e.Cause(l)]++
			if l.Masked() {
				masked++
			}
		}
		all := e.Explanations()
		got := map[explain.Cause]uint64{}
		for _, x := range all {
			if !known[x.Cause] {
				t.Fatalf("cause %q is not in the table", x.Cause)
			}
			got[x.Cause] += x.Count
			masked -= x.Masked
			check(t, x)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		if masked != 0 {
			t.Fatalf("%d masked losses too few or too many", int64(masked))
		}
		shuffled := append([]tally.Loss{}, losses...)
		rand.New(rand.NewSource(rapid.Int64().Draw(t, "order"))).Shuffle(len(shuffled), func(i, j int) {
			shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
		})
		other := explain.New(in)
		for _, l := range shuffled {
			other.Add(l)
		}
		if diff := cmp.Diff(all, other.Explanations()); diff != "" {
			t.Fatal(diff)
		}
		for _, f := range explain.Facts(in) {
			if f.Sentence == "" || (f.Value == nil) == (f.Median == nil) {
				t.Fatalf("fact %+v", f)
			}
		}
	})
}

// check holds what is true of every explanation.
func check(t *rapid.T, x explain.Explanation) {
	if x.Sentence == "" || x.Advice == "" || strings.Contains(x.Sentence+x.Advice, "%!(") {
		t.Fatalf("words of %s: %q, %q", x.Cause, x.Sentence, x.Advice)
	}
	if x.To.Before(x.From) || x.Lanes == nil || x.Pods == nil {
		t.Fatalf("%+v", x)
	}
	if want := min(int(x.Count), explain.MaxExamples); len(x.Examples) != want {
		t.Fatalf("%d examples of %d losses", len(x.Examples), x.Count)
	}
	if !strings.HasPrefix(x.Sentence, fmt.Sprint(x.Count)) {
		t.Fatalf("%d losses: %s", x.Count, x.Sentence)
	}
}
