package explain_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollproof/loadtest/explain"
	"rollproof/loadtest/goldentest"
	"rollproof/loadtest/tally"
	"rollproof/loadtest/timeline"
)

func fact(t *testing.T, in explain.Input, name string) explain.Fact {
	t.Helper()
	for _, f := range explain.Facts(in) {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no fact %s", name)
	return explain.Fact{}
}

// The facts of a rollout at which nothing is wrong, in a person's words.
func TestFacts(t *testing.T) {
	t.Parallel()
	in := rollout()
	in.Pods[oldPod].LastNew = at(10.9)
	var b bytes.Buffer
	for _, f := range explain.Facts(in) {
		figures := ""
		for _, v := range []*float64{f.Value, f.Min, f.Median, f.Max} {
			if v != nil {
				figures += fmt.Sprintf(" %.3f", *v)
			}
		}
		fmt.Fprintf(&b, "%s:%s %s\n  %s\n", f.Name, figures, f.Unit, f.Sentence)
	}
	goldentest.Same(t, "facts.txt", b.Bytes())
}

func TestFactsOfSeveralPods(t *testing.T) {
	t.Parallel()
	in := rollout()
	for i, d := range []float64{0.2, 0.9, 0.4} {
		name := fmt.Sprintf("web-a-%d", i+2)
		in.Timeline.Pods = append(in.Timeline.Pods, timeline.Pod{Name: name, Template: "a", AtStart: true, Terminating: at(11), Gone: at(11.5), Grace: ptr(2.0)})
		in.Timeline.Endpoints = append(in.Timeline.Endpoints,
			timeline.Endpoint{At: at(0), Slice: "t", Pod: name, Ready: true}, timeline.Endpoint{At: at(11 + d), Slice: "t", Pod: name, Withdrawn: true})
	}
	got := fact(t, in, explain.FactWithdrawal)
	want := explain.Fact{
		Name: explain.FactWithdrawal, Min: ptr(0.2), Median: ptr(0.65), Max: ptr(1.3), Count: 4, Unit: "s",
		Sentence: "From a pod's SIGTERM until its endpoint was withdrawn: 200ms to 1.3 s (median 650ms, 4 pods).",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if share := fact(t, in, explain.FactDrainShare); *share.Value != 0.25 {
		t.Errorf("drain share %v, want that of the slowest by its own grace", *share.Value)
	}
}

// The least time of a rollout, by the strategy's own arithmetic.
func TestLeastRollout(t *testing.T) {
	t.Parallel()
	const up, end = 3 * time.Second, 2 * time.Second // of the pods of rollout
	tests := []struct {
		name     string
		replicas int
		strategy timeline.Strategy
		want     time.Duration
	}{
		{"one at a time", 4, timeline.Strategy{Type: "RollingUpdate", MaxSurge: 1}, 4*up + end},
		{"two at a time, the last alone", 5, timeline.Strategy{Type: "RollingUpdate", MaxSurge: 1, MaxUnavailable: 1}, 3*up + end},
		{"all at once", 4, timeline.Strategy{Type: "RollingUpdate", MaxSurge: 4}, up + end},
		{"ready for a while", 2, timeline.Strategy{Type: "RollingUpdate", MaxSurge: 1, MinReady: 5}, 2*(up+5*time.Second) + end},
		{"recreate", 4, timeline.Strategy{Type: "Recreate"}, up + end},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := rollout()
			for i := range tt.replicas - 1 {
				p := in.Timeline.Pods[0]
				p.Name = fmt.Sprintf("web-a-%d", i+2)
				in.Timeline.Pods = append(in.Timeline.Pods, p)
			}
			tt.strategy.At = at(-0.1)
			in.Timeline.Strategies = []timeline.Strategy{tt.strategy}
			if got := fact(t, in, explain.FactRolloutLeast); *got.Value != tt.want.Seconds() {
				t.Errorf("%v s, want %v: %s", *got.Value, tt.want, got.Sentence)
			}
		})
	}
}

func TestTimeWithoutAnEndpoint(t *testing.T) {
	t.Parallel()
	in := rollout()
	if got := fact(t, in, explain.FactUnrouted); *got.Value != 0 {
		t.Errorf("%v s: %s", *got.Value, got.Sentence)
	}
	in.Timeline.Endpoints[1].At = at(13.8) // 2.5 s after the old one's was withdrawn
	if got := fact(t, in, explain.FactUnrouted); *got.Value != 2.5 {
		t.Errorf("%v s, want 2.5: %s", *got.Value, got.Sentence)
	}
	in.Timeline.Endpoints = in.Timeline.Endpoints[:1]
	in.Timeline.Endpoints = append(in.Timeline.Endpoints, timeline.Endpoint{At: at(15), Slice: "s", Pod: oldPod, Withdrawn: true})
	if got := fact(t, in, explain.FactUnrouted); *got.Value != 5 {
		t.Errorf("%v s, want those until the end: %s", *got.Value, got.Sentence)
	}
}

func TestFactsWithoutAnything(t *testing.T) {
	t.Parallel()
	if got := explain.Facts(explain.Input{}); got == nil || len(got) != 0 {
		t.Errorf("facts without a cluster: %v", got)
	}
	got := explain.Facts(explain.Input{Timeline: &timeline.Timeline{}, Pods: map[string]*tally.Pod{"a": nil}})
	if len(got) != 1 || got[0].Name != explain.FactExits {
		t.Errorf("facts of a cluster of which nothing was seen: %+v", got)
	}
}
