package markdown_test

import (
	"bytes"
	"strings"
	"testing"

	"rollproof/loadtest/fake/kept"
	"rollproof/loadtest/goldentest"
	"rollproof/loadtest/report/markdown"
)

func TestSummary(t *testing.T) {
	t.Parallel()
	for name, story := range map[string]kept.Story{
		"pass": {}, "fail": {Lossy: true}, "load": {Load: true}, "inconclusive": {Short: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := kept.Write(t.TempDir(), story)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := markdown.Write(&out, r); err != nil {
				t.Fatal(err)
			}
			goldentest.Same(t, name+".md", out.Bytes())
		})
	}
}

// What others may write makes no link, no mention, no HTML, and breaks no table.
func TestWhatOthersWriteIsText(t *testing.T) {
	t.Parallel()
	const mess = "|<img src=x>[a](https://evil.example)@octocat#1\n`x`**b**\x1b[31m"
	r, err := kept.Write(t.TempDir(), kept.Story{Lossy: true, Rate: 10, Mess: mess})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := markdown.Write(&out, r); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, never := range []string{"<img", "(https:", "@octocat", "https://evil", "#1", "\x1b", "**b**"} {
		if strings.Contains(text, never) {
			t.Errorf("the summary holds %q:\n%s", never, text)
		}
	}
	// Each row of a table has as many cells as its head.
	columns := 0
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
		if columns == 0 {
			columns = n
		}
		if n != columns {
			t.Errorf("%d bars in %q, want %d", n, line, columns)
		}
	}
	if len(text) > 1<<20 {
		t.Errorf("%d bytes: a step takes 1 MiB", len(text))
	}
}
