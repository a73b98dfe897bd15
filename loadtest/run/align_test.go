package run

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollproof/loadtest/timeline"
)

// What is aligned is the same when it was written down and read, and a moment from
// another clock stays what it was.
func TestAlignedMomentsSurviveTheirFile(t *testing.T) {
	t.Parallel()
	start := time.Now()
	grace := 30.0
	node := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	was := &timeline.Timeline{
		Events: []timeline.Event{{At: start.Add(1234567 * time.Nanosecond), Kind: "Pod"}},
		Pods: []timeline.Pod{{
			Name: "a", Seen: start, Ready: start.Add(time.Second), Grace: &grace,
			Readiness: []timeline.Turn{{At: start.Add(time.Minute), Ready: true}}, Exits: []timeline.Exit{{At: start, Finished: node}},
		}},
	}
	got := aligned(start, was)
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var read *timeline.Timeline
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(read, got); diff != "" {
		t.Error(diff)
	}
	if d := read.Events[0].At.Sub(start.Round(0)); d != 1234567 {
		t.Errorf("%v after the start, want 1.234567ms", d)
	}
	if !got.Pods[0].Exits[0].Finished.Equal(node) || !got.Pods[0].Gone.IsZero() || got.Pods[0].Readiness[0].At.Sub(got.Pods[0].Seen) != time.Minute {
		t.Errorf("%+v", got.Pods[0])
	}
	if got.Pods[0].Seen != start.Round(0) || &got.Pods[0].Readiness[0] == &was.Pods[0].Readiness[0] {
		t.Error("it shares what it was made from, or keeps its clock")
	}
	if aligned[*timeline.Timeline](start, nil) != nil {
		t.Error("of nothing there is nothing")
	}
}
