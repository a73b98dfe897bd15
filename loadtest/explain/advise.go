package explain

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"rollproof/loadtest/timeline"
)

func adviseSampler(g *group) string {
	s := "They say nothing of the service. Give the harness a machine with more to spare, or lower --new-rate, --reused-rate and --hot-connections"
	details := strings.Join(slices.Sorted(maps.Keys(g.details)), "\n")
	if strings.Contains(details, "open files") {
		s += "; raise its limit of open files (ulimit -n)"
	}
	if strings.Contains(details, "assign requested address") {
		s += "; widen net.ipv4.ip_local_port_range"
	}
	return s + "."
}

func adviseWrongVersion(g *group) string {
	r := g.book.Run
	if !r.RolledOut.IsZero() && g.to.After(r.RolledOut) {
		return fmt.Sprintf("The rollout was complete at %s: see which pods still match the Service's selector, and let each answer name the version that computed it.", g.book.after(r.RolledOut))
	}
	return "Let header and body come from the one model that computed the answer, and roll out one version at a time."
}

func adviseWrongAnswer(*group) string {
	return "Compare the image digests of the pods named, and the model in them with its goldens: the version says one model and the numbers are another's."
}

func adviseName(*group) string {
	return "Give --url an address that resolves from here, or look at this machine's DNS."
}

func adviseTLS(*group) string {
	return "Look at the server's certificate, and at --ca-file, --server-name and --client-cert; a certificate that was changed during the rollout shows here."
}

// memoryRoom is by how much a memory limit that was hit is raised.
const memoryRoom = 1.5

func adviseOOM(g *group) string {
	c := g.container()
	if c.MemoryLimit == 0 {
		return "The container has no memory limit of its own: the node ran out. Set resources.requests.memory, so that the scheduler leaves room for it."
	}
	return fmt.Sprintf("resources.limits.memory: %s, and requests.memory the same (now %s), for container %s; or let the server hold less at once.",
		mebibytes(memoryRoom*float64(c.MemoryLimit)), mebibytes(float64(c.MemoryLimit)), c.Name)
}

func mebibytes(n float64) string { return fmt.Sprintf("%.0fMi", math.Ceil(n/(1<<20))) }

func adviseLiveness(g *group) string {
	p := g.container().Liveness
	if p == nil {
		return "Let the liveness probe fail only for what a restart cures; for all else there is the readiness probe."
	}
	return fmt.Sprintf("livenessProbe.failureThreshold: %d (now %d, at %g s each), or let it ask less: a restart cures only a process that is stuck. For all else there is the readiness probe.",
		drainFactor*p.Failures, p.Failures, p.Period)
}

func adviseCrash(g *group) string {
	var pods []string
	var lived time.Duration
	for _, h := range g.histories() {
		pods = append(pods, h.Name)
		if h.AtStart {
			continue
		}
		for _, o := range h.outages {
			lived = max(lived, o.exit.Lived())
		}
	}
	s := fmt.Sprintf("kubectl logs --previous %s says why it ended.", strings.Join(pods[:min(len(pods), 1)], ""))
	if lived > 0 {
		strategy, _ := g.book.Timeline.StrategyAt(g.from)
		s += fmt.Sprintf(" With minReadySeconds: %d (now %g) a rollout of such pods stops before the old ones are gone: they lived for up to %.0f s.",
			seconds(lived+lived/2), strategy.MinReady, lived.Seconds())
	}
	return s
}

func adviseNode(*group) string {
	return "Spread the pods over nodes (topologySpreadConstraints on kubernetes.io/hostname), keep a PodDisruptionBudget, and drain a node before it ends."
}

