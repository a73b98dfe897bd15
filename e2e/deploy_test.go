//go:build e2e

package e2e

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	port      = "30998"
	cluster   = "rp-e2e"
	byHand    = "rp-e2e-hand"
	serverV1  = "rollproof/server:v1"
	serverV2  = "rollproof/server:v2"
	crashTag  = "rollproof/server:e2e-crashes"
	brokenTag = "rollproof/server:e2e-broken-model"
)

// TestStack walks one deployment through its life: made, unchanged, broken and
// mended, its cluster lost and made again, a node restarted.
func TestStack(t *testing.T) {
	s := newStack(t, map[string]string{
		"provider": "kind", "clusterName": cluster, "workers": "2", "port": port,
		"scaleDownWindow": "15s", "metricsResolution": "10s", "deployTimeout": "40s",
	})

	t.Run("a port in use is refused before anything is made", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		out, err := s.pulumi(t.Context(), "up", "--yes", "--skip-preview")
		if err == nil {
			t.Fatalf("it succeeded:\n%s", out)
		}
		contains(t, out, port)
		if left := nodes(t, cluster); len(left) > 0 {
			t.Errorf("nodes were made: %v", left)
		}
	})

	t.Run("interrupted while the cluster is made", func(t *testing.T) {
		var out syncBuffer
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		cmd := s.command(ctx, "up", "--yes", "--skip-preview")
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the first node", 90*time.Second, func() bool { return len(nodes(t, cluster)) > 0 })
		cancel() // SIGINT to pulumi and all that it started, as Ctrl-C does
		if err := cmd.Wait(); err == nil {
			t.Errorf("pulumi up succeeded though it was interrupted:\n%s", out.String())
		}
	})

	s.up()
	base := "http://127.0.0.1:" + port

	t.Run("the served model answers", func(t *testing.T) {
		if got := versionOf(t, base+"/v2/models/breastcancer"); got != "1" {
			t.Errorf("version %q", got)
		}
	})

	t.Run("a second up changes nothing, also when the replicas have changed", func(t *testing.T) {
		preview := func() {
			t.Helper()
			if out, err := s.pulumi(t.Context(), "preview", "--expect-no-changes"); err != nil {
				t.Errorf("there are changes: %v\n%s", err, out)
			}
		}
		preview()
		// The autoscaler writes the scale subresource, as this does.
		s.kubectl("-n", "rollproof", "scale", "deployment/prediction", "--replicas=4")
		eventually(t, "four replicas", 30*time.Second, func() bool {
			return strings.TrimSpace(s.kubectl("-n", "rollproof", "get", "deployment", "prediction", "-o", "jsonpath={.spec.replicas}")) == "4"
		})
		preview()
		s.up("--expect-no-changes")
	})

	t.Run("a restarted node is on the pod network again", func(t *testing.T) {
		docker(t, "restart", cluster+"-worker")
		routes := func() string {
			return docker(t, "exec", cluster+"-worker", "ip", "route", "show", "root", "10.244.0.0/16")
		}
		eventually(t, "routes to the other nodes", time.Minute, func() bool { return strings.Count(routes(), " via ") == 2 })
		eventually(t, "all nodes ready", time.Minute, func() bool {
			return strings.Count(s.kubectl("get", "nodes", "--no-headers"), " Ready ") == 3
		})
	})

	t.Run("bad images end non-zero, say why, and lose nothing", func(t *testing.T) { badImages(t, s) })

	t.Run("a cluster deleted behind Pulumi's back is made again", func(t *testing.T) {
		docker(t, append([]string{"rm", "-f", "-v"}, nodes(t, cluster)...)...)
		out := s.up("--refresh")
		contains(t, out, "Cluster")
		resp, err := http.Get(base + "/v2/health/ready")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("the new cluster's service: %s", resp.Status)
		}
	})

	t.Run("a change that kind cannot make is a replacement at preview", func(t *testing.T) {
		s.set("workers", "1")
		defer s.set("workers", "2")
		out, err := s.pulumi(t.Context(), "preview", "--diff")
		if err != nil {
			t.Fatalf("preview: %v\n%s", err, out)
		}
		contains(t, out, "replace", "workers")
	})
}

