package suite

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollproof/bench/goal"
	"rollproof/bench/load"
	"rollproof/bench/machine"
	"rollproof/bench/peer"
	"rollproof/bench/result"
)

// TestMain makes this test the program that serves the Go handlers: it is called as
// `serve KIND --listen ADDRESS [--metrics-listen ADDRESS]`.
func TestMain(m *testing.M) {
	if len(os.Args) < 5 || os.Args[1] != "serve" {
		os.Exit(m.Run())
	}
	metrics := "127.0.0.1:0"
	if len(os.Args) > 6 {
		metrics = os.Args[6]
	}
	if err := peer.Serve(context.Background(), os.Args[2], os.Args[4], metrics); err != nil {
		panic(err)
	}
}

// smoke is a run with the shortest measurements there are.
func smoke(t *testing.T) *run {
	t.Helper()
	if _, err := exec.LookPath("wrk"); err != nil {
		t.Skip(err)
	}
	server, client, err := machine.Cores()
	if err != nil {
		t.Skip(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, err := newRun(Config{Out: t.TempDir(), Self: self, ServerCore: server, ClientCore: client, Progress: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	r.lengths = lengths{pairs: 1, sample: time.Second}
	body, err := inferBody([]float32{1, 2.5})
	if err != nil {
		t.Fatal(err)
	}
	r.bodies = [][]byte{body}
	if r.wrk, err = load.NewWrk(r.work, r.bodies, client, 4); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestContestAndAllocations measures one Go handler against the other, and the one
// without a body's decoding against itself.
func TestContestAndAllocations(t *testing.T) {
	t.Parallel()
	r := smoke(t)
	address, err := peer.FreeAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ours := r.constant("decode")
	ours.name = "ours"
	ours.args = func(listen string) []string {
		return []string{r.Self, "serve", "decode", "--listen", listen, "--metrics-listen", address}
	}
	up, err := r.start(t.Context(), ours)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := up.Stop(); err != nil {
			t.Error(err)
		}
	}()
	row := result.Row{ID: "smoke", Unit: result.RequestsPerSecond, Goal: goal.Goal{Bound: goal.AtLeast, Value: 1e9}}
	if err := r.contest(t.Context(), up, contest{server: r.constant("discard"), model: boosting, row: row}); err != nil {
		t.Fatal(err)
	}
	got := r.document.Rows[0]
	if c := got.Comparison; c == nil || c.Ours.Median < 100 || c.Theirs.Median < 100 || got.Reached {
		t.Errorf("%+v, want rates of both and a goal that is not reached", got)
	}
	per, err := r.perRequest(t.Context(), up.url(boosting), "http://"+address+"/metrics", "requests_total{")
	if err != nil {
		t.Fatal(err)
	}
	if per < 10 || per > 200 {
		t.Errorf("%v allocations a request, want those of net/http and encoding/json", per)
	}
}

func TestStartSaysWhichServerFailed(t *testing.T) {
	t.Parallel()
	r := smoke(t)
	broken := r.constant("neither")
	if up, err := r.start(t.Context(), broken); err == nil {
		t.Error("a server that ends at once: no error", up.Stop())
	} else if !strings.Contains(err.Error(), "neither") || !strings.Contains(err.Error(), filepath.Base(r.log("neither"))) {
		t.Errorf("error %v, want one with the server's name and its log", err)
	}
}