func adviseKilled(g *group) string {
	need := leastDrain + seconds(g.book.Longest) + graceSlack
	s := "Let the server handle SIGTERM: serve on while it is still routed to, answer with `Connection: close`, and end by itself. "
	if now := g.grace(); now < float64(need) {
		return s + fmt.Sprintf("terminationGracePeriodSeconds: %d (now %g), so that a drain of %d s and the longest answer of %s fit in it.", need, now, leastDrain, secs(g.book.Longest))
	}
	return s + fmt.Sprintf("Its grace of %g s was long enough: the longest answer took %s.", g.grace(), secs(g.book.Longest))
}

func adviseErrorWhileEnding(g *group) string {
	set, _ := g.drain()
	return fmt.Sprintf("On SIGTERM end HTTP first, and the model, workers and connections that answers need last; serve on for %d s before. %s", set, g.graceFor(set))
}

func adviseNoEndpoint(g *group) string {
	s, ok := timeline.Strategy{}, false
	if g.book.Timeline != nil {
		s, ok = g.book.Timeline.StrategyAt(g.from)
	}
	var parts []string
	switch {
	case !ok:
		parts = append(parts, "Keep a ready pod at all times: strategy.rollingUpdate.maxUnavailable: 0 and maxSurge: 1 or more.")
	case s.Type == "Recreate":
		parts = append(parts, "strategy.type: RollingUpdate (now Recreate, which ends all pods before it starts the new ones), with maxUnavailable: 0 and maxSurge: 1.")
	case s.MaxUnavailable > 0:
		parts = append(parts, fmt.Sprintf("strategy.rollingUpdate.maxUnavailable: 0 and maxSurge: %d (now %d and %d).", max(s.MaxSurge, 1), s.MaxUnavailable, s.MaxSurge))
	default:
		parts = append(parts, "The strategy keeps all replicas: see in the timeline why they were not ready at once.")
	}
	if ok && s.Replicas < 2 {
		parts = append(parts, fmt.Sprintf("replicas: 2 or more (now %d).", s.Replicas))
	}
	if up := g.book.startUps(); len(up) > 0 {
		parts = append(parts, fmt.Sprintf("A new pod took up to %s from its start until it was ready.", secs(most(up))))
	}
	return strings.Join(parts, " ")
}

// adviseDrain is for servers that stop listening too early.
func adviseDrain(g *group) string {
	set, measured := g.drain()
	return fmt.Sprintf("The server stopped listening at SIGTERM, and was routed to for %s: set a drain of %d s, in which it serves on, or lifecycle.preStop.sleep.seconds: %d (preStop now: %s). %s",
		secs(measured), set, set, preStopNow(g.container()), g.graceFor(set))
}

// adviseConnectionClose is for servers that close kept connections.
func adviseConnectionClose(g *group) string {
	set, measured := g.drain()
	return fmt.Sprintf("From SIGTERM on answer each request with `Connection: close`, and close what is left only after %d s (measured: %s). A preStop sleep alone, or switching keep-alives off, closes busy connections too (preStop now: %s). %s",
		set, secs(measured), preStopNow(g.container()), g.graceFor(set))
}

func adviseCut(g *group) string {
	set, _ := g.drain()
	return fmt.Sprintf("Handle SIGTERM and let the requests under way finish before the process ends: the longest answer took %s. %s", secs(g.book.Longest), g.graceFor(set))
}

func adviseTooEarly(g *group) string {
	var silent time.Duration
	for _, h := range g.histories() {
		if first := h.firstAnswer(); !h.AtStart && !first.IsZero() {
			silent = max(silent, first.Sub(h.Started))
		}
	}
	measured := ""
	if silent > 0 {
		measured = fmt.Sprintf(" (measured: up to %s from its start to its first answer; failureThreshold × periodSeconds of a startupProbe: %d)", secs(silent), max(leastDrain, seconds(drainFactor*silent)))
	}
	if c := g.container(); c.Name != "" && c.Readiness == nil {
		return fmt.Sprintf("Container %s has no readinessProbe, so that it counts as ready when it starts. Add one that asks for what an answer needs, with periodSeconds: 1%s.", c.Name, measured)
	}
	return fmt.Sprintf("Let the readinessProbe ask for what an answer needs: it succeeded before the server could answer%s.", measured)
}

