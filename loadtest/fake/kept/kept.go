// Package kept makes the folders of runs that never were: samples of an upgrade
// of three pods under an autoscaler, told to the same tallies, judged by the same
// verdict and written to the same files as a real run's. Nothing but tests may
// use it.
package kept

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"rollproof/loadtest/attack"
	"rollproof/loadtest/objectives"
	"rollproof/loadtest/observe"
	"rollproof/loadtest/report"
	"rollproof/loadtest/run"
	"rollproof/loadtest/tally"
	"rollproof/loadtest/timeline"
	"rollproof/loadtest/verdict"
)

// Story is what happens in such a run. The zero value is an upgrade that loses
// nothing.
type Story struct {
	Lossy bool          // the server ends at once when it is told to
	Load  bool          // a steady load without a cluster
	Short bool          // interrupted after a few seconds
	Slow  float64       // added to each latency, in seconds
	Pods  int           // old pods, and new ones; 0: three
	Rate  float64       // of lanes new and reused; 0: 40 a second
	Whole time.Duration // of a load; 0: 30 s
	Mess  string        // a text that stands wherever others may write
}

// Start is when every such run begins.
var Start = time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time {
	return Start.Add(time.Duration(seconds * float64(time.Second)))
}

// teller tells one story.
type teller struct {
	Story
	rand     *rand.Rand
	timeline *timeline.Timeline
	run      verdict.Run
	pods     []*pod
}

// pod is one pod of the story; moments are seconds after the start.
type pod struct {
	name                string
	version             string
	from, to, gone, end float64 // routed from and to, gone; end: it stops listening
}

// Write writes the run's folder and returns its report, as a run's end does.
func Write(dir string, s Story) (*report.Report, error) {
	if s.Pods == 0 {
		s.Pods = 3
	}
	if s.Rate == 0 {
		s.Rate = 40
	}
	if s.Whole == 0 {
		s.Whole = 30 * time.Second
	}
	t := &teller{Story: s, rand: rand.New(rand.NewPCG(1, 2))}
	t.run = verdict.Run{From: "1", Start: Start, End: Start.Add(s.Whole), Errors: []string{}}
	t.run.Stages = []verdict.Stage{{Name: tally.StageLoad, Entered: Start}}
	t.pods = []*pod{{name: "local", version: "1", to: 1e9, end: 1e9, gone: 1e9}}
	if !s.Load {
		t.upgrade()
	}
	if s.Short {
		t.interrupt(6)
	}
	if err := os.MkdirAll(filepath.Join(dir, run.RawDir), 0o755); err != nil {
		return nil, err
	}
	in := verdict.Input{Objectives: t.objectives(), Timeline: t.timeline, Run: t.run}
	for _, l := range t.lanes() {
		counted, err := t.lane(dir, l)
		if err != nil {
			return nil, err
		}
		in.Lanes = append(in.Lanes, counted)
	}
	r := report.New(t.config(dir), &run.Result{Input: in, CommandTail: t.tail()}, verdict.Judge(in))
	if err := r.Explain(run.Losses(dir)); err != nil {
		return nil, err
	}
	return r, r.Write(dir)
}

// interrupt ends the story before the command was started.
func (t *teller) interrupt(s float64) {
	r, end := &t.run, at(s)
	r.Interrupted, r.End, r.NewTemplate = true, end, ""
	r.Stages = slices.DeleteFunc(r.Stages, func(x verdict.Stage) bool { return x.Entered.After(end) })
	for _, m := range []*time.Time{&r.CommandStart, &r.CommandEnd, &r.StepStart, &r.StepEnd, &r.RolledOut, &r.Settled} {
		*m = time.Time{}
	}
	tl := t.timeline
	if tl == nil {
		return
	}
	tl.Events = slices.DeleteFunc(tl.Events, func(e timeline.Event) bool { return e.At.After(end) })
	tl.Endpoints = slices.DeleteFunc(tl.Endpoints, func(e timeline.Endpoint) bool { return e.At.After(end) })
	tl.Scales = slices.DeleteFunc(tl.Scales, func(e timeline.Scale) bool { return e.At.After(end) })
	tl.Pods = slices.DeleteFunc(tl.Pods, func(p timeline.Pod) bool { return p.Seen.After(end) })
	for i := range tl.Pods {
		p := &tl.Pods[i]
		p.Terminating, p.Gone, p.Grace, p.Exits, p.ReadyNow, p.Readiness = time.Time{}, time.Time{}, nil, nil, true, p.Readiness[:1]
	}
}

