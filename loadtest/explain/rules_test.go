package explain_test

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollproof/loadtest/explain"
	"rollproof/loadtest/goldentest"
	"rollproof/loadtest/objectives"
	"rollproof/loadtest/tally"
	"rollproof/loadtest/timeline"
	"rollproof/loadtest/verdict"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(seconds float64) time.Time {
	return start.Add(time.Duration(math.Round(seconds * float64(time.Second))))
}

func ptr[T any](v T) *T { return &v }

// The pods of every test's rollout, by their place in the timeline.
const (
	oldPod = "web-a-1"
	newPod = "web-b-1"
)

// rollout is one pod replaced by another, at which nothing is wrong: the old one
// is told to end at 10 s, its endpoint is withdrawn 1.3 s later.
func rollout() explain.Input {
	container := timeline.Container{
		Name: "c", Image: "img", MemoryLimit: 64 << 20,
		Readiness: &timeline.Probe{Kind: "httpGet", Period: 10, Failures: 3}, Liveness: &timeline.Probe{Kind: "httpGet", Period: 10, Failures: 3},
	}
	return explain.Input{
		Longest: 200 * time.Millisecond,
		Run: verdict.Run{
			Upgrade: true, From: "1", To: "2", Start: start, CommandStart: at(4), CommandEnd: at(9), RolledOut: at(12), End: at(20),
			OldTemplate: "a", NewTemplate: "b",
		},
		Pods: map[string]*tally.Pod{
			oldPod: {Requests: 900, First: at(0.1), Last: at(10.2), LastNew: at(9.9)},
			newPod: {Requests: 900, First: at(8.05), Last: at(19.9), LastNew: at(19.9)},
		},
		Timeline: &timeline.Timeline{
			Pods: []timeline.Pod{
				{
					Name: oldPod, Template: "a", Node: "n1", IP: "10.0.0.1", Seen: at(-0.1), Started: at(-0.1), Ready: at(-0.1), Terminating: at(10), Gone: at(12),
					AtStart: true, Grace: ptr(30.0), Readiness: []timeline.Turn{{At: at(-0.1), Ready: true}, {At: at(11.9)}},
					Exits: []timeline.Exit{{At: at(11.8), Finished: at(11), Container: "c", Reason: "Completed"}},
				},
				{
					Name: newPod, Template: "b", Node: "n2", IP: "10.0.0.2", Seen: at(5), Started: at(6), Ready: at(8),
					ReadyNow: true, Readiness: []timeline.Turn{{At: at(8), Ready: true}},
				},
			},
			Endpoints: []timeline.Endpoint{
				{At: at(-0.1), Slice: "s", Pod: oldPod, Ready: true, Serving: true},
				{At: at(8.1), Slice: "s", Pod: newPod, Ready: true, Serving: true},
				{At: at(11.3), Slice: "s", Pod: oldPod, Serving: true, Terminating: true},
				{At: at(12.1), Slice: "s", Pod: oldPod, Withdrawn: true},
			},
			Templates: []timeline.Template{
				{Name: "a", Grace: 30, Containers: []timeline.Container{container}},
				{Name: "b", Grace: 30, Containers: []timeline.Container{container}},
			},
			Strategies: []timeline.Strategy{{At: at(-0.1), Type: "RollingUpdate", Replicas: 1, MaxSurge: 1}},
			Scales:     []timeline.Scale{{At: at(-0.1), Spec: 1, Ready: 1, Min: 1, Max: 4, Measured: 40, Target: 60, Metric: "cpu 40%"}},
		},
	}
}

// refused is a new connection that nobody took.
func refused(when float64) tally.Loss {
	return tally.Loss{
		At: at(when), Lane: "new", Seq: uint64(when * 100), Class: tally.Refused, Phase: tally.Connect, LatencySeconds: 0.001,
		Detail: "dial tcp 127.0.0.1:30080: connect: connection refused", Remote: "127.0.0.1:30080",
	}
}

// hanging is a new connection that nobody answered.
func hanging(when, latency float64) tally.Loss {
	l := refused(when)
	l.Class, l.LatencySeconds, l.Detail = tally.Timeout, latency, "context deadline exceeded"
	return l
}

