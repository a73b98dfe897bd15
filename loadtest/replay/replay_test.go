package replay_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rollproof/loadtest/fake/kept"
	"rollproof/loadtest/replay"
	"rollproof/loadtest/report"
)

// What a run computed is computed again from its raw results, figure for figure.
func TestReplayIsTheOriginal(t *testing.T) {
	t.Parallel()
	for name, story := range map[string]kept.Story{
		"right": {}, "lossy": {Lossy: true}, "load": {Load: true}, "interrupted": {Short: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			original, err := kept.Write(dir, story)
			if err != nil {
				t.Fatal(err)
			}
			again, err := replay.Read(dir)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(original, again.Report, cmpopts.IgnoreUnexported(report.Report{}), cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(original.Marks(), again.Report.Marks()); diff != "" {
				t.Error(diff)
			}
			if len(again.Series.Lanes) != len(original.Lanes) {
				t.Errorf("latency of %d lanes, want %d", len(again.Series.Lanes), len(original.Lanes))
			}
			if story.Lossy == (original.Verdict.Lost == 0) {
				t.Errorf("%d lost", original.Verdict.Lost)
			}
		})
	}
}

// What is missing or damaged is named, with what would be right.
func TestDamage(t *testing.T) {
	t.Parallel()
	raw := func(name string) string { return filepath.Join("raw", name) }
	cut := func(t *testing.T, path string, keep func(int64) int64) {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, keep(info.Size())); err != nil {
			t.Fatal(err)
		}
	}
	half := func(n int64) int64 { return n / 2 }
	none := func(int64) int64 { return 0 }
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name   string
		damage func(*testing.T, string)
		want   []string
	}{
		{"no folder", func(t *testing.T, dir string) { remove("")(t, dir) }, []string{"run's folder", "no such file"}},
		{"no report", remove("report.json"), []string{"holds no run", "report.json"}},
		{"no timeline", remove("timeline.json"), []string{"timeline.json", "rests on it"}},
		{"no raw results", remove(raw("new.gob")), []string{"raw results of lane new", "new.gob"}},
		{"no losses", remove(raw("new.losses.jsonl")), []string{"new.losses.jsonl"}},
		{"raw results cut", func(t *testing.T, dir string) { cut(t, filepath.Join(dir, raw("new.gob")), half) }, []string{"new.gob", "result"}},
		{"raw results empty", func(t *testing.T, dir string) {
			cut(t, filepath.Join(dir, raw("hot.gob")), none)
			cut(t, filepath.Join(dir, raw("hot.losses.jsonl")), none)
		}, []string{"hot.gob holds 0 results", "of another run"}},
		{"losses empty", func(t *testing.T, dir string) { cut(t, filepath.Join(dir, raw("new.losses.jsonl")), none) }, []string{"new.gob", "was lost", "does not tell of it"}},
		{"losses cut", func(t *testing.T, dir string) {
			cut(t, filepath.Join(dir, raw("new.losses.jsonl")), func(n int64) int64 { return n - 5 })
		}, []string{"new.losses.jsonl: loss"}},
		{"report cut", func(t *testing.T, dir string) { cut(t, filepath.Join(dir, "report.json"), half) }, []string{"report.json"}},
		{"another version's", func(t *testing.T, dir string) {
			path := filepath.Join(dir, "report.json")
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), `"began"`, `"begun"`)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"has no \"began\"", "earlier version"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if _, err := kept.Write(dir, kept.Story{Lossy: true, Rate: 10}); err != nil {
				t.Fatal(err)
			}
			tt.damage(t, dir)
			_, err := replay.Read(dir)
			if err == nil {
				t.Fatal("it was read all the same")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q, want one with %q", err, want)
				}
			}
		})
	}
}

// A file instead of a folder is said to be one.
func TestAFileIsNoFolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "report.json")
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := replay.Read(path); err == nil || !strings.Contains(err.Error(), "it is a file") {
		t.Errorf("error %v", err)
	}
}
