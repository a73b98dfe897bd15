package explain

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rollproof/loadtest/timeline"
)

func saySampler(g *group) string {
	s := fmt.Sprintf("%s %s lost by the harness itself: its machine stood still or had no files or ports left.", g.what(), g.were())
	if g.lag.most > 0 {
		s += fmt.Sprintf(" It stood still for up to %s of a request.", secs(g.lag.most))
	}
	return s + g.inWords()
}

func sayWrongVersion(g *group) string {
	return fmt.Sprintf("%s %s answered by a version that might not answer then, or that differed between header and body, by %s.%s",
		g.what(), g.were(), g.who(), g.inWords())
}

func sayWrongAnswer(g *group) string {
	return fmt.Sprintf("%s got an answer that is not the right one of the version that gave it, from %s.%s", g.what(), g.who(), g.inWords())
}

func sayName(g *group) string {
	return fmt.Sprintf("%s %s lost because the host's name did not resolve.%s", g.what(), g.were(), g.inWords())
}

func sayTLS(g *group) string {
	return fmt.Sprintf("%s %s lost because TLS was not agreed on.%s", g.what(), g.were(), g.inWords())
}

// exits says how the containers of the group's pods ended, of the outages that
// fit: "container c of pod web-b-1 ended with code 2 (Error) 10 s after its start".
func (g *group) exits(fits func(outage) bool) string {
	var out []string
	for _, h := range g.histories() {
		n := 0
		var last outage
		for _, o := range h.outages {
			if fits(o) && !o.From.After(g.to.Add(seenLag)) {
				n++
				last = o
			}
		}
		if n == 0 {
			continue
		}
		e := last.exit
		words := fmt.Sprintf("container %s of pod %s ended with code %d", e.Container, h.Name, e.Code)
		if e.Reason != "" {
			words += " (" + e.Reason + ")"
		}
		if e.Lived() > 0 {
			words += fmt.Sprintf(" %.0f s after its start", e.Lived().Seconds())
		}
		if n > 1 {
			words += fmt.Sprintf(", the last of %d times", n)
		}
		out = append(out, words)
	}
	return strings.Join(out, "; ")
}

func sayOOM(g *group) string {
	return fmt.Sprintf("%s met a container that was ended for want of memory: %s.", g.what(), g.exits(func(o outage) bool { return o.exit.OOM() }))
}

func sayLiveness(g *group) string {
	return fmt.Sprintf("%s met a container that the kubelet ended because its liveness probe failed: %s.",
		g.what(), g.exits(func(o outage) bool { return o.liveness }))
}

func sayCrash(g *group) string {
	return fmt.Sprintf("%s met a container that ended by itself: %s.",
		g.what(), g.exits(func(o outage) bool { return !o.liveness && !o.exit.OOM() }))
}

func sayNode(g *group) string {
	nodes := map[string]bool{}
	for _, h := range g.histories() {
		nodes[h.Node] = true
	}
	return fmt.Sprintf("%s went to %s on a node that was not ready or gone: %s.", g.what(), g.who(), listed(slices.Sorted(maps.Keys(nodes))))
}

func sayKilled(g *group) string {
	return fmt.Sprintf("%s %s cut when %s was killed (SIGKILL) because it still ran at the end of its grace of %g s.",
		g.what(), g.were(), g.who(), g.grace())
}

func sayErrorWhileEnding(g *group) string {
	return fmt.Sprintf("%s got %s from %s, which had been told to end (SIGTERM) %s before: what answers need was closed before HTTP was.",
		g.what(), g.statusWords(), g.who(), g.afterWords())
}

func sayNoEndpoint(g *group) string {
	return fmt.Sprintf("%s found no pod to go to: no endpoint was ready for up to %s.", g.what(), secs(g.book.unrouted(g.book.Run.Start, g.book.Run.End)))
}

func sayTooEarly(g *group) string {
	var gaps []string
	for _, h := range g.histories() {
		switch first := h.firstAnswer(); {
		case h.AtStart:
		case first.IsZero() && g.book.named:
			gaps = append(gaps, fmt.Sprintf("%s never answered", h.Name))
		case first.After(h.Ready):
			gaps = append(gaps, fmt.Sprintf("%s first answered %s later", h.Name, secs(first.Sub(h.Ready))))
		}
	}
	s := fmt.Sprintf("%s went to %s, which was called ready before it could answer", g.what(), g.who())
	if len(gaps) > 0 {
		s += ": " + listed(gaps)
	}
	return s + "."
}

func sayRefused(g *group) string {
	s := fmt.Sprintf("%s %s not let in by %s, which had been told to end (SIGTERM) %s before and was still routed to.",
		g.what(), g.were(), g.who(), g.afterWords())
	return s + g.withdrawalWords()
}

