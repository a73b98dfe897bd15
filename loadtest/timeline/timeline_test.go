package timeline_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollproof/loadtest/timeline"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

func TestRaised(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		scales []timeline.Scale
		want   time.Time
	}{
		{"never", []timeline.Scale{{At: at(0), Spec: 2, Min: 2}}, time.Time{}},
		{"after", []timeline.Scale{{At: at(0), Spec: 2, Min: 2}, {At: at(12), Spec: 3, Min: 2}, {At: at(15), Spec: 4, Min: 2}}, at(12)},
		{"before only", []timeline.Scale{{At: at(0), Spec: 3, Min: 2}, {At: at(12), Spec: 3, Ready: 3, Min: 2}}, time.Time{}},
		{"before and again", []timeline.Scale{{At: at(0), Spec: 3, Min: 2}, {At: at(12), Spec: 4, Min: 2}}, at(12)},
		{"without an autoscaler", []timeline.Scale{{At: at(0), Spec: 2}, {At: at(12), Spec: 3}}, time.Time{}},
		{"nothing seen before", []timeline.Scale{{At: at(12), Spec: 3, Min: 2}}, at(12)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := (&timeline.Timeline{Scales: tt.scales}).Raised(at(10)); !got.Equal(tt.want) {
				t.Errorf("raised at %v, want %v", got, tt.want)
			}
		})
	}
}

func TestReadyFor(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		pod  timeline.Pod
		want time.Duration
	}{
		{"never ready", timeline.Pod{}, 0},
		{"since before the start", timeline.Pod{Ready: at(-50)}, 20 * time.Second},
		{"since later", timeline.Pod{Ready: at(5)}, 15 * time.Second},
		{"until it went", timeline.Pod{Ready: at(5), Terminating: at(9), Gone: at(15)}, 4 * time.Second},
		{"gone at once", timeline.Pod{Ready: at(5), Gone: at(9)}, 4 * time.Second},
		{"gone before the start", timeline.Pod{Ready: at(-9), Gone: at(-5)}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.pod.ReadyFor(at(0), at(20)); got != tt.want {
				t.Errorf("ready for %v, want %v", got, tt.want)
			}
		})
	}
}

func TestState(t *testing.T) {
	t.Parallel()
	complete := timeline.Deployment{Found: true, Generation: 2, Observed: 2, Spec: 2, Replicas: 2, Updated: 2, Ready: 2, Available: 2}
	s := timeline.State{
		Deployment: complete, Newest: "b", HPA: &timeline.HPA{Min: 2, Max: 5},
		Pods: []timeline.Pod{
			{Name: "b2", Template: "b", ReadyNow: true, Ready: at(8), Seen: at(6)},
			{Name: "b1", Template: "b", ReadyNow: true, Ready: at(5), Seen: at(3)},
			{Name: "a1", Template: "a", Gone: at(7)},
		},
	}
	s.Count()
	if !s.RolledOut("a") || s.RolledOut("b") || !s.AtMinimum() || s.Above() {
		t.Errorf("after a rollout: %+v", s)
	}
	if diff := cmp.Diff([]string{"b2"}, s.ReadySince(at(6))); diff != "" {
		t.Error(diff)
	}
	s.Pods[0].Gone = time.Time{} // the first seen: the old one comes back
	s.Count()
	if s.RolledOut("a") || s.AtMinimum() || s.OtherPods.All != 1 {
		t.Errorf("with an old pod left: %+v", s)
	}
	stale := complete
	stale.Generation = 3
	for _, d := range []timeline.Deployment{{}, stale} {
		if d.Complete() {
			t.Errorf("complete: %+v", d)
		}
	}
}
