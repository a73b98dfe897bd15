package load_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"sync"
	"testing"
	"time"

	"rollproof/bench/load"
	"rollproof/bench/machine"
)

// TestWrkSendsTheBodies runs wrk itself, where it is installed.
func TestWrkSendsTheBodies(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("wrk"); err != nil {
		t.Skip(err)
	}
	_, core, err := machine.Cores()
	if err != nil {
		t.Skip(err)
	}
	var mu sync.Mutex
	got := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if r.URL.Path == "/missing" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		got[string(body)]++
	}))
	defer server.Close()
	wrk, err := load.NewWrk(t.TempDir(), [][]byte{[]byte(`{"a":1}`), []byte(`{"b":2}`)}, core, 4)
	if err != nil {
		t.Fatal(err)
	}
	report, err := wrk.Run(t.Context(), server.URL+"/infer", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	a, b := got[`{"a":1}`], got[`{"b":2}`]
	mu.Unlock()
	// What was on its way at the end is counted by the server alone.
	if a+b < report.Requests || a+b > report.Requests+8 || a < report.Requests/3 || b < report.Requests/3 {
		t.Errorf("%+v, and the server saw %d and %d; want the same number, half of each", report, a, b)
	}
	if _, err := wrk.Run(t.Context(), server.URL+"/missing", time.Second); !errors.Is(err, load.ErrFailures) {
		t.Errorf("error %v, want ErrFailures", err)
	}
}

func TestNewWrkRefusesBodies(t *testing.T) {
	t.Parallel()
	for _, bodies := range [][][]byte{nil, {[]byte("a\nb")}, {{}}} {
		if _, err := load.NewWrk(t.TempDir(), bodies, 0, 1); err == nil {
			t.Errorf("%q: no error", bodies)
		}
	}
}
