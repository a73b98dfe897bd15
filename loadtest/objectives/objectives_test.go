package objectives_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rollproof/loadtest/objectives"
)

var names = objectives.Names{Lanes: []string{"new", "reused"}, Phases: []string{"steady", "rollout"}}

func TestShippedFiles(t *testing.T) {
	t.Parallel()
	upgrade, err := objectives.Load("upgrade.yaml", names)
	if err != nil {
		t.Fatal(err)
	}
	want := objectives.Default()
	want.Scaling = true
	want.Evidence.Requests, want.Evidence.Rate = 20000, 200
	if diff := cmp.Diff(want, upgrade); diff != "" {
		t.Error(diff)
	}
	soak, err := objectives.Load("soak.yaml", names)
	if err != nil {
		t.Fatal(err)
	}
	want.Scaling, want.Evidence.Requests = false, 30000
	if diff := cmp.Diff(want, soak); diff != "" {
		t.Error(diff)
	}
	load, err := objectives.Load("load.yaml", names)
	if err != nil {
		t.Fatal(err)
	}
	if load.Scaling || load.P99["new"].All.D() != 500*time.Millisecond || load.Lost != 0 {
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
		{"the line of a value", "lost: 0\n\nevidence:\n  late: 0.5\n  achieved: 0\n", "line 5: evidence.achieved: 0"},
		{"the line of a bound", "p99:\n  new: 1s\n  reused: {steady: 0s}\n", "line 3: p99.reused.steady: 0s"},
		{"unknown phase", "p99.9:\n  new:\n    steady: 1s\n    rolout: 1s\n", `line 4: p99.9.new: no phase "rolout"`},
		{"phases, and the whole run", "p99: {new: {run: 1s, rollout: 2s}}\n", ""},
		{"a bound that is a list", "p99:\n  new: [1s]\n", "line 2: want a time"},
		{"a bound of a phase that is no time", "p99:\n  new: {steady: soon}\n", `line 2: "soon" is not a time`},
		{"the same key twice", "lost: 0\nlost: 5\n", "lost"},
		{"two documents", "lost: 0\n---\nlost: 5\n", "more than one YAML document"},
		{"not YAML", "lost: [", "line 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := objectives.Parse([]byte(tt.text), names)
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
	if _, err := objectives.Load(path, names); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
}

func TestBoundsInJSON(t *testing.T) {
	t.Parallel()
	o, err := objectives.Parse([]byte("p99: {new: 500ms, reused: {run: 1s, steady: 20ms}}\np99.9: {new: {rollout: 2s}}\n"), names)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if want := `"p99":{"new":"500ms","reused":{"run":"1s","steady":"20ms"}},"p99.9":{"new":{"rollout":"2s"}}`; !strings.Contains(string(text), want) {
		t.Errorf("%s has no %s", text, want)
	}
	var again objectives.Objectives
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(o, again, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("lost: 0\nevidence: {achieved: 0.5}\n"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = objectives.Parse(data, names) // must not panic, whatever it says
	})
}
