package timeline

import (
	"cmp"
	"slices"
	"time"
)

// State is the cluster at one moment.
type State struct {
	Deployment Deployment
	// Newest is the pod-template-hash of the ReplicaSet with the highest
	// revision; empty while none is known.
	Newest     string
	HPA        *HPA // nil where none scales the Deployment
	Pods       []Pod
	NewestPods PodCount
	OtherPods  PodCount // of every other template
}

// Deployment is a Deployment's state. Its numbers are the status's, except Spec.
type Deployment struct {
	Found      bool
	Generation int64
	Observed   int64
	Spec       int32
	Replicas   int32
	Updated    int32
	Ready      int32
	Available  int32
	Image      string
}

// Complete tells whether the controller has seen the newest spec and every
// replica is of it and available.
func (d Deployment) Complete() bool {
	return d.Found && d.Observed >= d.Generation && d.Updated == d.Spec && d.Replicas == d.Spec && d.Available == d.Spec
}

// HPA is a HorizontalPodAutoscaler's state.
type HPA struct {
	Name    string
	Min     int32
	Max     int32
	Desired int32
	Metric  string
	// Measured and Target are as in Scale.
	Measured int32
	Target   int32
	// Short: what was measured is known and too little for the autoscaler to add pods.
	Short bool
}

// PodCount counts pods that are not gone.
type PodCount struct {
	All   int
	Ready int
}

// Count fills the pod counts from the pods.
func (s *State) Count() {
	s.NewestPods, s.OtherPods = PodCount{}, PodCount{}
	for _, p := range s.Pods {
		if !p.Gone.IsZero() {
			continue
		}
		c := &s.OtherPods
		if p.Template == s.Newest {
			c = &s.NewestPods
		}
		c.All++
		if p.ReadyNow {
			c.Ready++
		}
	}
	slices.SortFunc(s.Pods, func(a, b Pod) int {
		return cmp.Or(a.Seen.Compare(b.Seen), cmp.Compare(a.Name, b.Name))
	})
}

// RolledOut tells whether a template other than before is complete and no pod
// of any other template is left.
func (s *State) RolledOut(before string) bool {
	return s.Newest != "" && s.Newest != before && s.Deployment.Complete() && s.OtherPods.All == 0
}

// Above tells whether the autoscaler has raised the replicas above its minimum.
func (s *State) Above() bool {
	return s.HPA != nil && s.Deployment.Spec > s.HPA.Min
}

// AtMinimum tells whether exactly the autoscaler's minimum of pods is there, all
// ready and none going; without an autoscaler, as many as the spec says.
func (s *State) AtMinimum() bool {
	want := s.Deployment.Spec
	if s.HPA != nil {
		want = s.HPA.Min
	}
	return s.Deployment.Complete() && s.Deployment.Spec == want && s.NewestPods.All+s.OtherPods.All == int(want)
}

// ReadySince returns the pods that became ready at since or later and are so still.
func (s *State) ReadySince(since time.Time) []string {
	var out []string
	for _, p := range s.Pods {
		if p.ReadyNow && p.Gone.IsZero() && p.Terminating.IsZero() && !p.Ready.Before(since) {
			out = append(out, p.Name)
		}
	}
	return out
}
