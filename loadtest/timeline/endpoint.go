package timeline

import (
	"slices"
	"time"
)

// Endpoint is one change of a pod's endpoint in an EndpointSlice.
type Endpoint struct {
	At          time.Time `json:"at"`
	Service     string    `json:"service,omitempty"`
	Slice       string    `json:"slice"`
	Pod         string    `json:"pod"`
	Ready       bool      `json:"ready"`
	Serving     bool      `json:"serving"`
	Terminating bool      `json:"terminating"`
	Withdrawn   bool      `json:"withdrawn,omitempty"` // no longer listed; the conditions are false then
}

// Span is a stretch of time. A zero To is one that had not ended.
type Span struct {
	From, To time.Time
}

// Holds tells whether t lies in the span.
func (s Span) Holds(t time.Time) bool {
	return !t.Before(s.From) && (s.To.IsZero() || t.Before(s.To))
}

// Routed returns when the pod's endpoint was ready in any slice: the times in
// which new connections were to go to it. Spans are in order and do not touch.
func (t *Timeline) Routed(pod string) []Span {
	return t.endpointSpans(pod, func(e Endpoint) bool { return e.Ready })
}

// Serving returns when the pod's endpoint served and was not ready in any slice:
// it terminates, and answers on what it has.
func (t *Timeline) Serving(pod string) []Span {
	return t.endpointSpans(pod, func(e Endpoint) bool { return e.Serving && !e.Ready })
}

// endpointSpans returns when is held for the pod's endpoint in any slice.
func (t *Timeline) endpointSpans(pod string, is func(Endpoint) bool) []Span {
	held := map[string]bool{} // by slice
	var out []Span
	open := false
	for _, e := range t.Endpoints {
		if e.Pod != pod {
			continue
		}
		held[e.Slice] = !e.Withdrawn && is(e)
		now := false
		for _, h := range held {
			now = now || h
		}
		switch {
		case now && !open:
			out = append(out, Span{From: e.At})
		case !now && open:
			out[len(out)-1].To = e.At
		}
		open = now
	}
	return out
}

// withdrawalSlack is how much earlier than a pod's termination the withdrawal
// of its endpoint may be seen and still be its consequence: the two come by
// different watches.
const withdrawalSlack = time.Second

// Withdrawal returns how long after the pod was seen to terminate its endpoint
// was no longer ready. It is false where the pod did not terminate, where its
// endpoint was not ready then, and where it stayed ready.
func (t *Timeline) Withdrawal(p Pod) (time.Duration, bool) {
	if p.Terminating.IsZero() {
		return 0, false
	}
	for _, s := range slices.Backward(t.Routed(p.Name)) {
		if s.From.After(p.Terminating) {
			continue
		}
		if s.To.IsZero() || s.To.Before(p.Terminating.Add(-withdrawalSlack)) {
			return 0, false
		}
		return max(s.To.Sub(p.Terminating), 0), true
	}
	return 0, false
}
