package plot_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollproof/bench/plot"
	"rollproof/bench/result"
	"rollproof/bench/result/sample"
)

var update = flag.Bool("update", false, "write the golden file")

// wellFormed reads the SVG to its end.
func wellFormed(t *testing.T, svg []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if bytes.Contains(svg, []byte("NaN")) || bytes.Contains(svg, []byte("Inf")) {
		t.Error("a place that is no number")
	}
}

func TestSVG(t *testing.T) {
	t.Parallel()
	document, err := sample.Document()
	if err != nil {
		t.Fatal(err)
	}
	got := plot.SVG(document)
	wellFormed(t, got)
	path := filepath.Join("testdata", "plot.svg")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestSVGEscapesAndTakesLittle(t *testing.T) {
	t.Parallel()
	wellFormed(t, plot.SVG(&result.Document{}))
	document, err := sample.Document()
	if err != nil {
		t.Fatal(err)
	}
	document.Rows = document.Rows[:1]
	document.Rows[0].Against = `<a> & "b"`
	wellFormed(t, plot.SVG(document))
}
