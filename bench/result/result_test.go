package result_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollproof/bench/result"
	"rollproof/bench/result/sample"
)

func TestWriteAndRead(t *testing.T) {
	t.Parallel()
	want, err := sample.Document()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "results.json")
	if err := want.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := result.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for _, text := range []string{"{}", `{"schema_version":2}`, "["} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := result.Read(path); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}

func TestMissed(t *testing.T) {
	t.Parallel()
	d, err := sample.Document()
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, r := range d.Missed() {
		ids = append(ids, r.ID)
	}
	if d := cmp.Diff([]string{"fastapi-gbc", "memory"}, ids); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if _, err := (result.Row{ID: "x"}).Paired(nil); err == nil {
		t.Error("no pairs: no error")
	}
}
