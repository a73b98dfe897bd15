package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollproof/loadtest/cases"
	"rollproof/loadtest/fake"
)

// envChild makes the test's binary the server: what a fault does to its process
// is only seen from outside.
const envChild = "WRONG_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(envChild) != "" {
		os.Exit(run(os.Getenv, os.Stderr))
	}
	os.Exit(m.Run())
}

// process is a server of its own.
type process struct {
	t     *testing.T
	set   *cases.Set
	addr  string
	cmd   *exec.Cmd
	ended chan error
}

// start starts a server on a free port and waits until it listens.
func start(t *testing.T, fault Fault, env ...string) *process {
	t.Helper()
	set := fake.Set(5)
	goldens, err := fake.Goldens(set)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "goldens.json")
	if err := os.WriteFile(file, goldens, 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	p := &process{t: t, set: set, cmd: exec.CommandContext(ctx, self), ended: make(chan error, 1)}
	p.cmd.Env = append(append(os.Environ(), envChild+"=1", EnvAddr+"=127.0.0.1:0", EnvCases+"="+file,
		EnvPod+"=pod-a", EnvFault+"="+string(fault), EnvDrain+"=500ms"), env...)
	log, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		<-p.ended //nolint:errcheck // it was killed, or its test has seen how it ended
	})
	lines := bufio.NewReader(log)
	first, err := lines.ReadString('\n')
	addr, ok := strings.CutPrefix(strings.TrimSpace(first), "listening on ")
	go func() {
		_, _ = io.Copy(io.Discard, lines) // what else it says is not of interest
		p.ended <- p.cmd.Wait()
		close(p.ended)
	}()
	if !ok {
		t.Fatalf("it said %q, %v", first, err)
	}
	p.addr = addr
	return p
}

func (p *process) terminate() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
}

// exitCode waits for its end.
func (p *process) exitCode(within time.Duration) int {
	p.t.Helper()
	select {
	case err := <-p.ended:
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode()
		}
		if err != nil {
			p.t.Fatal(err)
		}
		return 0
	case <-time.After(within):
		p.t.Fatalf("not ended after %s", within)
	}
	return -1
}

// answer is what came of a request.
type answer struct {
	status int
	closes bool // `Connection: close`
	header string
	err    error // of the request, or what the checker says of its answer
}

// kept is a client's one connection.
type kept struct {
	p      *process
	client *http.Client
	dials  int
}

func (p *process) client() *kept {
	k := &kept{p: p}
	tr := &http.Transport{MaxConnsPerHost: 1, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		k.dials++
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	k.client = &http.Client{Transport: tr, Timeout: 5 * time.Second}
	p.t.Cleanup(tr.CloseIdleConnections)
	return k
}

// ask posts one row, which a transport does not send twice.
func (k *kept) ask() answer {
	k.p.t.Helper()
	batches, err := k.p.set.Batches(1, 1)
	if err != nil {
		k.p.t.Fatal(err)
	}
	resp, err := k.client.Post("http://"+k.p.addr+k.p.set.Path(), "application/json", bytes.NewReader(batches[0].Body))
	if err != nil {
		return answer{err: err}
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close() // read to its end
	a := answer{status: resp.StatusCode, closes: resp.Close, header: resp.Header.Get("X-Rollproof-Version"), err: err}
	if a.status == http.StatusOK && err == nil {
		_, a.err = cases.NewChecker(k.p.set).Check(batches[0], a.header, body)
	}
	return a
}

func (p *process) ready() bool {
	p.t.Helper()
	resp, err := http.Get("http://" + p.addr + ReadyPath)
	if err != nil {
		return false
	}
	_ = resp.Body.Close() // nothing is in it
	return resp.StatusCode == http.StatusOK
}

// refused tells whether nothing listens.
func (p *process) refused() bool {
	c, err := net.Dial("tcp", p.addr)
	if err == nil {
		_ = c.Close() // only that it came about is of interest
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// within waits until what holds, and returns after how long it did.
func within(t *testing.T, what string, limit time.Duration, holds func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !holds() {
		if time.Since(began) > limit {
			t.Fatalf("%s: not within %s", what, limit)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(began)
}
