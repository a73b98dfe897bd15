// Package timeline is what the cluster did during a run, as data: moments of
// pods, of the Deployment, of the autoscaler, and what was asked of them. It
// does not watch anything and judges nothing.
package timeline

import (
	"slices"
	"time"
)

// Timeline is the cluster's side of a run. Every time is by the clock of the
// machine that watched, the same as the lanes'. Times that did not come are zero.
type Timeline struct {
	Events []Event `json:"events"`
	Pods   []Pod   `json:"pods"`
	Scales []Scale `json:"scales"`
	Gaps   []Gap   `json:"gaps"`

	Endpoints  []Endpoint `json:"endpoints"`
	Templates  []Template `json:"templates"`
	Strategies []Strategy `json:"strategies"`
	Nodes      []Node     `json:"nodes"`
}

// Event is one thing that happened.
type Event struct {
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"` // Pod, Deployment, ReplicaSet, EndpointSlice, HorizontalPodAutoscaler, Node, Event, Run, Command
	Name   string    `json:"name"`
	What   string    `json:"what"`
	Detail string    `json:"detail,omitempty"`
}

// Pod is one pod's life as it was seen.
type Pod struct {
	Name        string    `json:"name"`
	ReplicaSet  string    `json:"replica_set"`
	Template    string    `json:"template"` // the pod-template-hash label
	Image       string    `json:"image"`
	Node        string    `json:"node"`
	IP          string    `json:"ip"`
	Seen        time.Time `json:"seen"`
	Scheduled   time.Time `json:"scheduled,omitzero"`
	Started     time.Time `json:"started,omitzero"`
	Ready       time.Time `json:"ready,omitzero"` // the first time
	Terminating time.Time `json:"terminating,omitzero"`
	Gone        time.Time `json:"gone,omitzero"`
	ReadyNow    bool      `json:"ready_now"`
	Restarts    int32     `json:"restarts"`
	AtStart     bool      `json:"at_start"` // was there before the watch began

	Grace     *float64 `json:"grace_seconds,omitempty"` // allowed between Terminating and SIGKILL; null before
	Readiness []Turn   `json:"readiness,omitempty"`     // each change of its Ready condition
	Exits     []Exit   `json:"exits,omitempty"`         // of its containers, as they were seen
}

// Turn is a change of a pod's Ready condition.
type Turn struct {
	At    time.Time `json:"at"`
	Ready bool      `json:"ready"`
}

// ReadyAt tells whether the pod's Ready condition was true at that moment.
func (p Pod) ReadyAt(at time.Time) bool {
	ready := false
	for _, turn := range p.Readiness {
		if !turn.At.After(at) {
			ready = turn.Ready
		}
	}
	return ready && (p.Gone.IsZero() || at.Before(p.Gone))
}

// Ended returns when the pod's last container ended, or if that was not seen
// when the pod was gone; zero if neither.
func (p Pod) Ended() time.Time {
	if p.Terminating.IsZero() {
		return p.Gone
	}
	var last time.Time
	for _, e := range p.Exits {
		// A node's clock has whole seconds: the moment may seem to be before.
		if at := e.Moment(); at.After(last) && !e.At.Before(p.Terminating) {
			last = at
		}
	}
	if last.IsZero() {
		return p.Gone
	}
	if last.Before(p.Terminating) {
		return p.Terminating
	}
	return last
}

// ReadyFor returns for how much of the time from start to end the pod was ready
// and not terminating.
func (p Pod) ReadyFor(start, end time.Time) time.Duration {
	if p.Ready.IsZero() {
		return 0
	}
	if p.Ready.After(start) {
		start = p.Ready
	}
	for _, t := range []time.Time{p.Terminating, p.Gone} {
		if !t.IsZero() && t.Before(end) {
			end = t
		}
	}
	return max(end.Sub(start), 0)
}

// Scale is what the Deployment and its autoscaler said at one moment.
type Scale struct {
	At      time.Time `json:"at"`
	Spec    int32     `json:"spec"`    // replicas asked of the Deployment
	Ready   int32     `json:"ready"`   // replicas that are ready
	Desired int32     `json:"desired"` // by the autoscaler; 0 without one
	Min     int32     `json:"min"`
	Max     int32     `json:"max"`
	Metric  string    `json:"metric,omitempty"` // what the autoscaler measured, for example "cpu 83%"
	// Measured and Target are that metric and what the autoscaler holds it to, in
	// percent of the request; 0 where unknown.
	Measured int32 `json:"measured_percent,omitempty"`
	Target   int32 `json:"target_percent,omitempty"`
}

// Gap is a time in which a watch was broken.
type Gap struct {
	Resource string    `json:"resource"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to,omitzero"` // zero: it did not recover
	Error    string    `json:"error"`
}

// Length returns how long the gap was, up to end if it did not recover.
func (g Gap) Length(end time.Time) time.Duration {
	if g.To.IsZero() {
		return max(end.Sub(g.From), 0)
	}
	return g.To.Sub(g.From)
}

// Pod returns the pod of that name, and false if none was seen.
func (t *Timeline) Pod(name string) (Pod, bool) {
	i := slices.IndexFunc(t.Pods, func(p Pod) bool { return p.Name == name })
	if i < 0 {
		return Pod{}, false
	}
	return t.Pods[i], true
}

// Raised returns the first time from since on at which the Deployment was asked
// for more replicas than the autoscaler's minimum, and for more than just before
// since; zero if never. The replicas that run are no sign of it: a rollout's
// surge adds to them.
func (t *Timeline) Raised(since time.Time) time.Time {
	var before int32
	for _, s := range t.Scales {
		if s.At.Before(since) {
			before = s.Spec
		} else if s.Min > 0 && s.Spec > max(s.Min, before) {
			return s.At
		}
	}
	return time.Time{}
}

// Peak returns the most replicas asked for from since on.
func (t *Timeline) Peak(since time.Time) int32 {
	var peak int32
	for _, s := range t.Scales {
		if !s.At.Before(since) {
			peak = max(peak, s.Spec)
		}
	}
	return peak
}