// withdrawalWords says how long endpoints took to be withdrawn.
func (g *group) withdrawalWords() string {
	if w := g.book.withdrawals(); len(w) > 0 {
		return fmt.Sprintf(" Endpoints were withdrawn %s after SIGTERM at the latest.", secs(most(w)))
	}
	return ""
}

// afterWords says how long after the pods' termination the requests were due.
func (g *group) afterWords() string {
	if g.after.least == g.after.most {
		return secs(g.after.most)
	}
	return secs(g.after.least) + " to " + secs(g.after.most)
}

func sayClosed(g *group) string {
	return fmt.Sprintf("%s %s lost on kept connections that %s closed while it ended (SIGTERM %s before), as the request was on its way; the connections had been idle for up to %s.",
		g.what(), g.were(), g.who(), g.afterWords(), secs(g.idle.most))
}

func sayCut(g *group) string {
	return fmt.Sprintf("%s %s under way when %s ended (SIGTERM %s before) and cut them off.", g.what(), g.were(), g.who(), g.afterWords())
}

func sayNotReady(g *group) string {
	return fmt.Sprintf("%s went to %s, which said that it was not ready and was still routed to, or kept by a connection.", g.what(), g.who())
}

func sayOverload(g *group) string {
	s := fmt.Sprintf("%s met pods that had too much to do", g.what())
	if t := g.book.Timeline; t != nil {
		if scale, ok := t.ScaleAt(g.to); ok && scale.Max > 0 {
			s += fmt.Sprintf(": %d of at most %d replicas", scale.Spec, scale.Max)
			if scale.Target > 0 {
				s += fmt.Sprintf(", %s of a target of %d%%", scale.Metric, scale.Target)
			}
		}
	}
	return s + "."
}

func sayServerError(g *group) string {
	return fmt.Sprintf("%s got %s from %s, which was not about to end.%s", g.what(), g.statusWords(), g.who(), g.inWords())
}

func sayRejected(g *group) string {
	return fmt.Sprintf("%s got %s: the server did not take the request.%s", g.what(), g.statusWords(), g.inWords())
}

// statusWords says which statuses came how often: "status 500 (3)".
func (g *group) statusWords() string {
	var parts []string
	for _, status := range slices.Sorted(maps.Keys(g.statuses)) {
		parts = append(parts, fmt.Sprintf("%d (%d)", status, g.statuses[status]))
	}
	return "status " + strings.Join(parts, ", ")
}

func sayIdle(g *group) string {
	return fmt.Sprintf("%s %s lost on kept connections that the server closed although its pod was not about to end; they had been idle for %s to %s.",
		g.what(), g.were(), secs(g.idle.least), secs(g.idle.most))
}

func sayLongWithdrawn(g *group) string {
	return fmt.Sprintf("%s went to %s up to %s after SIGTERM, long after its endpoint was withdrawn: something in front of the cluster still sent there.%s",
		g.what(), g.who(), secs(g.after.most), g.withdrawalWords())
}

func sayShort(g *group) string {
	return fmt.Sprintf("%s got an answer that ended too early, from %s, which was not about to end.%s", g.what(), g.who(), g.inWords())
}

func sayDropped(g *group) string {
	return fmt.Sprintf("%s %s dropped without an answer by %s, or on the way there. Its state was that of a pod which serves: ready, not about to end, and its container went on.%s",
		g.what(), g.were(), g.who(), g.inWords())
}

func sayUnknown(g *group) string {
	s := fmt.Sprintf("%s %s lost, and nothing that was seen tells why", g.what(), g.were())
	if g.book.Timeline == nil {
		s += ": no cluster was watched"
	} else if gap := g.gap(); gap != "" {
		s += ": the watch of " + gap + " was broken then"
	}
	return s + "." + g.inWords()
}

// gap names a watch that was broken in the group's time; empty if none was.
func (g *group) gap() string {
	for _, gap := range g.book.Timeline.Gaps {
		if overlaps(timeline.Span{From: gap.From, To: gap.To}, g.from, g.to) {
			return gap.Resource
		}
	}
	return ""
}

// inWords quotes what the errors said.
func (g *group) inWords() string {
	if len(g.details) == 0 {
		return ""
	}
	var quoted []string
	for _, d := range slices.Sorted(maps.Keys(g.details)) {
		quoted = append(quoted, fmt.Sprintf("%.120q", d))
	}
	return " In their words: " + strings.Join(quoted, "; ") + "."
}

// after writes a moment as seconds of the run.
func (b *book) after(t time.Time) string {
	return fmt.Sprintf("%.1f s", t.Sub(b.Run.Start).Seconds())
}
