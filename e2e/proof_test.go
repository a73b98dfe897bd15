//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollproof/loadtest/explain"
	"rollproof/loadtest/verdict"
)

// proofCase is a server or manifest and what the harness must say of it.
type proofCase struct {
	name string
	// from and to are the Deployment before and after: what is not set is right.
	from, to manifest
	flags    []string
	// command replaces `kubectl apply` of to.
	command []string
	// during is called while the harness runs, and ends with ctx.
	during func(ctx context.Context, harness *exec.Cmd)

	want verdict.Outcome
	// causes are those that the losses may have, and the first is one that they
	// must have. The same fault shows in several ways: on new and on kept
	// connections, and to those that meet a pod's end.
	causes []explain.Cause
	// reason is a part of one of the verdict's reasons.
	reason string
}

// proofCases is the set. What each fault does was measured on a cluster.
func proofCases() []proofCase {
	both := func(m manifest) (manifest, manifest) { return m, m }
	end := func(name, fault string, change func(*manifest), causes ...explain.Cause) proofCase {
		c := proofCase{name: name, want: verdict.Fail, causes: causes}
		m := manifest{Fault: fault}
		if change != nil {
			change(&m)
		}
		c.from, c.to = both(m)
		return c
	}
	// They are right until the new version comes.
	fresh := func(name, fault string, env map[string]string, causes ...explain.Cause) proofCase {
		return proofCase{name: name, to: manifest{Fault: fault, Env: env}, want: verdict.Fail, causes: causes}
	}
	preStop := end("prestop-only", "shutdown", func(m *manifest) { m.PreStop = 5 }, explain.ClosedAtShutdown)
	ignore := end("ignores-sigterm", "ignore-term", func(m *manifest) { m.Grace = 5 }, explain.KilledAtGraceEnd)
	// A kept connection that was idle for a second looks, alone, like an idle time-out.
	outage := fresh("outage-200ms", "outage", map[string]string{"WRONG_AFTER": "12s"}, explain.DroppedWhileReady, explain.IdleClosed)
	outage.flags = []string{"--tail", "8s"}
	crash := fresh("crash-after-10s", "crash", map[string]string{"WRONG_AFTER": "10s"}, explain.Crash, explain.NoEndpoint)
	crash.flags = []string{"--tail", "6s"}
	noProbe := fresh("no-readiness-probe", "slow-start", map[string]string{"WRONG_START": "8s"}, explain.ReadyTooEarly)
	noProbe.to.NoProbe = true
	one := fresh("one-replica", "slow-start", map[string]string{"WRONG_START": "8s"}, explain.NoEndpoint)
	one.from.Replicas, one.from.Unavailable, one.from.Surge = 1, 1, -1
	one.to.Replicas, one.to.Unavailable, one.to.Surge = 1, 1, -1
	one.reason = "had no right answer for"

	return []proofCase{
		{name: "right", want: verdict.Pass},
		{name: "always-ready", from: manifest{Fault: "always-ready"}, to: manifest{Fault: "always-ready"}, want: verdict.Pass},

		end("shutdown-at-sigterm", "shutdown", nil, explain.ClosedAtShutdown, explain.RefusedAfterSigterm),
		end("exit-at-sigterm", "exit", nil, explain.ClosedAtShutdown, explain.RefusedAfterSigterm, explain.CutAtShutdown),
		preStop,
		end("keepalives-off", "keepalives-off", nil, explain.ClosedAtShutdown),
		end("drain-without-close", "no-close", nil, explain.ClosedAtShutdown),
		ignore,
		end("model-closed-first", "model-closed", nil, explain.ErrorWhileEnding),
		fresh("old-body", "old-body", nil, explain.WrongVersion),
		fresh("old-numbers", "old-numbers", nil, explain.WrongAnswer),
		fresh("answers-cut-short", "cut-short", nil, explain.ShortAnswer),
		outage, crash, noProbe, one,

		{name: "starved", during: starve, want: verdict.Inconclusive, reason: "the harness itself stood still"},
		{name: "too-few-workers", flags: []string{"--max-workers", "1", "--new-rate", "2000"}, want: verdict.Inconclusive, reason: "ran out of workers"},
		{name: "unchanged", to: manifest{Version: "1"}, flags: []string{"--change-timeout", "3s"}, want: verdict.Inconclusive, reason: "nothing was rolled out"},
		{name: "restarted", command: []string{"kubectl", "--kubeconfig", "ADMIN", "-n", proofNamespace, "rollout", "restart", "deployment/restarted"},
			want: verdict.Inconclusive, reason: "the version did not change"},
		{name: "load-ends-early", from: manifest{Grace: 60, Env: map[string]string{"WRONG_DRAIN": "40s"}},
			flags: []string{"--rollout-timeout", "15s"}, want: verdict.Inconclusive, reason: "the load ended before the old pods did"},
	}
}

