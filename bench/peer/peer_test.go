package peer_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollproof/bench/machine"
	"rollproof/bench/peer"
)

// TestMain makes this test a server that the tests run: SERVE is its address.
func TestMain(m *testing.M) {
	if address := os.Getenv("SERVE"); address != "" {
		if err := peer.Serve(context.Background(), "discard", address, "127.0.0.1:0"); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

// core is one that this process may use.
func core(t *testing.T) int {
	t.Helper()
	first, _, err := machine.Cores()
	if err != nil {
		t.Skip(err)
	}
	return first
}

func serve(t *testing.T) (*peer.Process, string) {
	t.Helper()
	address, err := peer.FreeAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := peer.Start(t.Context(), peer.Command{
		Name: "itself", Wrap: []string{"nice", "-n", "1"}, Args: []string{self}, Env: []string{"SERVE=" + address},
		Core: core(t), Log: filepath.Join(t.TempDir(), "log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p, "http://" + address + "/"
}

func TestStartReadyResidentStop(t *testing.T) {
	t.Parallel()
	p, url := serve(t)
	took, err := p.Ready(t.Context(), url, []byte("{}"), 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if took <= 0 || took > 30*time.Second {
		t.Errorf("ready after %s", took)
	}
	megabytes, err := p.Resident()
	if err != nil || megabytes < 1 || megabytes > 500 {
		t.Errorf("%v MB, error %v; want those of a small Go program", megabytes, err)
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if r, err := http.Get(url); err == nil { //nolint:gosec // the test's own server
		_ = r.Body.Close()
		t.Error("it serves after its end")
	}
}

func TestStartSaysWhatFailed(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "log")
	p, err := peer.Start(t.Context(), peer.Command{
		Name: "broken", Args: []string{"sh", "-c", "echo no such model >&2; exit 3"}, Core: core(t), Log: log,
	})
	if err == nil {
		_, err = p.Ready(t.Context(), "http://127.0.0.1:9/", nil, 5*time.Second)
	}
	if err == nil || !strings.Contains(err.Error(), "broken") || !strings.Contains(err.Error(), "no such model") {
		t.Errorf("error %v, want one with the name and the log", err)
	}
}

func TestReadyTakesOnly200(t *testing.T) {
	t.Parallel()
	p, _ := serve(t)
	answers := httptest.NewServer(http.NotFoundHandler())
	defer answers.Close()
	_, err := p.Ready(t.Context(), answers.URL, nil, time.Second)
	if err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("error %v, want the 404", err)
	}
}

func TestConverse(t *testing.T) {
	t.Parallel()
	p, err := peer.Converse(t.Context(), peer.Command{
		Name: "echo", Args: []string{"sh", "-c", `while read -r line; do [ "$line" = end ] && exit; echo "said $line"; done`},
		Core: core(t), Log: filepath.Join(t.TempDir(), "log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"one", "two"} {
		got, err := p.Ask(t.Context(), word, 5*time.Second)
		if err != nil || got != "said "+word {
			t.Errorf("%q, %v; want it said", got, err)
		}
	}
	if _, err := p.Ask(t.Context(), "end", 5*time.Second); err == nil {
		t.Error("no error from a program that has ended")
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

// TestEndOfContextEndsTheProcess holds what a Ctrl-C needs.
func TestEndOfContextEndsTheProcess(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ended")
	ctx, cancel := context.WithCancel(t.Context())
	p, err := peer.Start(ctx, peer.Command{
		Name: "waits", Args: []string{"sh", "-c", `trap 'echo > "$0"; exit' TERM; echo > "$0.waits"; while :; do sleep 0.01; done`, file},
		Core: core(t), Log: filepath.Join(t.TempDir(), "log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(file + ".waits"); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("it has not begun to wait after 5s")
		}
	}
	cancel()
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("it was not told to end: %v", err)
	}
}

func TestHandlers(t *testing.T) {
	t.Parallel()
	const body = `{"inputs":[{"name":"X","shape":[1,2],"datatype":"FP32","data":[1,2.5]}]}`
	tests := []struct {
		kind, body string
		status     int
	}{
		{"decode", body, 200},
		{"decode", "{}", 400},
		{"decode", body[:20], 400},
		{"discard", body, 200},
		{"discard", "no JSON", 200},
	}
	for _, test := range tests {
		w := httptest.NewRecorder()
		peer.Kinds()[test.kind].ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(test.body)))
		text, err := io.ReadAll(w.Body)
		if err != nil || w.Code != test.status || len(text) == 0 {
			t.Errorf("%s of %s: %d %s, want %d", test.kind, test.body, w.Code, text, test.status)
		}
	}
	if err := peer.Serve(t.Context(), "neither", "127.0.0.1:0", "127.0.0.1:0"); err == nil {
		t.Error("a handler that there is not: no error")
	}
}

func TestBare(t *testing.T) {
	t.Parallel()
	address, err := peer.FreeAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- peer.Serve(ctx, "bare", address, "") }()
	var conn net.Conn
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if conn, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", address); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	// Two requests in one write, and one in two.
	request := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
	answers := bufio.NewReader(conn)
	for _, part := range []string{request + request, "", request[:50], request[50:]} {
		if _, err := io.WriteString(conn, part); err != nil {
			t.Fatal(err)
		}
		if part == request[:50] {
			continue
		}
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if err = errors.Join(err, answer.Body.Close()); err != nil || answer.StatusCode != http.StatusOK || !json.Valid(text) {
			t.Errorf("%s %q, %v", answer.Status, text, err)
		}
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := answers.ReadByte(); err == nil {
		t.Error("a request without a length is answered, want the connection closed")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestStopKillsWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes the time that a program may take to end")
	}
	p, err := peer.Start(t.Context(), peer.Command{
		Name: "stubborn", Args: []string{"sh", "-c", `trap '' TERM; while :; do sleep 0.1; done`},
		Core: core(t), Log: filepath.Join(t.TempDir(), "log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}