// closed is a kept connection that ended without an answer.
func closed(when float64, pod string) tally.Loss {
	return tally.Loss{
		At: at(when), Lane: "hot", Seq: uint64(when * 100), Class: tally.EOF, Phase: tally.Wait, LatencySeconds: 0.004, Detail: "EOF",
		Remote: "127.0.0.1:30080", Attempts: 1, Reused: true, Conn: 7, LastPod: pod, IdleSeconds: 0.002, Written: 300,
	}
}

// unanswered is a new connection that something took, and on which no answer came.
func unanswered(when, latency float64) tally.Loss {
	return with(closed(when, ""), func(l *tally.Loss) {
		l.Lane, l.Reused, l.IdleSeconds, l.LatencySeconds = "new", false, 0, latency
	})
}

// maskedUnanswered is a right answer that took a second connection: the first was
// dialed for another request, and nothing was ever written on it.
func maskedUnanswered(when float64) tally.Loss {
	return with(closed(when, ""), func(l *tally.Loss) {
		l.Class, l.Status, l.Pod, l.Attempts, l.Detail, l.Written, l.Phase, l.IdleSeconds = tally.OK, 200, newPod, 2, "", 0, tally.Write, 0
	})
}

// answered is an answer with that status.
func answered(when float64, status int, pod string) tally.Loss {
	l := closed(when, pod)
	l.Class, l.Status, l.Pod, l.Phase, l.Detail = tally.WrongStatus, status, pod, tally.Answer, fmt.Sprintf("status %d: broken", status)
	return l
}

func with(l tally.Loss, change func(*tally.Loss)) tally.Loss {
	change(&l)
	return l
}

// crash makes the new pod's container end by itself at 18 s.
func crash(reason string, code int32) func(*explain.Input) {
	return func(in *explain.Input) {
		p := &in.Timeline.Pods[1]
		p.Exits = []timeline.Exit{{At: at(18.6), Started: at(8), Finished: at(18), Container: "c", Code: code, Reason: reason}}
		p.Readiness = append(p.Readiness, timeline.Turn{At: at(18.7)})
	}
}

type example struct {
	name   string
	change func(*explain.Input)
	loss   tally.Loss
	want   explain.Cause
	pods   []string
	says   string // a part of the sentence
	advice string // a part of the advice
}