func (t *teller) config(dir string) run.Config {
	c := run.DefaultLoad()
	if !t.Load {
		c = run.DefaultUpgrade()
		c.Cluster = &observe.Target{Namespace: "shop", Deployment: "prediction-service" + t.Mess}
		c.FromVersion, c.ToVersion = "1", "2"
		c.Command = []string{"kubectl", "-n", "shop", "set", "image", "deployment/prediction-service", "server=rollproof/server:v2" + t.Mess}
	}
	c.URL, c.Out, c.NewRate, c.ReusedRate = "http://127.0.0.1:30080", dir, t.Rate, t.Rate
	return c
}

func (t *teller) objectives() objectives.Objectives {
	o := objectives.Default()
	o.P99 = objectives.Bounds{"new": {All: objectives.Duration(250 * time.Millisecond)}}
	o.Scaling = !t.Load
	return o
}

func (t *teller) tail() []string {
	if t.Load {
		return nil
	}
	return []string{"deployment.apps/prediction-service image updated" + t.Mess}
}

// sending is a lane of the story.
type sending struct {
	name     string
	open     bool
	rate     float64
	from, to float64
	fresh    bool
	base     float64 // typical latency, in seconds
	rows     int
}

func (t *teller) lanes() []sending {
	end := t.run.End.Sub(Start).Seconds()
	out := []sending{
		{name: "new", open: true, rate: t.Rate, to: end, fresh: true, base: 0.004, rows: 1},
		{name: "reused", open: true, rate: t.Rate, to: end, base: 0.0028, rows: 1},
		{name: "hot", rate: 2 * t.Rate, to: end, base: 0.103, rows: 1},
	}
	if !t.Load && !t.Short {
		out = append(out, sending{name: "step", open: true, rate: t.Rate / 2, from: 20, to: 118, fresh: true, base: 0.031, rows: 500})
	}
	return out
}

