package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEditDropsWhatTheMachineLacks(t *testing.T) {
	t.Parallel()
	const all = "CapBnd:\t000001ffffffffff\n"
	const without = "Name:\tx\nCapBnd:\t000001fffeffffff\n" // no CAP_SYS_RESOURCE
	const in = `{"capabilities":{"bounding":["CAP_CHOWN","CAP_SYS_RESOURCE","CAP_FROM_THE_FUTURE"],"effective":["CAP_SYS_RESOURCE"]},"oomScoreAdj":-998,"rlimits":[{"hard":18446744073709551615}]}`
	for name, tc := range map[string]struct{ status, want string }{
		"a machine with all":  {all, in},
		"a machine with less": {without, `{"capabilities":{"bounding":["CAP_CHOWN","CAP_FROM_THE_FUTURE"],"effective":[]},"oomScoreAdj":0,"rlimits":[{"hard":18446744073709551615}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := readBounds(tc.status)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "process.json")
			if err := os.WriteFile(path, []byte(in), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := edit(path, b.apply); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(canonical(t, tc.want), canonical(t, string(got))); diff != "" {
				t.Errorf("edited process (-want +got):\n%s", diff)
			}
		})
	}
}

func canonical(t *testing.T, s string) string {
	t.Helper()
	var v map[string]json.RawMessage
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestValue(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"create", "--bundle", "/b", "id"}, "/b"},
		{[]string{"create", "--bundle=/b", "id"}, "/b"},
		{[]string{"create", "-b", "/b"}, "/b"},
		{[]string{"delete", "id"}, ""},
		{[]string{"create", "--bundle"}, ""},
	} {
		if got := value(tc.args, "--bundle", "-b"); got != tc.want {
			t.Errorf("value(%q) = %q, want %q", tc.args, got, tc.want)
		}
	}
}

func TestReadBoundsRefusesOtherFiles(t *testing.T) {
	t.Parallel()
	if _, err := readBounds("Name: x\n"); err == nil {
		t.Error("no error for a status without CapBnd")
	}
}
