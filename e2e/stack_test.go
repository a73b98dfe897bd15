//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// stack is a Pulumi stack of the checkout's program with a state of its own.
type stack struct {
	t      *testing.T
	name   string
	config map[string]string
	dir    string // its state and settings file
}

// newStack makes a stack that is destroyed when the test ends.
func newStack(t *testing.T, config map[string]string) *stack {
	t.Helper()
	// The name of the stack whose settings file is in the checkout: making one
	// of another name writes a file there.
	s := &stack{t: t, name: "kind", config: config, dir: t.TempDir()}
	s.save()
	if out, err := s.pulumi(t.Context(), "stack", "init", s.name); err != nil {
		t.Fatalf("stack init: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		if out, err := s.pulumi(ctx, "destroy", "--yes", "--skip-preview", "--refresh"); err != nil {
			t.Errorf("destroy: %v\n%s", err, out)
		}
	})
	return s
}

// save writes the settings file.
func (s *stack) save() {
	s.t.Helper()
	keys := make([]string, 0, len(s.config))
	for k := range s.config {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	var b strings.Builder
	b.WriteString("config:\n")
	for _, k := range keys {
		fmt.Fprintf(&b, "  rollproof:%s: %q\n", k, s.config[k])
	}
	if err := os.WriteFile(s.file(), []byte(b.String()), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stack) file() string { return filepath.Join(s.dir, "Pulumi.yaml") }

// set changes a setting; "" takes it away.
func (s *stack) set(key, value string) {
	s.t.Helper()
	if s.config[key] = value; value == "" {
		delete(s.config, key)
	}
	s.save()
}

// command is pulumi with the stack's state and settings.
func (s *stack) command(ctx context.Context, args ...string) *exec.Cmd {
	switch args[0] {
	case "up", "preview", "destroy", "refresh":
		args = append(args, "--stack", s.name, "--config-file", s.file(), "--non-interactive")
	}
	cmd := exec.CommandContext(ctx, "pulumi", args...)
	cmd.Dir = root()
	cmd.Env = append(os.Environ(), "PULUMI_BACKEND_URL=file://"+s.dir, "PULUMI_CONFIG_PASSPHRASE=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = time.Minute
	return cmd
}

func (s *stack) pulumi(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 6*time.Minute)
	defer cancel()
	out, err := s.command(ctx, args...).CombinedOutput()
	return string(out), err
}

// up deploys and fails the test when that fails.
func (s *stack) up(args ...string) string {
	s.t.Helper()
	out, err := s.pulumi(s.t.Context(), append([]string{"up", "--yes", "--skip-preview"}, args...)...)
	if err != nil {
		s.t.Fatalf("pulumi up: %v\n%s", err, out)
	}
	return out
}

// outputs are the stack's, secrets shown.
func (s *stack) outputs() map[string]any {
	s.t.Helper()
	cmd := s.command(s.t.Context(), "stack", "output", "--json", "--show-secrets", "--stack", s.name)
	raw, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("stack output: %v", err)
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		s.t.Fatalf("stack output: %v\n%s", err, raw)
	}
	return out
}

// harness is the harness's command with the flags of the stack's cluster.
func (s *stack) harness(ctx context.Context, out string, args ...string) *exec.Cmd {
	s.t.Helper()
	o := s.outputs()
	kubeconfig := s.kubeconfig(o)
	flags := []string{
		args[0], "--url", o["url"].(string), "--cases", filepath.Join(root(), "model/breastcancer/goldens.json"),
		"--kubeconfig", kubeconfig, "--context", o["context"].(string),
		"--namespace", o["namespace"].(string), "--deployment", o["deployment"].(string), "--out", out,
	}
	cmd := exec.CommandContext(ctx, os.Getenv("ROLLPROOF_LOADTEST"), append(flags, args[1:]...)...)
	cmd.Dir = root()
	cmd.Env = append(os.Environ(), "PULUMI_BACKEND_URL=file://"+s.dir, "PULUMI_CONFIG_PASSPHRASE=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = time.Minute
	return cmd
}

func (s *stack) kubeconfig(outputs map[string]any) string {
	s.t.Helper()
	path := filepath.Join(s.dir, "kubeconfig")
	if err := os.WriteFile(path, []byte(outputs["kubeconfig"].(string)), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// kubectl runs kubectl on the stack's cluster.
func (s *stack) kubectl(args ...string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "kubectl", append([]string{"--kubeconfig", s.kubeconfig(s.outputs())}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// report is what the tests read of the harness's report.json.
type report struct {
	Verdict struct {
		Outcome string          `json:"outcome"`
		Reasons json.RawMessage `json:"reasons"`
	} `json:"verdict"`
}

func readReport(t *testing.T, dir string) report {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatalf("report.json: %v", err)
	}
	return r
}

// exitCode is the code that a finished command ended with.
func exitCode(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	t.Fatalf("the command did not run: %v", err)
	return -1
}

// docker runs a Docker command.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// nodes are the containers of a kind cluster.
func nodes(t *testing.T, cluster string) []string {
	t.Helper()
	return strings.Fields(docker(t, "ps", "-aq", "--filter", "label=io.x-k8s.kind.cluster="+cluster))
}

// badImage builds an image on top of a good one's, and removes it at the end.
func badImage(t *testing.T, tag, dockerfile string, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o600); err != nil {
		t.Fatal(err)
	}
	docker(t, "build", "-q", "-t", tag, dir)
	t.Cleanup(func() { docker(t, "rmi", tag) })
}

// contains fails the test for each text that out does not hold.
func contains(t *testing.T, out string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(out, text) {
			t.Errorf("no %q in:\n%s", text, out)
		}
	}
}

// eventually waits until what holds, asking every second.
func eventually(t *testing.T, what string, within time.Duration, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !holds(); time.Sleep(time.Second) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, within)
		}
	}
}

// syncBuffer is a buffer that a command may write while the test reads.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// root is the checkout.
func root() string {
	wd, err := os.Getwd()
	if err != nil {
		return ".."
	}
	return filepath.Dir(wd)
}

func TestMain(m *testing.M) {
	if os.Getenv("ROLLPROOF_LOADTEST") == "" || os.Getenv("PULUMI_HOME") == "" {
		fmt.Fprintln(os.Stderr, "these tests are run by `make e2e`, which sets the tools up")
		os.Exit(1)
	}
	if os.Getenv("DOCKER_BUILDKIT") == "" && exec.Command("docker", "buildx", "version").Run() != nil {
		if err := os.Setenv("DOCKER_BUILDKIT", "0"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}
