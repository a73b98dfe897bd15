package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"rollproof/loadtest/tally"
	"rollproof/loadtest/timeline"
)

// How far apart a thing and the word of it may be.
const (
	// seenLag is by how much the end of a container comes before it is seen: the
	// kubelet looks once a second and then reports, and its own time has whole seconds.
	seenLag = 1500 * time.Millisecond
	// watchLag is by how much two watches may differ.
	watchLag = 250 * time.Millisecond
	// routeLag is how long after an endpoint's withdrawal a node of the cluster
	// may still route to it: kube-proxy gathers changes for a second.
	routeLag = 3 * time.Second
	// usualRouteLag is how long it mostly does.
	usualRouteLag = 1500 * time.Millisecond
	// balancerLag is the same for a load balancer outside: 25 to 70 s were asked
	// for with AWS's, 40 s with GKE's.
	balancerLag = 90 * time.Second
)

// history is one pod's life, ready to be asked about any moment of it.
type history struct {
	timeline.Pod
	routed    []timeline.Span // its endpoint was ready
	withdrawn time.Time       // the endpoint was no longer ready after Terminating; zero if that was not seen
	template  timeline.Template
	answers   *tally.Pod // nil where it never answered
	outages   []outage
	nodeDown  []timeline.Span
}

// outage is a time in which the pod's container had ended and was not yet back,
// by itself and not because the pod was to end.
type outage struct {
	timeline.Span
	exit     timeline.Exit
	liveness bool // the kubelet ended it, since its liveness probe failed
}

func newHistory(p timeline.Pod, t *timeline.Timeline, answers *tally.Pod) *history {
	h := &history{Pod: p, routed: t.Routed(p.Name), answers: answers}
	h.template, _ = t.Template(p.Template)
	if d, ok := t.Withdrawal(p); ok {
		h.withdrawn = p.Terminating.Add(d)
	}
	for _, e := range p.Exits {
		at := e.Moment()
		// The node's clock has whole seconds, and the watch may be late at the turn of one.
		if !p.Terminating.IsZero() && !e.At.Before(p.Terminating) && !at.Before(p.Terminating.Add(-watchLag).Truncate(time.Second)) {
			continue // it ended because it was to
		}
		o := outage{Span: timeline.Span{From: at}, exit: e, liveness: failedLiveness(t.Events, p.Name, e.At)}
		for _, turn := range p.Readiness {
			if turn.Ready && turn.At.After(at) {
				o.To = turn.At
				break
			}
		}
		h.outages = append(h.outages, o)
	}
	h.nodeDown = nodeDown(t.Nodes, p.Node)
	return h
}

// livenessMemory is how long before a container's end its failed probe may be told of.
const livenessMemory = time.Minute

func failedLiveness(events []timeline.Event, pod string, at time.Time) bool {
	return slices.ContainsFunc(events, func(e timeline.Event) bool {
		return e.Kind == "Event" && e.Name == pod && e.What == "Killing" && strings.Contains(e.Detail, "liveness probe") &&
			e.At.After(at.Add(-livenessMemory)) && e.At.Before(at.Add(livenessMemory))
	})
}

// silenceBefore is how long a node may be silent before it counts as not ready:
// the node controller's default grace.
const silenceBefore = 50 * time.Second

func nodeDown(turns []timeline.Node, name string) []timeline.Span {
	var out []timeline.Span
	down := false
	for _, n := range turns {
		if n.Name != name {
			continue
		}
		bad := n.Gone || !n.Ready
		switch {
		case bad && !down:
			out = append(out, timeline.Span{From: n.At.Add(-silenceBefore)})
		case !bad && down:
			out[len(out)-1].To = n.At
		}
		down = bad
	}
	return out
}

// overlaps tells whether the span has a moment in common with from..to.
func overlaps(s timeline.Span, from, to time.Time) bool {
	return !to.Before(s.From) && (s.To.IsZero() || !from.After(s.To))
}

// terminating tells whether the pod had been told to end at that moment, as well
// as two watches can tell.
func (h *history) terminating(at time.Time) bool {
	return !h.Terminating.IsZero() && !at.Before(h.Terminating.Add(-watchLag))
}

// endedBy tells whether the pod's container had ended at that moment.
func (h *history) endedBy(at time.Time) bool {
	ended := h.Ended()
	return !ended.IsZero() && !ended.After(at)
}

