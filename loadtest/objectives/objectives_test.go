package objectives_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollproof/loadtest/objectives"
)

var lanes = []string{"new", "reused"}

func TestShippedFiles(t *testing.T) {
	t.Parallel()
	upgrade, err := objectives.Load("upgrade.yaml", lanes)
	if err != nil {
		t.Fatal(err)
	}
	want := objectives.Default()
	want.Scaling = true
	want.Evidence.Requests, want.Evidence.Rate = 20000, 200
	if diff := cmp.Diff(want, upgrade); diff != "" {
		t.Error(diff)
	}
	load, err := objectives.Load("load.yaml", lanes)
	if err != nil {
		t.Fatal(err)
	}
	if load.Scaling || load.P99["new"].D() != 500*time.Millisecond || load.Lost != 0 {
		t.Errorf("load.yaml: %+v", load)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"empty", "", ""},
		{"only comments", "# nothing\n", ""},
		{"unknown key", "lost: 0\nlosst: 1\n", `line 2: unknown key "losst"`},
		{"unknown key below", "evidence:\n  requests: 1\n  rates: 5\n", `line 3: unknown key "rates"`},
		{"not a time", "lost: 0\nstall: soon\n", `line 2: "soon" is not a time`},
		{"a time without unit", "stall: 3\n", `line 1: "3" is not a time`},
		{"negative count", "lost: -1\n", "line 1"},
		{"text for a number", "masked: few\n", "line 1"},
		{"no stall", "stall: 0s\n", "stall: 0s: want more than 0"},
		{"negative rollout", "rollout: -1s\n", "rollout: -1s"},
		{"share above one", "evidence: {achieved: 1.5}\n", "evidence.achieved: 1.5"},
		{"share that is no number", "evidence: {achieved: .nan}\n", "evidence.achieved: NaN"},
		{"late share", "evidence: {late: -0.5}\n", "evidence.late: -0.5"},
		{"rate", "evidence: {rate: -1}\n", "evidence.rate: -1"},
		{"unknown lane", "p99: {neu: 1s}\n", `p99: no lane "neu"`},
		{"p99 of nothing", "p99: {new: 0s}\n", "p99.new: 0s"},
		{"the same key twice", "lost: 0\nlost: 5\n", "lost"},
		{"two documents", "lost: 0\n---\nlost: 5\n", "more than one YAML document"},
		{"not YAML", "lost: [", "line 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := objectives.Parse([]byte(tt.text), lanes)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "o.yaml")
	if err := os.WriteFile(path, []byte("x: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := objectives.Load(path, lanes); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("lost: 0\nevidence: {achieved: 0.5}\n"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = objectives.Parse(data, lanes) // must not panic, whatever it says
	})
}
