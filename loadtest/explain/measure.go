package explain

import (
	"fmt"
	"math"
	"slices"
	"time"

	"rollproof/loadtest/timeline"
)

// Values that advice is computed from.
const (
	// leastDrain is what a drain should have at least: in a cluster 3 s are mostly
	// enough (kubernetes/kubernetes#43576).
	leastDrain = 3
	// drainFactor is the room over what was measured: the next rollout may meet a
	// busier control plane.
	drainFactor = 2
	// graceSlack is what a grace should have over all that must fit in it.
	graceSlack = 5
)

// seconds rounds a duration up to whole ones, since the fields take no others.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// withdrawals returns how long the endpoint of each terminating pod stayed ready.
func (b *book) withdrawals() []time.Duration {
	var out []time.Duration
	for _, h := range b.pods {
		if !h.withdrawn.IsZero() {
			out = append(out, h.withdrawn.Sub(h.Terminating))
		}
	}
	return out
}

// lateConnections returns, for each pod that was still asked on a new connection
// after it was told to end, how long after that the last one was.
func (b *book) lateConnections() []time.Duration {
	var out []time.Duration
	for _, h := range b.pods {
		if !h.Terminating.IsZero() && h.answers != nil && h.answers.LastNew.After(h.Terminating) {
			out = append(out, h.answers.LastNew.Sub(h.Terminating))
		}
	}
	return out
}

// startUps returns how long each new pod took from its container's start until
// it was ready.
func (b *book) startUps() []time.Duration {
	var out []time.Duration
	for _, h := range b.pods {
		if !h.AtStart && !h.Started.IsZero() && !h.Ready.IsZero() {
			out = append(out, max(h.Ready.Sub(h.Started), 0))
		}
	}
	return out
}

func most(ds []time.Duration) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	return slices.Max(ds)
}

// drain returns how many seconds a pod must serve on after SIGTERM, and what was
// measured for it: how long it was still routed to, and for losses on kept
// connections how long those had been idle.
func (g *group) drain() (set int, measured time.Duration) {
	measured = max(most(g.book.withdrawals()), most(g.book.lateConnections()))
	if g.rule.cause == RefusedAfterSigterm || g.rule.cause == RoutedAfterWithdrawn {
		measured = max(measured, g.after.most)
	}
	if g.rule.cause == ClosedAtShutdown {
		measured = max(measured, g.idle.most)
	}
	return max(leastDrain, seconds(drainFactor*measured)), measured
}

// graceFor says what terminationGracePeriodSeconds a drain of that length needs.
func (g *group) graceFor(drain int) string {
	need := drain + seconds(g.book.Longest) + graceSlack
	switch now := g.grace(); {
	case now == 0:
		return fmt.Sprintf("terminationGracePeriodSeconds must be %d or more for that.", need)
	case now < float64(need):
		return fmt.Sprintf("terminationGracePeriodSeconds: %d (now %g), since the longest answer of %s and %d s of slack must fit in it too.",
			need, now, secs(g.book.Longest), graceSlack)
	default:
		return fmt.Sprintf("terminationGracePeriodSeconds of %g is enough for that.", now)
	}
}

// preStopNow says what the container's preStop hook is: "none", "sleep 2 s".
func preStopNow(c timeline.Container) string {
	switch {
	case c.Name == "":
		return "not seen"
	case c.PreStop == nil:
		return "none"
	case c.PreStop.Kind == "sleep":
		return fmt.Sprintf("sleep %g s", c.PreStop.Seconds)
	}
	return c.PreStop.Kind
}

// unrouted returns the longest time from from to to in which no pod's endpoint
// was ready.
func (b *book) unrouted(from, to time.Time) time.Duration {
	var spans []timeline.Span
	for _, h := range b.pods {
		spans = append(spans, h.routed...)
	}
	slices.SortFunc(spans, func(x, y timeline.Span) int { return x.From.Compare(y.From) })
	var longest time.Duration
	at := from
	for _, s := range spans {
		if s.From.After(to) {
			break
		}
		if s.From.After(at) {
			longest = max(longest, s.From.Sub(at))
		}
		if s.To.IsZero() {
			return longest
		}
		at = latest(at, s.To)
	}
	if to.After(at) {
		longest = max(longest, to.Sub(at))
	}
	return longest
}