// upgrade tells what the cluster does: three pods are replaced one by one from
// 20 s on, the autoscaler acts at 80 s, and the replicas are back at 150 s.
func (t *teller) upgrade() {
	r := &t.run
	r.Upgrade, r.To, r.OldTemplate, r.NewTemplate = true, "2", "6d9f7c5b8", "7c8b9d6f4"
	r.CommandStart, r.CommandEnd, r.StepStart, r.StepEnd = at(20), at(23.4), at(20), at(118)
	r.Settled, r.End = at(151), at(156.5)
	tl := &timeline.Timeline{}
	t.timeline, t.pods, r.Stages = tl, nil, nil
	note := func(s float64, kind, name, what, detail string) {
		tl.Events = append(tl.Events, timeline.Event{At: at(s), Kind: kind, Name: name, What: what, Detail: detail + t.Mess})
	}
	phase := func(s float64, name string) {
		if name != "stopping" {
			t.run.Stages = append(t.run.Stages, verdict.Stage{Name: name, Entered: at(s)})
		}
		tl.Events = append(tl.Events, timeline.Event{At: at(s), Kind: "Run", Name: "loadtest", What: "phase", Detail: name})
	}
	grace := 30.0
	drain := 6.2
	if t.Lossy {
		drain = 0.3
	}
	endpoint := func(s float64, name string, ready, serving, terminating, gone bool) {
		tl.Endpoints = append(tl.Endpoints, timeline.Endpoint{
			At: at(s), Service: "prediction-service", Slice: "prediction-service-x7k2p", Pod: name, Ready: ready, Serving: serving, Terminating: terminating, Withdrawn: gone,
		})
	}
	rolled := 0.0
	add := func(name, template, version string, seen, ready, told float64, there bool) {
		p := timeline.Pod{
			Name: name, ReplicaSet: "prediction-service-" + template, Template: template, Image: "rollproof/server:v" + version,
			Node: fmt.Sprintf("kind-worker%d", 1+len(tl.Pods)%2), IP: fmt.Sprintf("10.244.1.%d", 10+len(tl.Pods)), Seen: at(seen), Scheduled: at(seen), Started: at(seen + 0.9), Ready: at(ready), AtStart: there,
			Readiness: []timeline.Turn{{At: at(ready), Ready: true}},
		}
		x := &pod{name: name, version: version, from: ready + 0.35, to: 1e9, end: 1e9, gone: 1e9}
		if there {
			x.from = -100
			endpoint(-0.1, name, true, true, false, false)
		} else {
			endpoint(ready+0.2, name, true, true, false, false)
			note(seen+0.2, "Event", name, "Scheduled", "Successfully assigned shop/"+name+" to "+p.Node)
			note(ready-0.6, "Event", name, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")
		}
		if told < 1e8 {
			withdrawn := told + 0.9 + 0.3*t.rand.Float64()
			p.Terminating, p.Grace, p.Gone = at(told), &grace, at(told+drain+0.8)
			p.Exits = []timeline.Exit{{At: at(told + drain + 0.1), Container: "server", Reason: "Completed"}}
			p.Readiness = append(p.Readiness, timeline.Turn{At: at(told + 0.5)})
			endpoint(told+0.05, name, true, true, true, false)
			endpoint(withdrawn, name, false, true, true, false)
			endpoint(max(told+drain+0.8, withdrawn+0.1), name, false, false, true, true)
			x.to, x.end, x.gone = withdrawn+0.2, told+drain, told+drain+0.8
			note(told, "Event", name, "Killing", "Stopping container server")
			if version == "1" {
				rolled = max(rolled, told+drain+0.8)
			}
		} else {
			p.ReadyNow = true
		}
		tl.Pods = append(tl.Pods, p)
		t.pods = append(t.pods, x)
	}
	suffix := func(i int) string { return fmt.Sprintf("%c%cx%d%c", 'b'+i%20, 'k'+i%9, i%10, 'q'+i%5) }
	n := t.Pods
	wave := 36 / float64(n)
	for i := range n {
		add("prediction-service-6d9f7c5b8-"+suffix(i)+t.Mess, "6d9f7c5b8", "1", -300, -290, 26+wave*float64(i)+0.4, true)
	}
	for i := range n {
		add("prediction-service-7c8b9d6f4-"+suffix(i+7), "7c8b9d6f4", "2", 22+wave*float64(i), 26+wave*float64(i), 1e9, false)
	}
	add("prediction-service-7c8b9d6f4-"+suffix(40), "7c8b9d6f4", "2", 80, 86, 136, false)
	add("prediction-service-7c8b9d6f4-"+suffix(41), "7c8b9d6f4", "2", 80.2, 87, 143, false)
	r.RolledOut = at(rolled)
	for s := 0.0; s < 156; s += 15 {
		cpu := int32(31 + 6*math.Sin(s))
		if s > 30 && s < 118 {
			cpu = int32(84 - 20*boolOf(s > 90))
		}
		spec := int32(n)
		if s >= 80 && s < 143 {
			spec += 2
		}
		tl.Scales = append(tl.Scales, timeline.Scale{At: at(s), Spec: spec, Ready: int32(n) + 2*int32(boolOf(s > 87 && s < 140)), Desired: spec, Min: int32(n), Max: int32(n) + 3, Metric: fmt.Sprintf("cpu %d%%", cpu), Measured: cpu, Target: 70})
	}
	for _, name := range []string{"kind-control-plane", "kind-worker1", "kind-worker2"} {
		tl.Nodes = append(tl.Nodes, timeline.Node{At: at(-1), Name: name, Ready: true})
	}
	pre := &timeline.PreStop{Kind: "sleep", Seconds: 5}
	if t.Lossy {
		pre = nil
	}
	for version, name := range map[string]string{"1": r.OldTemplate, "2": r.NewTemplate} {
		tl.Templates = append(tl.Templates, timeline.Template{Name: name, Grace: grace, Containers: []timeline.Container{{
			Name: "server", Image: "rollproof/server:v" + version, PreStop: pre, CPURequest: 200, MemoryRequest: 64 << 20,
			Readiness: &timeline.Probe{Kind: "httpGet", Period: 2, Timeout: 1, Failures: 2, Successes: 1},
		}}})
	}
	slices.SortFunc(tl.Templates, func(a, b timeline.Template) int { return cmp.Compare(a.Name, b.Name) })
	tl.Strategies = []timeline.Strategy{{At: at(-1), Type: "RollingUpdate", Replicas: int32(n), MaxSurge: 1}}
	phase(0, "steady")
	phase(20, "rollout")
	note(20.01, "Run", "loadtest", "command", "started")
	for i := range 12 {
		note(20.2+0.25*float64(i), "Command", "output", "line", fmt.Sprintf("step %d of 12: deployment.apps/prediction-service image updated", i+1))
	}
	note(23.4, "Run", "loadtest", "command", "ended: exit status 0")
	note(22, "ReplicaSet", "prediction-service-7c8b9d6f4", "created", "revision 2")
	phase(rolled, "scaling")
	note(80, "HorizontalPodAutoscaler", "prediction-service", "desired", fmt.Sprintf("%d to %d", n, n+2))
	note(80.1, "Event", "prediction-service", "SuccessfulRescale", fmt.Sprintf("New size: %d; reason: cpu resource utilization above target", n+2))
	phase(118, "settle")
	phase(151, "tail")
	phase(156.5, "stopping")
	slices.SortStableFunc(tl.Events, func(a, b timeline.Event) int { return a.At.Compare(b.At) })
	slices.SortStableFunc(tl.Endpoints, func(a, b timeline.Endpoint) int { return a.At.Compare(b.At) })
}

func boolOf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// lane sends one lane and keeps what became of it.
func (t *teller) lane(dir string, l sending) (counted *tally.Lane, err error) {
	raw, err := os.Create(filepath.Join(dir, run.RawDir, l.name+".gob"))
	if err != nil {
		return nil, err
	}
	losses, err := os.Create(run.LossPath(dir, l.name))
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	buffered := bufio.NewWriter(raw)
	defer func() { err = errors.Join(err, buffered.Flush(), raw.Close(), losses.Close()) }()
	encode, keep := vegeta.NewEncoder(buffered), tally.WriteLosses(losses)

	rate := l.rate
	if !l.open {
		rate = 0
	}
	counted = tally.NewLane(l.name, Start, l.open, rate)
	counted.Began, counted.Ended, counted.PeakInFlight = at(l.from), at(l.to), 9
	if l.open {
		counted.MaxWorkers = 4000
	}
	for seq := range uint64((l.to - l.from) * l.rate) {
		due := l.from + float64(seq)/l.rate
		s := t.sample(l, seq, due)
		result := vegeta.Result{
			Attack: l.name, Seq: seq, Code: uint16(s.Status), Timestamp: s.Sent, Latency: s.End().Sub(s.Sent), Method: http.MethodPost, URL: "http://127.0.0.1:30080",
		}
		if s.Status != 0 {
			result.Headers = http.Header{attack.PodHeader: {s.Pod}, attack.VersionHeader: {s.Version}}
		}
		if s.Class != tally.OK {
			result.Error = string(s.Class) + ": " + s.Detail
		}
		if err := encode(&result); err != nil {
			return nil, err
		}
		if s.Troubled() {
			if err := keep(s.Loss()); err != nil {
				return nil, err
			}
		}
		counted.Add(s)
	}
	return counted, nil
}

// sample is one request and what became of it.
func (t *teller) sample(l sending, seq uint64, due float64) tally.Sample {
	intended := attack.Due(at(l.from), l.rate, seq, at(due+0.0002))
	if !l.open {
		intended = at(due)
	}
	s := tally.Sample{
		Lane: l.name, Seq: seq, Intended: intended, Sent: intended.Add(150 * time.Microsecond), Class: tally.OK, Status: http.StatusOK, Attempts: 1, Rows: l.rows, Stage: verdict.StageAt(t.run.Stages, intended),
		Remote: "127.0.0.1:30080", Reused: !l.fresh, Conn: 1 + seq%64, Local: "127.0.0.1:51000",
	}
	if !l.open {
		s.Sent = intended
	}
	latency := l.base*math.Exp(0.28*t.rand.NormFloat64()) + t.Slow
	if t.rand.Float64() < 0.003 {
		latency += 0.06 * t.rand.Float64()
	}
	if due > 20 && due < 62 {
		latency *= 1.25
	}
	p := t.holder(due)
	s.Pod, s.Version = p.name, p.version
	if p.version == "2" {
		latency *= 1.15
	}
	if due >= p.end {
		s.Pod, s.Version, s.Status = "", "", 0
		switch {
		case l.fresh:
			s.Class, s.Detail, s.Phase, latency = tally.Refused, "dial tcp 127.0.0.1:30080: connect: connection refused"+t.Mess, tally.Connect, 0.0004
		case t.rand.Float64() < 0.25:
			s.Class, s.Detail, s.Phase, latency = tally.EOF, "EOF", tally.Wait, 0.0007
			s.Written, s.LastPod, s.Idle = 412, p.name, 20*time.Millisecond
		case t.rand.Float64() < 0.2:
			s.Attempts, s.Status = 2, http.StatusOK
			s.Written, s.LastPod, s.Phase = 0, p.name, tally.Write
			s.Pod, s.Version = t.pods[len(t.pods)-1].name, "2"
		default:
			other := t.pods[0]
			for _, x := range t.pods {
				if due >= x.from && due < x.end {
					other = x
				}
			}
			s.Pod, s.Version, s.Status = other.name, other.version, http.StatusOK
		}
	}
	s.Latency = s.Sent.Sub(s.Intended) + time.Duration(latency*float64(time.Second))
	return s
}

// holder returns a pod that a request is routed to at that moment.
func (t *teller) holder(due float64) *pod {
	var routed []*pod
	for _, p := range t.pods {
		if due >= p.from && due < p.to {
			routed = append(routed, p)
		}
	}
	return routed[t.rand.IntN(len(routed))]
}