// starve stops the harness's process again and again, as a machine does that has
// no time for it.
func starve(ctx context.Context, harness *exec.Cmd) {
	for ctx.Err() == nil {
		for _, turn := range []struct {
			signal syscall.Signal
			wait   time.Duration
		}{{syscall.SIGSTOP, 800 * time.Millisecond}, {syscall.SIGCONT, 1200 * time.Millisecond}} {
			if harness.Process.Signal(turn.signal) != nil {
				return // it has ended
			}
			time.Sleep(turn.wait)
		}
	}
}

// TestProof proves that the harness sees: a set of servers and manifests, each
// with one fault, and a few without. Each upgrade's verdict and causes must be
// right. PROOF_RUNS is how many times in a row. With PROOF_STRICT=1, as make proof
// has it, so must be the cause of every single loss: else, as for a change that is to
// land, a few may have another, and a wrong case is tried once more; both are told of
// under the table.
func TestProof(t *testing.T) {
	runs := 1
	if v := os.Getenv("PROOF_RUNS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			t.Fatalf("PROOF_RUNS %q: want a number from 1", v)
		}
		runs = n
	}
	// A Ctrl-C ends the case under way, and the cluster is still removed.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p := newProof(ctx, t)
	out := filepath.Join(root(), "out", "proof-"+time.Now().Format("20060102-150405"))
	t.Run("rights", func(t *testing.T) { p.testRights(ctx, t) })
	t.Run("any-deployment", func(t *testing.T) { p.testAnyDeployment(ctx, t) })
	var table proofTable
	defer func() { table.write(t, out) }()
	for n := range runs {
		for _, c := range proofCases() {
			tries := []string{c.name}
			if !p.strict {
				tries = append(tries, c.name+"-again")
			}
			for i, name := range tries {
				var row proofRow
				t.Run(name, func(t *testing.T) {
					row = p.prove(ctx, t, c, filepath.Join(out, strconv.Itoa(n+1), name))
					row.name = name
					table.rows = append(table.rows, row)
					if row.right() {
						return
					}
					tell := t.Errorf
					if i < len(tries)-1 {
						tell = t.Logf
					}
					tell("wrong:\n%s", row.wrong)
				})
				if row.right() || ctx.Err() != nil {
					break
				}
			}
			if ctx.Err() != nil {
				t.Fatal("interrupted")
			}
		}
	}
}

// testRights holds that the harness has no more than it says that it needs.
func (p *proof) testRights(ctx context.Context, t *testing.T) {
	for _, resource := range []string{"deployments.apps", "replicasets.apps", "pods", "events", "endpointslices.discovery.k8s.io", "horizontalpodautoscalers.autoscaling"} {
		for _, verb := range []string{"get", "list", "watch"} {
			if !p.can(ctx, t, "-n", proofNamespace, verb, resource) {
				t.Errorf("it may not %s %s", verb, resource)
			}
		}
		for _, args := range [][]string{{"-n", proofNamespace, "delete", resource}, {"-n", proofNamespace, "patch", resource}, {"-n", "default", "list", resource}} {
			if p.can(ctx, t, args...) {
				t.Errorf("it may %s", strings.Join(args, " "))
			}
		}
	}
	for _, args := range [][]string{{"list", "nodes"}, {"-n", proofNamespace, "get", "secrets"}, {"-n", proofNamespace, "create", "pods", "--subresource=exec"}} {
		if p.can(ctx, t, args...) {
			t.Errorf("it may %s", strings.Join(args, " "))
		}
	}
}

// fill sets what a case leaves open.
func (m manifest) fill(name, version string) manifest {
	m.Name = name
	if m.Version == "" {
		m.Version = version
	}
	if m.Fault == "" {
		m.Fault = "right"
	}
	if m.Replicas == 0 {
		m.Replicas = 2
	}
	switch {
	case m.Surge == 0:
		m.Surge = 1
	case m.Surge < 0: // none
		m.Surge = 0
	}
	if m.Grace == 0 {
		m.Grace = 30
	}
	return m
}

// forgetConnections makes the nodes forget the connections to the Service's port. Those
// that a pod left behind as it died are remembered for a day, by its address; when
// Docker's port mapping, thousands of connections later, comes by the same source port, the
// node sends the new connection to where that pod was, and nobody answers.
func forgetConnections(t *testing.T) {
	t.Helper()
	for _, node := range nodes(t, proofCluster) {
		left := docker(t, "exec", node, "sh", "-c",
			fmt.Sprintf("conntrack -L -p tcp --orig-port-dst %d 2>/dev/null | grep -vc TIME_WAIT; conntrack -D -p tcp --orig-port-dst %[1]d >/dev/null 2>&1", nodePort)+
				"; true") // both end with 1 where there is none
		t.Logf("%s connections left behind on %s", left, node)
	}
}