// badImages tries updates that cannot work under a load, which must not see
// them, and then one that can.
func badImages(t *testing.T, s *stack) {
	badImage(t, crashTag, "FROM "+serverV1+"\nENTRYPOINT [\"/server\", \"--models\", \"/nothing\"]\n", nil)
	badImage(t, brokenTag, "FROM "+serverV1+"\nCOPY model.onnx /models/breastcancer/1/model.onnx\n", map[string]string{"model.onnx": "this is no model"})
	dir := filepath.Join(t.TempDir(), "load")
	load := s.harness(t.Context(), dir, "load", "--duration", "150s", "--new-rate", "100", "--reused-rate", "100", "--hot-connections", "8")
	var log syncBuffer
	load.Stdout, load.Stderr = &log, &log
	if err := load.Start(); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		image string
		says  []string
	}{
		{"rollproof/server:nothing", []string{"rollproof/server:nothing"}},
		{crashTag, []string{"prediction-", "CrashLoopBackOff"}},
		{brokenTag, []string{"prediction-", "CrashLoopBackOff"}},
	} {
		start := time.Now()
		s.set("image", tc.image)
		out, err := s.pulumi(t.Context(), "up", "--yes", "--skip-preview")
		if err == nil {
			t.Errorf("%s: pulumi up succeeded:\n%s", tc.image, out)
		}
		if took := time.Since(start); took > 75*time.Second {
			t.Errorf("%s: pulumi up took %s, deployTimeout is 40s", tc.image, took)
		}
		contains(t, out, tc.says...)
	}
	s.set("image", serverV1)
	s.up()
	if err := load.Wait(); err != nil {
		t.Errorf("the load saw it: %v\n%s", err, log.String())
	}
	if r := readReport(t, dir); r.Verdict.Outcome != "PASS" {
		t.Errorf("verdict %s of the load, want PASS: %s", r.Verdict.Outcome, r.Verdict.Reasons)
	}
}

// TestExisting deploys to a kind cluster that was made by hand, which a stack
// that would make one of that name leaves alone.
func TestExisting(t *testing.T) {
	kubeconfig := handMadeCluster(t.Context(), t, byHand, 30997, 0)

	t.Run("a cluster of that name that is not ours is left untouched", func(t *testing.T) {
		before := nodes(t, byHand)
		s := newStack(t, map[string]string{"provider": "kind", "clusterName": byHand, "port": "30997"})
		out, err := s.pulumi(t.Context(), "up", "--yes", "--skip-preview")
		if err == nil {
			t.Errorf("it succeeded:\n%s", out)
		}
		contains(t, out, byHand)
		if after := nodes(t, byHand); strings.Join(after, " ") != strings.Join(before, " ") || len(after) == 0 {
			t.Errorf("nodes were %v and are %v", before, after)
		}
	})

	t.Run("it serves what is deployed to it", func(t *testing.T) {
		s := newStack(t, map[string]string{
			"provider": "existing", "kubeconfig": kubeconfig, "context": "kind-" + byHand, "kindCluster": byHand,
			"serviceType": "NodePort", "nodePort": "30080", "url": "http://127.0.0.1:30997",
		})
		s.up()
		s.set("image", serverV2)
		s.up()
		// The rollout is over when old pods have been told to end: they serve on until
		// every node knows, and a new connection may still meet one.
		eventually(t, "version 2 answers a new connection", time.Minute, func() bool {
			return versionOf(t, "http://127.0.0.1:30997/v2/models/breastcancer") == "2"
		})
	})
}

// versionOf is the version that answers on a connection of its own.
func versionOf(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err) // nothing may be lost meanwhile
	}
	defer func() { _ = resp.Body.Close() }() // the header is what is asked for
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %s, want 200", resp.Status)
	}
	return resp.Header.Get("X-Rollproof-Version")
}

// TestHarness proves what the harness does when its command fails and when it
// is interrupted.
func TestHarness(t *testing.T) {
	s := newStack(t, map[string]string{"provider": "kind", "clusterName": cluster, "workers": "1", "port": port, "scaleDownWindow": "15s", "metricsResolution": "10s"})
	s.up()

	t.Run("a command that fails", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "run")
		out, err := s.harness(t.Context(), dir, "upgrade", "--from-version", "1", "--to-version", "2", "--steady", "5s", "--",
			"sh", "-c", "echo the registry is down; exit 7").CombinedOutput()
		if code := exitCode(t, err); code != 1 {
			t.Errorf("exit code %d, want 1", code)
		}
		contains(t, string(out), "the registry is down", "7")
		if r := readReport(t, dir); r.Verdict.Outcome != "FAIL" {
			t.Errorf("verdict %s, want FAIL", r.Verdict.Outcome)
		}
	})

	t.Run("interrupted in the middle", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "run")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		cmd := s.harness(ctx, dir, "upgrade", "--from-version", "1", "--to-version", "2", "--steady", "5s", "--", "sleep", "300")
		var out syncBuffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the rollout phase", time.Minute, func() bool { return strings.Contains(out.String(), "rollout") })
		start := time.Now()
		cancel()
		err := cmd.Wait()
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("it took %s to stop", took)
		}
		if code := exitCode(t, err); code != 2 {
			t.Errorf("exit code %d of an interrupted run, want 2", code)
		}
		if r := readReport(t, dir); r.Verdict.Outcome != "INCONCLUSIVE" {
			t.Errorf("verdict %s, want INCONCLUSIVE: %s\n%s", r.Verdict.Outcome, r.Verdict.Reasons, out.String())
		}
	})
}
