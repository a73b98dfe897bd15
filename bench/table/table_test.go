package table_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollproof/bench/result/sample"
	"rollproof/bench/table"
)

var update = flag.Bool("update", false, "write the golden file")

func TestMarkdown(t *testing.T) {
	t.Parallel()
	document, err := sample.Document()
	if err != nil {
		t.Fatal(err)
	}
	got := table.Markdown(document)
	path := filepath.Join("testdata", "table.md")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{
		76322.41: "76,322", 1234567: "1,234,567", 999.4: "999", 54.62: "54.6", 6.124: "6.12", 0.75: "0.750",
		0.0123456: "0.0123", 0: "0", -1234: "-1,234", 100: "100",
	} {
		if got := table.Number(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}
