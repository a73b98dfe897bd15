package conformance

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"rollproof/browsertest"
)

// tab is a browser's tab that shows the server's page.
type tab struct{ *browsertest.Tab }

func startBrowser(t *testing.T) tab {
	t.Helper()
	return tab{browsertest.Start(t)}
}

// quiet fails if the browser complained.
func (b tab) quiet(t *testing.T) {
	t.Helper()
	if problems := b.Problems(); len(problems) > 0 {
		t.Errorf("the browser complained:\n%s", strings.Join(problems, "\n"))
	}
}

// shown are the probabilities in the table of the answer.
func (b tab) shown(t *testing.T) []float64 {
	t.Helper()
	b.Until(t, `!document.getElementById("answer").hidden && !document.getElementById("send").disabled`)
	texts := browsertest.Evaluate[[]string](t, b.Tab, `[...document.querySelectorAll("#tables > div:last-child tr td:nth-of-type(1)")].map(e => e.textContent)`)
	var list []float64
	for _, text := range texts {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, f)
	}
	return list
}

func TestPage(t *testing.T) {
	b := startBrowser(t)
	s := startServer(t, "", "--models", modelsFolder(t, "1", "2"), "--drain-delay", "100ms")
	golden := readGoldens(t)
	row := make([]string, len(golden.Rows[0]))
	for i, x := range golden.Rows[0] {
		row[i] = strconv.FormatFloat(float64(x), 'g', -1, 32)
	}
	b.Do(t, browsertest.Size(1200, 900, false), browsertest.Scheme("light"), chromedp.Navigate("http://"+s.http+"/"), chromedp.WaitVisible("#input-0-29"))

	// What the model takes.
	if about := browsertest.Evaluate[string](t, b.Tab, `document.getElementById("about").textContent`); !strings.Contains(about, "breastcancer") || !strings.Contains(about, "probabilities") {
		t.Errorf("the page says %q of the model", about)
	}
	if n := browsertest.Evaluate[int](t, b.Tab, `document.querySelectorAll("#inputs input").length`); n != 30 {
		t.Errorf("%d fields, want 30", n)
	}
	if versions := browsertest.Evaluate[[]string](t, b.Tab, `[...document.getElementById("version").options].map(o => o.value)`); fmt.Sprint(versions) != "[ 1 2]" {
		t.Errorf("versions %q", versions)
	}
	b.Readable(t)
	b.Picture(t, "1-light")

	// A row is pasted and predicted, by each version.
	b.Do(t, chromedp.Click("#paste"), chromedp.WaitVisible("#row"), chromedp.SendKeys("#row", strings.Join(row, ",")))
	for _, version := range []string{"", "1", "2"} {
		expected := golden.Expected["2"]
		if version == "1" {
			expected = golden.Expected["1"]
		}
		b.Do(t, chromedp.Evaluate(`window.before = document.getElementById("inputs").firstChild;
			document.getElementById("version").value = "`+version+`";
			document.getElementById("version").dispatchEvent(new Event("change"))`, nil))
		b.Until(t, `window.before !== document.getElementById("inputs").firstChild`) // its fields are drawn anew
		b.Do(t, chromedp.Evaluate(`document.getElementById("row").dispatchEvent(new Event("input"))`, nil), chromedp.Click("#send"))
		got := b.shown(t)
		if len(got) != 2 || math.Abs(got[0]-expected.Probabilities[0][0]) > 1e-6 || math.Abs(got[1]-expected.Probabilities[0][1]) > 1e-6 {
			t.Errorf("version %q shows %v, want %v", version, got, expected.Probabilities[0])
		}
	}
	b.Readable(t)
	b.Picture(t, "2-predicted")

	// The line for a shell gives the same.
	curl := program(t, browsertest.Folder, "curl")
	line := strings.Replace(browsertest.Evaluate[string](t, b.Tab, `document.getElementById("curl").textContent`), "curl ", curl+" ", 1)
	raw := browsertest.Evaluate[string](t, b.Tab, `document.getElementById("raw").textContent`)
	if got := call(t, line, "bash"); got.code != 0 || strings.TrimSpace(got.out) != raw {
		t.Errorf("the line for a shell gives %d %s%s, the page shows %s", got.code, got.out, got.err, raw)
	}

	// What is refused is said in words, and where.
	b.Do(t, chromedp.SetValue("#input-0-3", "ten"), chromedp.Click("#send"))
	b.Until(t, `document.getElementById("verdict").className === "wrong" && !document.getElementById("send").disabled`)
	if text := browsertest.Evaluate[string](t, b.Tab, `document.getElementById("answer").innerText`); !strings.Contains(text, "want a number") || strings.Contains(text, "{") {
		t.Errorf("refused with\n%s\nwant words and no JSON", text)
	}
	if id := browsertest.Evaluate[string](t, b.Tab, `document.querySelector("[aria-invalid=true]")?.id ?? ""`); id != "input-0-3" {
		t.Errorf("%q is marked, want input-0-3", id)
	}
	b.Readable(t)
	b.Picture(t, "3-refused")

	// Dark, and on a phone.
	ground := `getComputedStyle(document.body).backgroundColor`
	light := browsertest.Evaluate[string](t, b.Tab, ground)
	b.Do(t, browsertest.Scheme("dark"))
	if dark := browsertest.Evaluate[string](t, b.Tab, ground); dark == light {
		t.Errorf("the ground is %s, light and dark", dark)
	}
	b.Readable(t)
	b.Picture(t, "4-dark-refused")
	b.Do(t, chromedp.SetValue("#input-0-3", row[3]), chromedp.Click("#send"))
	b.Until(t, `document.getElementById("verdict").className === "" && !document.getElementById("send").disabled`)
	if n := browsertest.Evaluate[int](t, b.Tab, `document.querySelectorAll("[aria-invalid=true]").length`); n != 0 {
		t.Errorf("%d fields are still marked", n)
	}
	b.Picture(t, "5-dark-predicted")
	b.Do(t, browsertest.Size(360, 740, true))
	b.Readable(t)
	b.Picture(t, "6-dark-phone")
	b.Do(t, browsertest.Scheme("light"))
	b.Readable(t)
	b.Picture(t, "7-light-phone")

	b.quiet(t)

	// A server that is gone.
	s.terminate(t)
	s.drained(t, 20*time.Second)
	b.Do(t, chromedp.Click("#send"))
	b.Until(t, `!document.getElementById("answer").hidden && document.getElementById("verdict").textContent === "No answer"`)
	b.Picture(t, "8-no-answer")
}

