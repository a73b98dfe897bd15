package explain_test

import (
	"fmt"
	"strings"
	"testing"

	"rollproof/loadtest/explain"
	"rollproof/loadtest/tally"
	"rollproof/loadtest/timeline"
)

// gap is the only pod replaced by one that starts slowly, as seen on a cluster: its
// endpoint is not ready from 10.03 s on and does not serve from 12.52 s, and the
// new one is ready at 19.52 s.
func gap() explain.Input {
	in := rollout()
	old, fresh := &in.Timeline.Pods[0], &in.Timeline.Pods[1]
	old.Gone = at(15.5)
	old.Readiness = []timeline.Turn{{At: at(-0.1), Ready: true}, {At: at(12.5)}}
	old.Exits = []timeline.Exit{{At: at(15.3), Finished: at(15), Container: "c", Reason: "Completed"}}
	fresh.Seen, fresh.Started, fresh.Ready, fresh.Readiness = at(10.05), at(11.4), at(19.5), []timeline.Turn{{At: at(19.5), Ready: true}}
	in.Timeline.Endpoints = []timeline.Endpoint{
		{At: at(-0.1), Slice: "s", Pod: oldPod, Ready: true, Serving: true},
		{At: at(10.03), Slice: "s", Pod: oldPod, Serving: true, Terminating: true},
		{At: at(12.52), Slice: "s", Pod: oldPod, Terminating: true},
		{At: at(15.35), Slice: "s", Pod: oldPod, Withdrawn: true},
		{At: at(19.52), Slice: "s", Pod: newPod, Ready: true, Serving: true},
	}
	in.Pods[oldPod].LastNew, in.Pods[oldPod].Last = at(12.53), at(12.6)
	in.Pods[newPod].First, in.Pods[newPod].LastNew, in.Pods[newPod].Last = at(19.54), at(28), at(28)
	in.Run.End = at(28)
	return in
}

// sweep calls f with a loss of each kind that a connection may have before a byte of
// an answer, on each kind of connection, all through the rollout.
func sweep(f func(kind string, l tally.Loss)) {
	connections := map[string]func(*tally.Loss){
		"new":           func(*tally.Loss) {},
		"from stock":    func(l *tally.Loss) { l.Reused, l.IdleSeconds = true, 0.02 },
		"idle in stock": func(l *tally.Loss) { l.Reused, l.IdleSeconds = true, 1.2 },
		"the old pod's": func(l *tally.Loss) { l.Reused, l.IdleSeconds, l.LastPod = true, 0.02, oldPod },
		"the new pod's": func(l *tally.Loss) { l.Reused, l.IdleSeconds, l.LastPod = true, 0.02, newPod },
		"masked, fresh": func(l *tally.Loss) { l.Class, l.Status, l.Attempts = tally.OK, 200, 2 },
		"masked, reused": func(l *tally.Loss) {
			l.Class, l.Status, l.Attempts, l.Reused, l.LastPod = tally.OK, 200, 2, true, oldPod
		},
	}
	for _, class := range []tally.Class{tally.Refused, tally.ResetUnsent, tally.Reset, tally.EOF, tally.Timeout, tally.Other} {
		for _, phase := range []tally.Phase{tally.Connect, tally.Write, tally.Wait} {
			if (class == tally.Refused) != (phase == tally.Connect) {
				continue
			}
			for kind, change := range connections {
				if phase == tally.Connect && strings.HasPrefix(kind, "masked") {
					continue // a masked loss had a connection
				}
				for _, latency := range []float64{0.001, 1, 5} {
					for ms := 5000; ms < 22_500; ms += 25 {
						l := unanswered(float64(ms)/1000, latency)
						l.Class, l.Phase = class, phase
						change(&l)
						f(fmt.Sprintf("%s, in %s, over a connection %s, after %g s", class, phase, kind, latency), l)
					}
				}
			}
		}
	}
}

// Whatever became of a connection before a byte of an answer, and whenever in a
// rollout that was watched, there is a rule for it.
func TestNoLossBeforeAnAnswerIsUnknown(t *testing.T) {
	t.Parallel()
	drained := rollout()
	drained.Pods[oldPod].LastNew = at(11.5)
	inputs := map[string]explain.Input{"two pods": rollout(), "an old pod that serves on": drained, "one replica": gap()}
	for name, in := range inputs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := explain.New(in)
			told := map[string]bool{}
			sweep(func(kind string, l tally.Loss) {
				if e.Cause(l) == explain.Unknown && !told[kind] {
					told[kind] = true
					t.Errorf("unknown: %s, first at %v", kind, l.At.Sub(start))
				}
			})
		})
	}
}

// While no endpoint is ready, what a new connection comes to has that one cause.
func TestNewConnectionsWithoutAnEndpoint(t *testing.T) {
	t.Parallel()
	e := explain.New(gap())
	sweep(func(kind string, l tally.Loss) {
		if l.Reused || l.Attempts > 1 || l.At.Before(at(10.03)) || !l.At.Before(at(19.52)) {
			return
		}
		if got := e.Cause(l); got != explain.NoEndpoint {
			t.Fatalf("%s: %s at %v", kind, got, l.At.Sub(start))
		}
	})
}