func adviseNotReady(g *group) string {
	p := g.container().Readiness
	if p == nil {
		return "See that the Service has publishNotReadyAddresses: false, and let the server answer what reaches it on kept connections while it is not ready."
	}
	return fmt.Sprintf("readinessProbe.periodSeconds: 1 and failureThreshold: 1 (now %g s and %d: a failing pod is routed to for up to %g s), publishNotReadyAddresses: false on the Service, and a server that answers kept connections while it is not ready.",
		p.Period, p.Failures, p.Period*float64(p.Failures))
}

func adviseOverload(g *group) string {
	var scale timeline.Scale
	if t := g.book.Timeline; t != nil {
		scale, _ = t.ScaleAt(g.to)
	}
	switch {
	case scale.Max == 0:
		return "Give the Deployment more replicas or its containers more resources.requests.cpu, or let an autoscaler do it; the server's own bound on what it takes at once may be too low."
	case scale.Spec >= scale.Max:
		return fmt.Sprintf("maxReplicas: %d (now %d, and all were in use).", wantReplicas(scale), scale.Max)
	}
	return fmt.Sprintf("The autoscaler had not yet acted at %d of %d replicas: set minReplicas: %d, or a lower target than %d%%.", scale.Spec, scale.Max, min(wantReplicas(scale), scale.Max), scale.Target)
}

// wantReplicas is the autoscaler's own sum: replicas times measured over target.
func wantReplicas(s timeline.Scale) int32 {
	if s.Target <= 0 || s.Measured <= s.Target {
		return s.Spec + 1
	}
	return max(s.Spec+1, int32(math.Ceil(float64(s.Spec)*float64(s.Measured)/float64(s.Target))))
}

func adviseServerError(g *group) string {
	names := []string{}
	for _, h := range g.histories() {
		names = append(names, h.Name)
	}
	if len(names) == 0 {
		return "The server's log at that time says why."
	}
	return fmt.Sprintf("kubectl logs %s at that time says why.", slices.Min(names))
}

func adviseRejected(*group) string {
	return "See --url and --cases, and whether the server wants an API key."
}

// idleRoom is how many times the longest idle time a server's own bound should be.
const idleRoom = 3

func adviseIdle(g *group) string {
	return fmt.Sprintf("The server's idle time-out must be longer than its clients', or each keeps a race between them: set it to %d s or more (IdleTimeout, keepalive_timeout).",
		max(60, seconds(idleRoom*g.idle.most)))
}

func adviseLongWithdrawn(g *group) string {
	set, measured := g.drain()
	return fmt.Sprintf("The load balancer is slower than the cluster: the last request came %s after SIGTERM. Set a drain of %d s, or lifecycle.preStop.sleep.seconds: %d (preStop now: %s), or shorten its own health check. %s",
		secs(measured), set, set, preStopNow(g.container()), g.graceFor(set))
}

func adviseShort(*group) string {
	return "Look for the server's write time-out, a proxy's, or a panic in the middle of an answer, in the log of the pods named."
}

func adviseDropped(g *group) string {
	names := []string{}
	for _, h := range g.histories() {
		names = append(names, h.Name)
	}
	return fmt.Sprintf("kubectl logs %s for %s to %s after the start: look for a listener or worker that began anew, a panic in a handler, or a bound on connections. If there is nothing, look at what stands between: proxy, port mapping, network.",
		slices.Min(names), g.book.after(g.from), g.book.after(g.to))
}

func adviseUnknown(g *group) string {
	if g.book.Timeline == nil {
		return "Name the Deployment with --deployment, or the StatefulSet with --statefulset, so that what its pods do is seen."
	}
	return "No rule fits. The examples say what was seen of each; the logs of the pods that were ready then, of the nodes and of what stands in front of them may tell more."
}
