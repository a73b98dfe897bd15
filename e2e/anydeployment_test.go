//go:build e2e

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"rollproof/loadtest/verdict"
)

// shellBlock is a block of commands in a text; those marked setup say what is the
// reader's own.
var shellBlock = regexp.MustCompile("(?ms)^```sh( setup)?\n(.*?)^```$")

// testAnyDeployment runs what docs/any-deployment.md says, as it stands there.
func (p *proof) testAnyDeployment(ctx context.Context, t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(), "docs/any-deployment.md"))
	if err != nil {
		t.Fatal(err)
	}
	const name = "any-deployment"
	dir := t.TempDir()
	before := manifest{}.fill(name, "1").write(t, dir, "before.yaml")
	after := manifest{}.fill(name, "2").write(t, dir, "after.yaml")
	p.kubectl(ctx, t, "", "-n", proofNamespace, "apply", "-f", before)
	t.Cleanup(func() { p.kubectl(ctx, t, "", "-n", proofNamespace, "delete", "deployment", name, "--wait=false") })
	p.kubectl(ctx, t, "", "-n", proofNamespace, "rollout", "status", "deployment/"+name, "--timeout=1m")
	eventually(t, "the service's new pods", time.Minute, func() bool { return p.answersAs(ctx, t) == "1" })

	script := "set -euo pipefail\n"
	blocks := 0
	for _, m := range shellBlock.FindAllStringSubmatch(string(text), -1) {
		if m[1] == "" {
			script += m[2]
			blocks++
		}
	}
	if blocks < 4 {
		t.Fatalf("%d blocks of commands found", blocks)
	}
	within, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(within, "bash", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(os.Getenv("ROLLPROOF_LOADTEST"))+":"+os.Getenv("PATH"),
		"KUBECONFIG="+p.admin, "NAMESPACE="+proofNamespace, "DEPLOYMENT="+name, "URL="+p.url,
		"GOLDENS="+filepath.Join(root(), "model/breastcancer/goldens.json"), "OLD=1", "NEW=2",
		"MANIFEST="+after, "HARNESS_KUBECONFIG="+filepath.Join(dir, "loadtest.kubeconfig"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if r := readProofReport(t, filepath.Join(dir, "out/upgrade")); r.Verdict.Outcome != verdict.Pass {
		t.Errorf("verdict %s: %v", r.Verdict.Outcome, r.Verdict.Reasons)
	}
	// load's last line, and upgrade's.
	if n := strings.Count(string(out), "\nPASS requests="); n != 2 {
		t.Errorf("%d lines of PASS, want 2:\n%s", n, out)
	}
}

// answersAs returns the version that answers, empty where none does.
func (p *proof) answersAs(ctx context.Context, t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "probe")
	cmd := exec.CommandContext(ctx, os.Getenv("ROLLPROOF_LOADTEST"), "load", "--url", p.url, "--out", out, "--duration", "1s",
		"--cases", filepath.Join(root(), "model/breastcancer/goldens.json"), "--preflight-timeout", "20s")
	if cmd.Run() != nil && cmd.ProcessState.ExitCode() != 2 { // too short to prove anything
		return ""
	}
	r := readProofReport(t, out)
	if len(r.Versions) != 1 || r.Verdict.Lost > 0 {
		return ""
	}
	for version := range r.Versions {
		return version
	}
	return ""
}