func examples() []example {
	none := func(*explain.Input) {}
	kind := func(l tally.Loss, c tally.Class, detail string) tally.Loss {
		return with(l, func(l *tally.Loss) { l.Class, l.Detail = c, detail })
	}
	old, fresh := []string{oldPod}, []string{newPod}
	toGap := func(in *explain.Input) { *in = gap() }
	stock := func(when, idle float64) tally.Loss {
		return with(unanswered(when, 0.003), func(l *tally.Loss) { l.Reused, l.IdleSeconds = true, idle })
	}
	// A byte of the answer has come when the request's time is up, and where its pod
	// is known the header, too.
	late := func(when float64, pod string) tally.Loss {
		return with(hanging(when, 5), func(l *tally.Loss) { l.Phase, l.Conn, l.Written, l.Pod = tally.Answer, 7, 300, pod })
	}
	return []example{
		{"the harness stood still", func(in *explain.Input) {
			in.Run.Lags = []verdict.Lag{{From: at(5.1), Length: objectives.Duration(1500 * time.Millisecond)}}
		}, hanging(5, 2), explain.SamplerOutage, nil, "stood still for up to 1.5 s", "--new-rate"},
		{"the harness had no files left", none, kind(refused(5), tally.Other, "dial tcp: socket: too many open files"), explain.SamplerOutage, nil, "too many open files", "ulimit -n"},
		{"the harness had no ports left", none, kind(refused(5), tally.Other, "connect: cannot assign requested address"), explain.SamplerOutage, nil, "ports", "ip_local_port_range"},
		{"the old version after the rollout", none, kind(answered(14, 200, newPod), tally.WrongVersion, "version 1 answered while only 2 might"), explain.WrongVersion, fresh, "version 1 answered", "complete at 12.0 s"},
		{"two versions in one answer", none, kind(answered(9, 200, newPod), tally.WrongVersion, "header 2, body 1"), explain.WrongVersion, fresh, "header 2, body 1", "one model"},
		{"another model's numbers", none, kind(answered(9, 200, newPod), tally.WrongAnswer, "label 1, want 0"), explain.WrongAnswer, fresh, "label 1, want 0", "image digests"},
		{"no TLS", none, kind(refused(5), tally.TLS, "tls: failed to verify certificate"), explain.TLSFailed, nil, "TLS was not agreed on", "--ca-file"},
		{"while the control lane was out", func(in *explain.Input) {
			in.Run.Control = &verdict.Control{Requests: 9, Lost: 3, Outages: []verdict.Lag{{From: at(4.9), Length: objectives.Duration(time.Second)}}}
		}, kind(refused(5), tally.Refused, "connection refused"), explain.SamplerOutage, nil, "by the harness itself", "They say nothing of the service"},
		{"no such name", none, kind(refused(5), tally.DNS, "lookup web: no such host"), explain.NameNotResolved, nil, "did not resolve", "--url"},
		{"out of memory", crash("OOMKilled", 137), closed(18.2, newPod), explain.OOMKill, fresh, "for want of memory: container c of pod web-b-1 ended with code 137 (OOMKilled)", "limits.memory: 96Mi, and requests.memory the same (now 64Mi)"},
		{"a failed liveness probe", func(in *explain.Input) {
			crash("Error", 137)(in)
			in.Timeline.Events = []timeline.Event{{At: at(17.9), Kind: "Event", Name: newPod, What: "Killing", Detail: "Container c failed liveness probe, will be restarted"}}
		}, closed(18.2, newPod), explain.LivenessKill, fresh, "liveness probe failed", "failureThreshold: 6 (now 3, at 10 s each)"},
		{"a crash, on a kept connection", crash("Error", 2), closed(18.3, newPod), explain.Crash, fresh, "ended with code 2 (Error) 10 s after its start", "kubectl logs --previous web-b-1"},
		{"a crash, on a new connection", func(in *explain.Input) {
			crash("Error", 2)(in)
			in.Pods[newPod].LastNew = at(17.9)
		}, refused(18.5), explain.Crash, fresh, "ended by itself", "minReadySeconds: 15 (now 0)"},
		{"all have crashed", func(in *explain.Input) {
			crash("Error", 2)(in)
			in.Timeline.Endpoints = append(in.Timeline.Endpoints, timeline.Endpoint{At: at(18.7), Slice: "s", Pod: newPod})
		}, refused(19.5), explain.Crash, fresh, "ended by itself", "minReadySeconds"},
		{"a node went", func(in *explain.Input) {
			in.Timeline.Nodes = []timeline.Node{{At: at(-0.1), Name: "n2", Ready: true}, {At: at(60), Name: "n2"}}
		}, hanging(17, 10), explain.NodeDown, fresh, "gone: n2", "topologySpreadConstraints"},
		{"killed at the end of its grace", func(in *explain.Input) {
			p := &in.Timeline.Pods[0]
			p.Grace, p.Gone = ptr(5.0), at(16)
			p.Exits = []timeline.Exit{{At: at(15.6), Finished: at(15), Container: "c", Code: 137, Reason: "Error"}}
		}, closed(15.1, oldPod), explain.KilledAtGraceEnd, old, "grace of 5 s", "terminationGracePeriodSeconds: 9 (now 5)"},
		{"killed, and only its end was seen", func(in *explain.Input) {
			p := &in.Timeline.Pods[0]
			p.Grace, p.Gone, p.Exits = ptr(12.0), at(23), nil
		}, closed(22.1, oldPod), explain.KilledAtGraceEnd, old, "grace of 12 s", "handle SIGTERM"},
		{"the model closed before HTTP", none, answered(10.5, 500, oldPod), explain.ErrorWhileEnding, old, "status 500 (1)", "end HTTP first"},
		{"no endpoint", func(in *explain.Input) {
			in.Timeline.Endpoints = []timeline.Endpoint{
				{At: at(-0.1), Slice: "s", Pod: oldPod, Ready: true}, {At: at(10.1), Slice: "s", Pod: oldPod, Withdrawn: true},
				{At: at(17), Slice: "s", Pod: newPod, Ready: true},
			}
			in.Timeline.Strategies[0].MaxSurge, in.Timeline.Strategies[0].MaxUnavailable = 0, 1
		}, refused(12), explain.NoEndpoint, nil, "no endpoint was ready for up to 6.9 s", "maxUnavailable: 0 and maxSurge: 1 (now 1 and 0). replicas: 2"},
		{"no endpoint, by Recreate", func(in *explain.Input) {
			in.Timeline.Endpoints = in.Timeline.Endpoints[:1]
			in.Timeline.Endpoints = append(in.Timeline.Endpoints, timeline.Endpoint{At: at(10.1), Slice: "s", Pod: oldPod, Withdrawn: true})
			in.Timeline.Strategies[0].Type = "Recreate"
		}, refused(12), explain.NoEndpoint, nil, "no endpoint was ready", "strategy.type: RollingUpdate"},
		{"ready without a probe", func(in *explain.Input) {
			in.Pods[newPod].First = at(16)
			in.Timeline.Templates[1].Containers[0].Readiness = nil
		}, refused(14), explain.ReadyTooEarly, fresh, "web-b-1 first answered 8.0 s later", "no readinessProbe"},
		{"a probe that lies", func(in *explain.Input) { in.Pods[newPod].First = at(16) }, answered(14, 503, newPod), explain.ReadyTooEarly, fresh, "before it could answer", "readinessProbe ask for what an answer needs"},
		{"refused after SIGTERM", none, refused(10.5), explain.RefusedAfterSigterm, old, "SIGTERM) 500ms before and was still routed to. Endpoints were withdrawn 1.3 s after", "drain of 3 s"},
		{"a time-out after SIGTERM", none, hanging(11, 10), explain.RefusedAfterSigterm, old, "1.0 s before", "lifecycle.preStop.sleep.seconds: 3 (preStop now: none). terminationGracePeriodSeconds of 30 is enough"},
		{"a slow withdrawal and a short grace", func(in *explain.Input) {
			in.Timeline.Endpoints[2].At = at(11.9)
			in.Timeline.Pods[0].Grace = ptr(4.0)
			in.Timeline.Templates[0].Containers[0].PreStop = &timeline.PreStop{Kind: "sleep", Seconds: 1}
		}, refused(10.5), explain.RefusedAfterSigterm, old, "withdrawn 1.9 s", "drain of 4 s, in which it serves on, or lifecycle.preStop.sleep.seconds: 4 (preStop now: sleep 1 s). terminationGracePeriodSeconds: 10 (now 4)"},
		{"a gateway's answer after SIGTERM", none, answered(10.5, 502, ""), explain.RefusedAfterSigterm, old, "still routed to", "drain"},
		{"closed at shutdown", none, closed(10.4, oldPod), explain.ClosedAtShutdown, old, "kept connections that pod web-a-1 closed while it ended (SIGTERM 400ms before)", "`Connection: close`"},
		{"reset at shutdown, halfway", none, with(closed(10.4, oldPod), func(l *tally.Loss) { l.Class, l.Phase = tally.Reset, tally.Write }), explain.ClosedAtShutdown, old, "reset 1", "after 3 s"},
		{"a masked retry at shutdown", none, with(closed(10.4, oldPod), func(l *tally.Loss) {
			l.Class, l.Pod, l.Attempts, l.Detail, l.Status = tally.OK, newPod, 2, "", 200
		}), explain.ClosedAtShutdown, old, "masked by a hidden retry 1", "`Connection: close`"},
		{"refused after SIGTERM, behind a proxy", none, unanswered(10.5, 0.004), explain.RefusedAfterSigterm, old, "eof 1) was not let in by pod web-a-1 (by what it was doing then), which had been told to end (SIGTERM) 500ms before", "drain of 3 s"},
		{"refused after SIGTERM, while a new pod is silent", func(in *explain.Input) {
			old, fresh := &in.Timeline.Pods[0], in.Pods[newPod]
			old.Exits[0].At, old.Exits[0].Finished = at(10.7), at(10)
			in.Timeline.Pods[1].Ready, in.Timeline.Pods[1].Readiness = at(9.9), []timeline.Turn{{At: at(9.9), Ready: true}}
			in.Timeline.Endpoints[1].At = at(10)
			fresh.First = at(11.6)
		}, unanswered(10.5, 0.004), explain.RefusedAfterSigterm, old, "was not let in by pod web-a-1", "drain of 3 s"},
		{"ready too early, while an old pod drains", func(in *explain.Input) {
			in.Timeline.Pods[0].Exits[0].At, in.Timeline.Pods[0].Exits[0].Finished = at(15), at(15)
			in.Timeline.Pods[0].Gone = at(15.2)
			in.Pods[newPod].First = at(16)
		}, unanswered(10.5, 0.004), explain.ReadyTooEarly, fresh, "web-b-1 first answered 8.0 s later", "readinessProbe"},
		{"ready too early, while an old pod that drained is hardly gone", func(in *explain.Input) {
			in.Timeline.Endpoints[2].At = at(10.1)
			in.Timeline.Pods[0].Exits[0].At, in.Timeline.Pods[0].Exits[0].Finished = at(14.9), at(14)
			in.Timeline.Pods[0].Gone = at(15.2)
			in.Pods[newPod].First = at(16)
		}, unanswered(12.6, 0.4), explain.ReadyTooEarly, fresh, "web-b-1 first answered 8.0 s later", "readinessProbe"},
		{"a masked retry of a connection that nobody had taken, after SIGTERM", none, maskedUnanswered(10.5), explain.RefusedAfterSigterm, old, "masked by a hidden retry 1", "drain of 3 s"},
		{"a masked retry of a connection that nobody had taken, before the first answer", func(in *explain.Input) { in.Pods[newPod].First = at(16) },
			maskedUnanswered(14), explain.ReadyTooEarly, fresh, "masked by a hidden retry 1", "readinessProbe"},
		{"a silent proxy after SIGTERM", none, with(unanswered(10.5, 5), func(l *tally.Loss) { l.Class = tally.Timeout }), explain.RefusedAfterSigterm, old, "timeout 1", "drain of 3 s"},
		{"a connection from stock, dialed after SIGTERM and used when all pods are ready", none, with(unanswered(14, 5), func(l *tally.Loss) {
			l.Class, l.Reused, l.IdleSeconds = tally.Timeout, true, 3.5
		}), explain.RefusedAfterSigterm, old, "had been told to end (SIGTERM) 500ms before", "drain of 3 s"},
		{"closed at shutdown, a connection from stock", none, stock(10.07, 4.7), explain.ClosedAtShutdown, old, "pod web-a-1 (by what it was doing then) closed while it ended (SIGTERM 70ms before)", "`Connection: close`"},
		{"closed at shutdown, a connection from stock, by a pod that still lets others in", func(in *explain.Input) { in.Pods[oldPod].LastNew = at(11.5) },
			stock(10.07, 0.5), explain.ClosedAtShutdown, old, "closed while it ended (SIGTERM 70ms before)", "`Connection: close`"},
		{"closed at shutdown, a connection from stock that was dialed after SIGTERM", func(in *explain.Input) {
			old := &in.Timeline.Pods[0]
			old.Gone, old.Exits[0].At, old.Exits[0].Finished = at(15.4), at(15.2), at(15)
			in.Pods[oldPod].LastNew = at(10.2)
		}, stock(15.1, 4.7), explain.ClosedAtShutdown, old, "closed while it ended (SIGTERM 5.1 s before)", "`Connection: close`"},
		{"an idle time-out of a connection from stock, dialed as another pod ended", func(in *explain.Input) { in.Pods[oldPod].LastNew = at(10.9) },
			stock(14, 3.2), explain.IdleClosed, nil, "idle for 3.2 s", "60 s or more"},
		{"a crash, on a connection from stock", crash("Error", 2), stock(18.2, 2.7), explain.Crash, fresh, "ended with code 2 (Error)", "kubectl logs --previous web-b-1"},
		{"an idle time-out of a connection from stock", none, stock(19.5, 4.7), explain.IdleClosed, nil, "idle for 4.7 s", "60 s or more"},
		{"no endpoint, behind a proxy", func(in *explain.Input) {
			in.Timeline.Endpoints = []timeline.Endpoint{
				{At: at(-0.1), Slice: "s", Pod: oldPod, Ready: true}, {At: at(10.1), Slice: "s", Pod: oldPod, Withdrawn: true},
			}
		}, unanswered(14, 0.004), explain.NoEndpoint, nil, "no endpoint was ready for up to 9.9 s", "replicas: 2 or more"},
		{"an endpoint that is not yet routed to, behind a proxy", func(in *explain.Input) {
			in.Timeline.Endpoints[1].At = at(14)
		}, unanswered(14.4, 0.004), explain.NoEndpoint, nil, "no endpoint was ready for up to 2.7 s", "replicas: 2 or more"},
		{"no endpoint, and a connection that was reset at once", toGap, with(unanswered(14, 0.004), func(l *tally.Loss) {
			l.Class, l.Phase, l.Written = tally.ResetUnsent, tally.Write, 0
		}), explain.NoEndpoint, nil, "no endpoint was ready for up to 9.5 s", "replicas: 2 or more"},
		{"no endpoint, and an error of no known kind", toGap, kind(unanswered(14, 0.004), tally.Other, "of no known kind"), explain.NoEndpoint, nil, "other 1", "replicas: 2 or more"},
		{"no endpoint, and an answer that began as the time was up", toGap, late(14.6, ""), explain.NoEndpoint, nil, "timeout 1", "replicas: 2 or more"},
		{"no endpoint, and an answer that was halfway as the time was up", toGap, late(14.6, newPod), explain.NoEndpoint, fresh, "found no pod to go to", "replicas: 2 or more"},
		{"an answer that takes all the time there is", toGap, late(19.6, newPod), explain.DroppedWhileReady, fresh, "timeout 1", "kubectl logs web-b-1"},
		{"dropped by a pod that is told to end just then and serves on", toGap, unanswered(9.9, 0.004), explain.DroppedWhileReady, old, "by pod web-a-1 (by what it was doing then)", "kubectl logs web-a-1"},
		{"closed by a pod that ended at SIGTERM, at the turn of a second", func(in *explain.Input) {
			old := &in.Timeline.Pods[0]
			old.Terminating, old.Exits[0].At, old.Exits[0].Finished = at(10.1), at(10.9), at(9)
		}, closed(10.05, oldPod), explain.ClosedAtShutdown, old, "closed while it ended", "`Connection: close`"},
		{"refused after SIGTERM, as a later one was let in", func(in *explain.Input) { in.Pods[oldPod].LastNew, in.Pods[oldPod].Last = at(10.51), at(10.72) },
			unanswered(10.5, 0.18), explain.RefusedAfterSigterm, old, "was not let in by pod web-a-1", "drain of 3 s"},
		{"cut at shutdown, after it had let another in", func(in *explain.Input) { in.Pods[oldPod].LastNew = at(10.6) }, unanswered(10.5, 0.5), explain.CutAtShutdown, old, "under way", "longest answer took 200ms"},
		{"cut at shutdown", none, unanswered(9.5, 0.9), explain.CutAtShutdown, old, "under way when pod web-a-1 (by what it was doing then) ended", "longest answer took 200ms"},
		{"an answer cut at shutdown", none, with(closed(10.4, oldPod), func(l *tally.Loss) { l.Class, l.Phase, l.Status, l.Pod = tally.ShortBody, tally.Answer, 200, oldPod }), explain.CutAtShutdown, old, "short_body 1", "Handle SIGTERM"},
		{"not ready and routed", func(in *explain.Input) {
			p := &in.Timeline.Pods[1]
			p.Readiness = append(p.Readiness, timeline.Turn{At: at(15)}, timeline.Turn{At: at(17), Ready: true})
			in.Pods[newPod].LastNew = at(14)
		}, refused(16), explain.NotReadyRouted, fresh, "not ready", "routed to for up to 30 s"},
		{"a server that says it is busy", none, answered(15, 503, newPod), explain.Overload, fresh, "too much to do: 1 of at most 4 replicas, cpu 40% of a target of 60%", "minReplicas"},
		{"time-outs at the limit", func(in *explain.Input) {
			in.Timeline.Scales = append(in.Timeline.Scales, timeline.Scale{At: at(14), Spec: 4, Ready: 4, Min: 1, Max: 4, Measured: 120, Target: 60, Metric: "cpu 120%"})
		}, with(closed(15, newPod), func(l *tally.Loss) { l.Class, l.LatencySeconds = tally.Timeout, 10 }), explain.Overload, fresh, "4 of at most 4", "maxReplicas: 8 (now 4"},
		{"a broken server", none, answered(15, 500, newPod), explain.ServerError, fresh, "not about to end", "kubectl logs web-b-1"},
		{"no API key", none, answered(15, 401, newPod), explain.Rejected, fresh, "status 401 (1)", "API key"},
		{"an idle time-out", none, with(closed(15, newPod), func(l *tally.Loss) { l.IdleSeconds = 5 }), explain.IdleClosed, fresh, "idle for 5.0 s", "60 s or more"},
		{"a slow load balancer", none, hanging(18, 1), explain.RoutedAfterWithdrawn, old, "up to 8.0 s after SIGTERM", "drain of 16 s"},
		{"an answer cut short", none, with(answered(15, 200, newPod), func(l *tally.Loss) { l.Class = tally.ShortBody }), explain.ShortAnswer, fresh, "ended too early", "write time-out"},
		{"closed by a pod that lives", none, closed(15, newPod), explain.DroppedWhileReady, fresh, "dropped without an answer by pod web-b-1, or on the way there", "kubectl logs web-b-1 for 15.0 s to 15.0 s after the start"},
		{"a new connection dropped by a pod that lives", none, unanswered(19, 0.004), explain.DroppedWhileReady, fresh, "by pod web-b-1 (by what it was doing then)", "a listener or worker that began anew"},
		{"a pod that was not seen", none, closed(15, "web-c-1"), explain.Unknown, []string{"web-c-1"}, "nothing that was seen tells why", "No rule fits"},
		{"a broken watch", func(in *explain.Input) {
			in.Timeline.Gaps = []timeline.Gap{{Resource: "pods", From: at(14), Error: "refused"}}
		}, closed(15, newPod), explain.Unknown, fresh, "the watch of pods was broken then", "No rule fits"},
		{"no cluster was watched", func(in *explain.Input) { in.Timeline = nil }, refused(15), explain.Unknown, nil, "no cluster was watched", "--deployment"},
		{"a pod by its address", func(in *explain.Input) { in.Pods[newPod].LastNew = at(15.5) }, with(refused(10.5), func(l *tally.Loss) { l.Remote = "10.0.0.1:8080" }), explain.RefusedAfterSigterm, old, "pod web-a-1, which", "drain"},
		{"answers without names", func(in *explain.Input) {
			in.Pods = nil
			in.Timeline.Templates[1].Containers[0].Readiness = nil
		}, refused(15), explain.ReadyTooEarly, fresh, "called ready before", "no readinessProbe"},
		{"answers without names, after SIGTERM", func(in *explain.Input) {
			in.Pods = nil
			in.Timeline.Templates[1].Containers[0].Readiness = nil
		}, refused(10.5), explain.RefusedAfterSigterm, old, "still routed to", "drain of 3 s"},
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	for _, tt := range examples() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := rollout()
			tt.change(&in)
			e := explain.New(in)
			e.Add(tt.loss)
			all := e.Explanations()
			if len(all) != 1 {
				t.Fatalf("%d explanations of one loss: %+v", len(all), all)
			}
			got := all[0]
			if got.Cause != tt.want || e.Cause(tt.loss) != tt.want {
				t.Fatalf("cause %s, want %s: %s", got.Cause, tt.want, got.Examples[0].Sentence)
			}
			if diff := cmp.Diff(append([]string{}, tt.pods...), got.Pods); diff != "" {
				t.Error(diff)
			}
			if !strings.Contains(got.Sentence, tt.says) || !strings.Contains(got.Advice, tt.advice) {
				t.Errorf("%s\n-> %s\nwant %q and %q", got.Sentence, got.Advice, tt.says, tt.advice)
			}
			if !got.From.Equal(tt.loss.At) || !got.To.Equal(tt.loss.End()) || !slices.Equal(got.Lanes, []string{tt.loss.Lane}) {
				t.Errorf("from %v to %v on %v", got.From, got.To, got.Lanes)
			}
		})
	}
}

// Every rule has an example, so that none of them is never tried.
func TestEveryCauseHasAnExample(t *testing.T) {
	t.Parallel()
	for _, cause := range explain.Causes() {
		if !slices.ContainsFunc(examples(), func(e example) bool { return e.want == cause }) {
			t.Errorf("no example of %s", cause)
		}
	}
}

// What a person reads of each cause, for review.
func TestWords(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	for _, tt := range examples() {
		in := rollout()
		tt.change(&in)
		e := explain.New(in)
		e.Add(tt.loss)
		for _, x := range e.Explanations() {
			fmt.Fprintf(&b, "%s: %s\n  %s\n  -> %s\n  e.g. %s\n\n", tt.name, x.Cause, x.Sentence, x.Advice, x.Examples[0].Sentence)
		}
	}
	goldentest.Same(t, "words.txt", b.Bytes())
}