// routedAt tells whether the pod's endpoint was ready at that moment.
func (h *history) routedAt(at time.Time) bool {
	return slices.ContainsFunc(h.routed, func(s timeline.Span) bool { return s.Holds(at) })
}

// existed tells whether the pod was there at that moment, or had been shortly before.
func (h *history) existed(at time.Time) bool {
	return !at.Before(h.Seen.Add(-watchLag)) && (h.Gone.IsZero() || at.Before(h.Gone.Add(balancerLag)))
}

// answeredNewAfter tells whether the pod took a new connection at or after that
// moment and answered on it: it was listening, whatever was refused.
func (h *history) answeredNewAfter(at time.Time) bool {
	return h.answers != nil && h.answers.LastNew.After(at)
}

// answeredAfter tells whether an answer of the pod's came after that moment, on
// whatever connection: it had not ended.
func (h *history) answeredAfter(at time.Time) bool {
	return h.answers != nil && h.answers.Last.After(at)
}

// firstAnswer returns when the pod first gave a right answer; zero if never.
func (h *history) firstAnswer() time.Time {
	if h.answers == nil {
		return time.Time{}
	}
	return h.answers.First
}

// down returns the outage that a request from..to may have met.
func (h *history) down(from, to time.Time) (outage, bool) {
	for _, o := range h.outages {
		wide := timeline.Span{From: o.From.Add(-watchLag), To: o.To}
		if !o.To.IsZero() {
			wide.To = o.To.Add(routeLag)
		}
		if overlaps(wide, from, to) {
			return o, true
		}
	}
	return outage{}, false
}

// killed returns when the pod was killed at the end of its grace, by the watch's
// clock, and false if it was not.
func (h *history) killed() (time.Time, bool) {
	if h.Terminating.IsZero() || h.Grace == nil {
		return time.Time{}, false
	}
	end := h.Terminating.Add(time.Duration(*h.Grace * float64(time.Second)))
	for _, e := range h.Exits {
		if e.Killed() && !e.At.Before(end.Add(-watchLag)) {
			return latest(e.Moment(), end), true
		}
	}
	// Its container's end was not seen: that the pod lived out its grace tells it.
	if len(h.Exits) == 0 && !h.Gone.IsZero() && !h.Gone.Before(end) {
		return end, true
	}
	return time.Time{}, false
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// container returns the container that serves: the first one, as in the rest of
// the harness. It is empty where the template was not seen.
func (h *history) container() timeline.Container {
	if len(h.template.Containers) == 0 {
		return timeline.Container{}
	}
	return h.template.Containers[0]
}

// words says what the pod and its endpoint were doing at that moment.
func (h *history) words(at time.Time) string {
	since := func(t time.Time) string { return secs(at.Sub(t)) }
	var state string
	switch {
	case at.Before(h.Seen):
		return "not there yet"
	case !h.Gone.IsZero() && !at.Before(h.Gone):
		return "gone for " + since(h.Gone)
	case !h.Terminating.IsZero() && !at.Before(h.Terminating):
		state = "terminating for " + since(h.Terminating)
		if ended := h.Ended(); !ended.IsZero() && !at.Before(ended) {
			state += ", its container ended for " + since(ended)
		}
	default:
		state = h.living(at)
	}
	switch {
	case h.routedAt(at):
		return state + ", its endpoint ready"
	case !h.withdrawn.IsZero() && !at.Before(h.withdrawn):
		return state + ", its endpoint withdrawn for " + since(h.withdrawn)
	case len(h.routed) > 0:
		return state + ", its endpoint not ready"
	}
	return state
}

// living says what a pod that was not to end was doing.
func (h *history) living(at time.Time) string {
	if o, ok := h.down(at, at); ok && o.Holds(at) {
		return fmt.Sprintf("down: container %s had ended with code %d (%s)", o.exit.Container, o.exit.Code, o.exit.Reason)
	}
	switch {
	case h.ReadyAt(at):
		return "ready"
	case h.Started.IsZero() || at.Before(h.Started):
		return "not started"
	}
	return "started and not ready"
}

// secs writes a duration with the digits that matter.
func secs(d time.Duration) string {
	if d < time.Second && d > -time.Second {
		return d.Round(time.Millisecond).String()
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
