package timeline_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollproof/loadtest/timeline"
)

func TestRouted(t *testing.T) {
	t.Parallel()
	on := func(seconds int, slice string) timeline.Endpoint {
		return timeline.Endpoint{At: at(seconds), Slice: slice, Pod: "a", Ready: true}
	}
	off := func(seconds int, slice string) timeline.Endpoint {
		return timeline.Endpoint{At: at(seconds), Slice: slice, Pod: "a", Withdrawn: true}
	}
	tests := []struct {
		name  string
		turns []timeline.Endpoint
		want  []timeline.Span
	}{
		{"never", nil, nil},
		{"still", []timeline.Endpoint{on(1, "s")}, []timeline.Span{{From: at(1)}}},
		{"on and off and on", []timeline.Endpoint{on(1, "s"), off(3, "s"), on(4, "s"), off(9, "s")}, []timeline.Span{{From: at(1), To: at(3)}, {From: at(4), To: at(9)}}},
		{"moved to another slice", []timeline.Endpoint{on(1, "s"), on(3, "t"), off(3, "s"), off(9, "t")}, []timeline.Span{{From: at(1), To: at(9)}}},
		{"another pod's", []timeline.Endpoint{{At: at(1), Slice: "s", Pod: "b", Ready: true}}, nil},
		{"listed and not ready", []timeline.Endpoint{{At: at(1), Slice: "s", Pod: "a"}, on(2, "s"), {At: at(5), Slice: "s", Pod: "a", Serving: true, Terminating: true}}, []timeline.Span{{From: at(2), To: at(5)}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := (&timeline.Timeline{Endpoints: tt.turns}).Routed("a")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWithdrawal(t *testing.T) {
	t.Parallel()
	turns := func(off time.Time) []timeline.Endpoint {
		return []timeline.Endpoint{{At: at(0), Slice: "s", Pod: "a", Ready: true}, {At: off, Slice: "s", Pod: "a", Withdrawn: true}}
	}
	tests := []struct {
		name  string
		told  time.Time
		turns []timeline.Endpoint
		want  time.Duration
		ok    bool
	}{
		{"after", at(10), turns(at(12)), 2 * time.Second, true},
		{"seen just before", at(10), turns(at(10).Add(-300 * time.Millisecond)), 0, true},
		{"long before, for another reason", at(10), turns(at(5)), 0, false},
		{"never", at(10), turns(at(12))[:1], 0, false},
		{"the pod lives", time.Time{}, turns(at(12)), 0, false},
		{"no endpoint", at(10), nil, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, ok := (&timeline.Timeline{Endpoints: tt.turns}).Withdrawal(timeline.Pod{Name: "a", Terminating: tt.told})
			if got != tt.want || ok != tt.ok {
				t.Errorf("%v, %t, want %v, %t", got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestExit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		exit   timeline.Exit
		moment time.Time
		killed bool
		lived  time.Duration
	}{
		{"the node's clock", timeline.Exit{At: at(12), Finished: at(11), Started: at(1), Code: 1}, at(11), false, 10 * time.Second},
		{"a clock that is ahead", timeline.Exit{At: at(12), Finished: at(15), Code: 137}, at(12), true, 0},
		{"a clock that is far behind", timeline.Exit{At: at(60), Finished: at(11), Code: 0}, at(60), false, 0},
		{"by its signal", timeline.Exit{At: at(12), Signal: 9}, at(12), true, 0},
		{"out of memory", timeline.Exit{At: at(12), Code: 137, Reason: "OOMKilled"}, at(12), false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.exit.Moment(); !got.Equal(tt.moment) {
				t.Errorf("ended at %v, want %v", got, tt.moment)
			}
			if tt.exit.Killed() != tt.killed || tt.exit.Lived() != tt.lived {
				t.Errorf("killed %t, lived %v", tt.exit.Killed(), tt.exit.Lived())
			}
		})
	}
}

func TestEndedAndReadyAt(t *testing.T) {
	t.Parallel()
	p := timeline.Pod{
		Terminating: at(10), Gone: at(14), Readiness: []timeline.Turn{{At: at(1), Ready: true}, {At: at(5)}, {At: at(6), Ready: true}},
		Exits: []timeline.Exit{{At: at(4), Code: 1}, {At: at(13), Finished: at(12)}},
	}
	if got := p.Ended(); !got.Equal(at(12)) {
		t.Errorf("ended at %v, want the last container's end", got)
	}
	p.Exits = p.Exits[:1]
	if got := p.Ended(); !got.Equal(at(14)) {
		t.Errorf("ended at %v, want the pod's", got)
	}
	p.Exits = []timeline.Exit{{At: at(11), Finished: at(9)}}
	if got := p.Ended(); !got.Equal(at(10)) {
		t.Errorf("ended at %v, want no time before it was told", got)
	}
	for second, want := range map[int]bool{0: false, 1: true, 5: false, 6: true, 13: true, 14: false} {
		if got := p.ReadyAt(at(second)); got != want {
			t.Errorf("ready at %d s: %t", second, got)
		}
	}
}

func TestWhatHeldThen(t *testing.T) {
	t.Parallel()
	tl := &timeline.Timeline{
		Templates:  []timeline.Template{{Name: "a", Grace: 7}},
		Strategies: []timeline.Strategy{{At: at(5), MaxSurge: 1}, {At: at(9), MaxSurge: 2}},
		Scales:     []timeline.Scale{{At: at(5), Spec: 1}, {At: at(9), Spec: 2}},
	}
	for second, want := range map[int]int32{0: 1, 5: 1, 8: 1, 9: 2, 99: 2} {
		s, ok := tl.StrategyAt(at(second))
		if !ok || s.MaxSurge != want {
			t.Errorf("strategy at %d s: %+v", second, s)
		}
		scale, ok := tl.ScaleAt(at(second))
		if ok != (second >= 5) || (ok && scale.Spec != want) {
			t.Errorf("scale at %d s: %+v", second, scale)
		}
	}
	if _, ok := (&timeline.Timeline{}).StrategyAt(at(0)); ok {
		t.Error("a strategy that nobody saw")
	}
	if m, ok := tl.Template("a"); !ok || m.Grace != 7 {
		t.Errorf("template %+v", m)
	}
	if _, ok := tl.Template("b"); ok {
		t.Error("a template that nobody saw")
	}
}