// prove rolls a case out under the harness.
func (p *proof) prove(ctx context.Context, t *testing.T, c proofCase, out string) proofRow {
	t.Helper()
	whole := ctx
	ctx, cancel := context.WithTimeout(whole, 3*time.Minute)
	defer cancel()
	dir := t.TempDir()
	apply := func(file string) []string {
		return []string{"kubectl", "--kubeconfig", p.admin, "-n", proofNamespace, "apply", "-f", file}
	}
	began := time.Now()
	before := apply(c.from.fill(c.name, "1").write(t, dir, "before.yaml"))
	p.kubectl(ctx, t, "", before[3:]...)
	t.Cleanup(func() {
		if whole.Err() == nil { // otherwise the cluster goes as it is
			p.kubectl(whole, t, "", "-n", proofNamespace, "delete", "deployment", c.name, "--wait=false")
			// To their end: the next case has the same port, and must not be answered by
			// these. One that ignores SIGTERM is given less time than it has.
			p.kubectl(whole, t, "", "-n", proofNamespace, "delete", "pod", "--selector", "app="+c.name, "--grace-period=2", "--ignore-not-found", "--timeout=60s")
			forgetConnections(t)
		}
	})
	command := apply(c.to.fill(c.name, "2").write(t, dir, "after.yaml"))
	if c.command != nil {
		command = slices.Clone(c.command)
		for i := range command {
			command[i] = strings.ReplaceAll(command[i], "ADMIN", p.admin)
		}
	}
	harness := p.upgrade(ctx, c.name, out, slices.Concat(c.flags, []string{"--"}, command)...)
	var log syncBuffer
	harness.Stdout, harness.Stderr = &log, &log
	if err := harness.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	if c.during != nil {
		during, stop := context.WithCancel(ctx)
		go func() {
			defer close(ended)
			// Not before its load: it must find what it is to measure.
			for during.Err() == nil && !strings.Contains(log.String(), "rollout") {
				time.Sleep(50 * time.Millisecond)
			}
			c.during(during, harness)
		}()
		defer func() { stop(); <-ended }()
	}
	err := harness.Wait()
	if ctx.Err() != nil {
		t.Fatalf("not ended in time, or interrupted:\n%s", log.String())
	}
	code := exitCode(t, err)
	if code == 3 {
		t.Fatalf("it could not run:\n%s", log.String())
	}
	row := newProofRow(t, c, p.strict, out, time.Since(began))
	if want := map[verdict.Outcome]int{verdict.Pass: 0, verdict.Fail: 1, verdict.Inconclusive: 2}[row.outcome]; code != want {
		t.Errorf("exit code %d of a run that is %s", code, row.outcome)
	}
	if !row.right() {
		t.Logf("%s", log.String())
	}
	return row
}

// strays is how many losses of a case may have a cause that is not its own where the
// proof is not strict: three, or one in a hundred. After other tests on the same
// machine a new connection was seen to hang while all pods were well.
func strays(lost uint64) uint64 { return max(3, lost/100) }

// judge compares what came out with what must. Losses with a cause that is not the
// case's are wrong; a few of them are no more than told of where it is not strict.
func (c proofCase) judge(r proofReport, strict bool) (wrong, stray []string) {
	var others uint64
	if r.Verdict.Outcome != c.want {
		wrong = append(wrong, "verdict "+string(r.Verdict.Outcome)+", want "+string(c.want))
	}
	causes := map[explain.Cause]bool{}
	for _, e := range r.Explanations {
		causes[e.Cause] = true
		if !slices.Contains(c.causes, e.Cause) {
			others += e.Count
			stray = append(stray, "cause "+string(e.Cause)+": "+e.Sentence)
			for _, x := range e.Examples[:min(len(e.Examples), 3)] {
				stray = append(stray, fmt.Sprintf("  %s: lane %s, %s (%s) at %s", e.Cause, x.Lane, x.Class, x.Sentence, x.At.Format(time.StampMicro)))
			}
		}
	}
	if strict || others > strays(r.Verdict.Lost+r.Verdict.Masked) {
		wrong, stray = append(wrong, stray...), nil
	}
	// A stall may come without a loss.
	if len(c.causes) > 0 && !causes[c.causes[0]] && c.reason == "" {
		wrong = append(wrong, "no cause "+string(c.causes[0])+" among "+strings.Join(sortedCauses(causes), ", "))
	}
	if c.reason != "" && !slices.ContainsFunc(r.Verdict.Reasons, func(x verdict.Reason) bool { return strings.Contains(x.Text, c.reason) }) {
		wrong = append(wrong, "no reason says that "+c.reason)
	}
	return wrong, stray
}

func sortedCauses(causes map[explain.Cause]bool) []string {
	var out []string
	for _, c := range slices.Sorted(maps.Keys(causes)) {
		out = append(out, string(c))
	}
	return out
}
