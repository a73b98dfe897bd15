//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const (
	proofCluster   = "rp-proof"
	proofPort      = "30996"
	proofNamespace = "proof"
	wrongImage     = "rollproof/wrong:proof"
)

// proof is the cluster of the wrong servers.
type proof struct {
	admin  string // kubeconfig of whoever rolls out
	reader string // kubeconfig of the harness: what `loadtest rbac` gives, and no more
	url    string
	strict bool // each single loss must have a cause of its case
}

// newProof makes the cluster, with the wrong server's image on its nodes. ctx ends
// with Ctrl-C, here and below.
func newProof(ctx context.Context, t *testing.T) *proof {
	t.Helper()
	if left := nodes(t, proofCluster); len(left) > 0 { // of a run that was killed
		docker(t, append([]string{"rm", "-f", "-v"}, left...)...)
	}
	buildWrong(ctx, t)
	p := &proof{url: "http://127.0.0.1:" + proofPort, strict: os.Getenv("PROOF_STRICT") == "1"}
	p.admin = handMadeCluster(ctx, t, proofCluster, 30996, 1)
	loadImage(t, proofCluster, wrongImage)
	p.kubectl(ctx, t, "", "create", "namespace", proofNamespace)
	p.kubectl(ctx, t, "", "-n", proofNamespace, "create", "serviceaccount", "loadtest")
	p.kubectl(ctx, t, p.loadtest(ctx, t, "rbac", "--namespace", proofNamespace), "apply", "-f", "-")
	p.reader = p.asReader(ctx, t)
	return p
}

// buildWrong builds the image of the wrong server.
func buildWrong(ctx context.Context, t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", filepath.Join(dir, "wrong"), "./e2e/wrong")
	build.Dir, build.Env = root(), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the wrong server: %v\n%s", err, out)
	}
	goldens, err := os.ReadFile(filepath.Join(root(), "model/breastcancer/goldens.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"goldens.json": goldens,
		"Dockerfile":   []byte("FROM scratch\nCOPY wrong /wrong\nCOPY goldens.json /goldens.json\nUSER 65534:65534\nENTRYPOINT [\"/wrong\"]\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	docker(t, "build", "-q", "-t", wrongImage, dir)
	t.Cleanup(func() { docker(t, "rmi", wrongImage) })
}

// asReader is a kubeconfig that holds the service account's token and nothing else.
func (p *proof) asReader(ctx context.Context, t *testing.T) string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(p.admin)
	if err != nil {
		t.Fatal(err)
	}
	token := strings.TrimSpace(p.kubectl(ctx, t, "", "-n", proofNamespace, "create", "token", "loadtest", "--duration", "4h"))
	for name := range config.AuthInfos {
		config.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: token}
	}
	path := filepath.Join(t.TempDir(), "reader")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// kubectl runs kubectl as whoever rolls out.
func (p *proof) kubectl(ctx context.Context, t *testing.T, stdin string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "kubectl", append([]string{"--kubeconfig", p.admin}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}

// loadtest runs the harness's short commands.
func (p *proof) loadtest(ctx context.Context, t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(ctx, os.Getenv("ROLLPROOF_LOADTEST"), args...).Output()
	if err != nil {
		t.Fatalf("loadtest %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}

// can tells whether the harness's account may do that.
func (p *proof) can(ctx context.Context, t *testing.T, args ...string) bool {
	t.Helper()
	out, err := exec.CommandContext(ctx, "kubectl", append([]string{"--kubeconfig", p.reader, "auth", "can-i"}, args...)...).Output()
	answer := strings.TrimSpace(string(out))
	if answer != "yes" && answer != "no" {
		t.Fatalf("kubectl auth can-i %v: %v, %q", args, err, answer)
	}
	return answer == "yes"
}

// upgrade is the harness's command on a case's Deployment; what follows flags
// after -- rolls out.
func (p *proof) upgrade(ctx context.Context, deployment, out string, flags ...string) *exec.Cmd {
	args := append([]string{
		"upgrade", "--url", p.url, "--cases", filepath.Join(root(), "model/breastcancer/goldens.json"), "--out", out,
		"--kubeconfig", p.reader, "--namespace", proofNamespace, "--deployment", deployment,
		"--from-version", "1", "--to-version", "2", "--step-rate", "0", "--new-rate", "100", "--reused-rate", "100",
		"--steady", "3s", "--tail", "3s", "--timeout", "5s", "--preflight-timeout", "1m",
	}, flags...)
	cmd := exec.CommandContext(ctx, os.Getenv("ROLLPROOF_LOADTEST"), args...)
	cmd.Dir = root()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 30 * time.Second
	return cmd
}