// TestPageOfOtherModels: several inputs, and texts.
func TestPageOfOtherModels(t *testing.T) {
	b := startBrowser(t)
	file, err := filepath.Abs(filepath.Join("..", "..", "model", "parity", "testdata", "onnx-pipelines", "columnslogisticwords.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	s := startServer(t, "", "--model", file, "--name", "pipeline")
	b.Do(t, browsertest.Size(900, 900, false), browsertest.Scheme("light"), chromedp.Navigate("http://"+s.http+"/"), chromedp.WaitVisible("#inputs fieldset"), chromedp.Click("#send"))
	b.Until(t, `!document.getElementById("answer").hidden && !document.getElementById("send").disabled`)
	if verdict := browsertest.Evaluate[string](t, b.Tab, `document.getElementById("verdict").textContent`); verdict != "Answer" {
		t.Errorf("the example of the model: %s, %s", verdict, browsertest.Evaluate[string](t, b.Tab, `document.getElementById("answer").innerText`))
	}
	b.Readable(t)
	b.Picture(t, "9-pipeline")
	b.quiet(t)
}

// TestPageAsksForAKey: the page comes without a key, its models do not.
func TestPageAsksForAKey(t *testing.T) {
	b := startBrowser(t)
	const key = "a key of some length"
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, "", "--models", modelsFolder(t, "1"), "--api-keys", keys)
	b.Do(t, browsertest.Size(900, 600, false), browsertest.Scheme("light"), chromedp.Navigate("http://"+s.http+"/"), chromedp.WaitVisible("#key"))
	b.Readable(t)
	b.Do(t, chromedp.SendKeys("#key", "another key of some length"), chromedp.Click("#locked button"))
	b.Until(t, `document.getElementById("about").className === "wrong"`)
	b.Picture(t, "10-key")
	b.Do(t, chromedp.SetValue("#key", key), chromedp.Click("#locked button"), chromedp.WaitVisible("#send"), chromedp.Click("#send"))
	if got := b.shown(t); len(got) != 2 {
		t.Errorf("with the key the page shows %v", got)
	}
	if browsertest.Evaluate[bool](t, b.Tab, `document.body.innerText.includes("`+key+`")`) {
		t.Error("the page shows the key")
	}
	b.quiet(t)
}
