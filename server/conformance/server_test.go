package conformance

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rollproof/browsertest"
)

// build makes the server's binary, once, and returns its path.
var build = sync.OnceValues(func() (string, error) {
	path := filepath.Join(folder, "server")
	command := exec.Command("go", "build", "-trimpath", "-o", path, "rollproof/server")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// folder holds what build makes, until the tests end.
var folder string

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "conformance-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// clientsFolder names the variable with the folder of the programs that the tests
// drive, looked into before the PATH. Where it is set a missing program fails a test,
// which is skipped otherwise, and with -short in any case. For what the page needs it is
// browsertest.Folder.
const clientsFolder = "ROLLPROOF_CLIENTS" // make clients-test sets it

// program is the path of the first of the names that is there.
func program(t *testing.T, variable string, names ...string) string {
	t.Helper()
	in := os.Getenv(variable)
	if in == "" && testing.Short() {
		t.Skipf("drives %q", names)
	}
	for _, name := range names {
		if path := filepath.Join(in, name); in != "" && executable(path) {
			return path
		}
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if in != "" {
		t.Fatalf("none of %q in %s or on the PATH", names, in)
	}
	t.Skipf("none of %q is there: make clients-test and make browser-test put them there", names)
	return ""
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// server is the binary while it runs.
type server struct {
	// http, grpc and metrics are where it listens; grpc is empty without gRPC.
	http, grpc, metrics string
	process             *os.Process
	ended               chan error // told once

	mutex sync.Mutex
	log   strings.Builder
}

// entry is a line of its log.
type entry struct {
	Message string `json:"msg"`
	Listen  string `json:"listen"`
	Metrics string `json:"metrics_listen"`
}

// startServer runs the binary with the arguments in a folder until the test ends. It
// chooses its ports unless the arguments do.
func startServer(t *testing.T, in string, args ...string) *server {
	t.Helper()
	if testing.Short() && os.Getenv(clientsFolder) == "" && os.Getenv(browsertest.Folder) == "" {
		t.Skip("builds and starts the server's binary")
	}
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(binary, args...)
	command.Dir = in
	// Nothing of the caller's environment: its variables would be settings.
	command.Env = []string{"ROLLPROOF_LISTEN=127.0.0.1:0", "ROLLPROOF_METRICS_LISTEN=127.0.0.1:0", "POD_NAME=pod-0"}
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	s := &server{process: command.Process, ended: make(chan error, 1)}
	ready := make(chan struct{})
	go func() {
		s.read(stderr, ready)
		s.ended <- command.Wait()
	}()
	t.Cleanup(func() {
		_ = command.Process.Kill() // it may have ended
		if t.Failed() {
			t.Logf("the server's log:\n%s", s.text())
		}
	})
	select {
	case <-ready:
	case err := <-s.ended:
		t.Fatalf("the server ended: %v\n%s", err, s.text())
	case <-time.After(30 * time.Second):
		t.Fatalf("the server is not ready after 30s:\n%s", s.text())
	}
	return s
}

// read keeps the log, and closes ready when it says that the server is.
func (s *server) read(stderr io.Reader, ready chan<- struct{}) {
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		s.mutex.Lock()
		s.log.Write(lines.Bytes())
		s.log.WriteByte('\n')
		s.mutex.Unlock()
		var e entry
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue // not the log's: a crash, which the end will tell of
		}
		switch e.Message {
		case "gRPC":
			s.grpc = e.Listen
		case "ready":
			s.http, s.metrics = e.Listen, e.Metrics
			close(ready)
		}
	}
}

func (s *server) text() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.log.String()
}

// terminate tells the server to end, as a kubelet does.
func (s *server) terminate(t *testing.T) {
	t.Helper()
	if err := s.process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// drained fails unless the server ends within the time and says that it lost nothing.
func (s *server) drained(t *testing.T, within time.Duration) {
	t.Helper()
	select {
	case err := <-s.ended:
		if err != nil {
			t.Errorf("the server's end: %v, want exit code 0", err)
		}
	case <-time.After(within):
		t.Errorf("the server has not ended %s after SIGTERM", within)
	}
}

// modelsFolder lays the shipped versions out as the image does.
func modelsFolder(t *testing.T, versions ...string) string {
	t.Helper()
	models := t.TempDir()
	for _, version := range versions {
		place := filepath.Join(models, "breastcancer", version)
		err := os.MkdirAll(place, 0o750)
		data, failed := os.ReadFile(filepath.Join("..", "..", "model", "breastcancer", "v"+version, "model.onnx"))
		if err := errors.Join(err, failed, os.WriteFile(filepath.Join(place, "model.onnx"), data, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return models
}

// goldens is goldens.json as far as it is needed here.
type goldens struct {
	Rows     [][]float32 `json:"rows"`
	Expected map[string]struct {
		Label         []int64      `json:"label"`
		Probabilities [][2]float64 `json:"probabilities"`
	} `json:"expected"`
}

func readGoldens(t *testing.T) *goldens {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "model", "breastcancer", "goldens.json"))
	if err != nil {
		t.Fatal(err)
	}
	g := &goldens{}
	if err := json.Unmarshal(data, g); err != nil {
		t.Fatal(err)
	}
	return g
}
