package conformance

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is a tab of a real browser.
type browser struct {
	context.Context
	mutex    sync.Mutex
	problems []string // what the browser complained of
}

// startBrowser runs a browser of its own until the test ends.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	path := program(t, browserFolder, "chromium", "chromium-browser", "google-chrome")
	profile, err := os.MkdirTemp("", "page-")
	if err != nil {
		t.Fatal(err)
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.WindowSize(1200, 900), chromedp.WSURLReadTimeout(time.Minute),
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	ctx, expire := context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(func() {
		expire()
		cancel()
		stop()
		_ = os.RemoveAll(profile) // its last processes may still write to it
	})
	b := &browser{Context: ctx}
	chromedp.ListenTarget(ctx, b.listen)
	if err := chromedp.Run(b, log.Enable(), runtime.Enable()); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return b
}

// listen keeps what the browser complains of: exceptions, and what its policy forbids.
func (b *browser) listen(event any) {
	var problem string
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		problem = e.ExceptionDetails.Error()
	case *log.EventEntryAdded:
		// Answers that are no 200 are told as errors of the network: they are meant.
		if e.Entry.Level == log.LevelError && e.Entry.Source != log.SourceNetwork {
			problem = e.Entry.Text
		}
	}
	if problem != "" {
		b.mutex.Lock()
		b.problems = append(b.problems, problem)
		b.mutex.Unlock()
	}
}

// do runs actions, each of which must be over soon.
func (b *browser) do(t *testing.T, actions ...chromedp.Action) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b, 30*time.Second)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		var page string
		_ = chromedp.Run(b, chromedp.Evaluate("document.body.innerText", &page)) // only to tell more
		t.Fatalf("%v; the page shows\n%s", err, page)
	}
}

// evaluate is the value of an expression on the page.
func evaluate[T any](t *testing.T, b *browser, expression string) T {
	t.Helper()
	var value T
	b.do(t, chromedp.Evaluate(expression, &value))
	return value
}

// until waits until an expression on the page is true.
func (b *browser) until(t *testing.T, expression string) {
	t.Helper()
	// In steps from here: chromedp's own Poll makes functions of text, which the page's
	// policy forbids.
	for end := time.Now().Add(30 * time.Second); !evaluate[bool](t, b, "!!("+expression+")"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not true after 30s: %s; the page shows\n%s", expression, evaluate[string](t, b, "document.body.innerText"))
		}
	}
}

// picture keeps what the page looks like in $ROLLPROOF_SCREENSHOTS, or nowhere.
func (b *browser) picture(t *testing.T, name string) {
	t.Helper()
	var png []byte
	b.do(t, chromedp.FullScreenshot(&png, 100))
	if len(png) < 5000 {
		t.Errorf("the picture %s has %d bytes: nothing is on it", name, len(png))
	}
	folder := os.Getenv("ROLLPROOF_SCREENSHOTS")
	if folder == "" {
		return
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o600); err != nil {
		t.Fatal(err)
	}
}

// scheme makes the page light or dark, as its user's system is.
func scheme(name string) chromedp.Action {
	return emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}})
}

// size makes the page as wide as a device's screen.
func size(width, height int64, phone bool) chromedp.Action {
	return emulation.SetDeviceMetricsOverride(width, height, 1, phone)
}

// contrast is the least contrast of text to its ground, as WCAG 2 counts it
// (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio), with the text that has it.
const contrast = `(() => {
  const rgb = text => (text.match(/[\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  let least = 21, where = "";
  for (const e of document.querySelectorAll("body *")) {
    const text = e.matches("input, textarea, select") ? e.value : [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.data).join("").trim();
    if (!text || !e.checkVisibility() || e.matches(":disabled, option, script")) continue;
    const a = light(rgb(getComputedStyle(e).color)), b = light(ground(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < least) [least, where] = [ratio, e.tagName + " " + text.slice(0, 40)];
  }
  return [least, where];
})()`

// readable fails unless everything on the page can be read and used.
func (b *browser) readable(t *testing.T) {
	t.Helper()
	least := evaluate[[2]any](t, b, contrast)
	if ratio, ok := least[0].(float64); !ok || ratio < 4.5 {
		t.Errorf("contrast %v at %v, want 4.5 or more", least[0], least[1])
	}
	if wide := evaluate[[2]float64](t, b, "[document.documentElement.scrollWidth, innerWidth]"); wide[0] > wide[1] {
		t.Errorf("the page is %v wide on a screen of %v: it scrolls sideways", wide[0], wide[1])
	}
	const unnamed = `[...document.querySelectorAll("input, select, textarea, button")].filter(e => e.checkVisibility() &&
		!(e.labels?.length || e.textContent.trim())).map(e => e.id)`
	if list := evaluate[[]string](t, b, unnamed); len(list) > 0 {
		t.Errorf("without a label: %q", list)
	}
	const small = `[...document.querySelectorAll("input, select, textarea, button")].filter(e => e.checkVisibility() &&
		e.getBoundingClientRect().height < 24).map(e => e.id)`
	if list := evaluate[[]string](t, b, small); len(list) > 0 {
		t.Errorf("too small to hit: %q", list)
	}
}

// shown are the probabilities in the table of the answer.
func (b *browser) shown(t *testing.T) []float64 {
	t.Helper()
	b.until(t, `!document.getElementById("answer").hidden && !document.getElementById("send").disabled`)
	texts := evaluate[[]string](t, b, `[...document.querySelectorAll("#tables > div:last-child tr td:nth-of-type(1)")].map(e => e.textContent)`)
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
	b.do(t, size(1200, 900, false), scheme("light"), chromedp.Navigate("http://"+s.http+"/"), chromedp.WaitVisible("#input-0-29"))

	// What the model takes.
	if about := evaluate[string](t, b, `document.getElementById("about").textContent`); !strings.Contains(about, "breastcancer") || !strings.Contains(about, "probabilities") {
		t.Errorf("the page says %q of the model", about)
	}
	if n := evaluate[int](t, b, `document.querySelectorAll("#inputs input").length`); n != 30 {
		t.Errorf("%d fields, want 30", n)
	}
	if versions := evaluate[[]string](t, b, `[...document.getElementById("version").options].map(o => o.value)`); fmt.Sprint(versions) != "[ 1 2]" {
		t.Errorf("versions %q", versions)
	}
	b.readable(t)
	b.picture(t, "1-light")

	// A row is pasted and predicted, by each version.
	b.do(t, chromedp.Click("#paste"), chromedp.WaitVisible("#row"), chromedp.SendKeys("#row", strings.Join(row, ",")))
	for _, version := range []string{"", "1", "2"} {
		expected := golden.Expected["2"]
		if version == "1" {
			expected = golden.Expected["1"]
		}
		b.do(t, chromedp.Evaluate(`window.before = document.getElementById("inputs").firstChild;
			document.getElementById("version").value = "`+version+`";
			document.getElementById("version").dispatchEvent(new Event("change"))`, nil))
		b.until(t, `window.before !== document.getElementById("inputs").firstChild`) // its fields are drawn anew
		b.do(t, chromedp.Evaluate(`document.getElementById("row").dispatchEvent(new Event("input"))`, nil), chromedp.Click("#send"))
		got := b.shown(t)
		if len(got) != 2 || math.Abs(got[0]-expected.Probabilities[0][0]) > 1e-6 || math.Abs(got[1]-expected.Probabilities[0][1]) > 1e-6 {
			t.Errorf("version %q shows %v, want %v", version, got, expected.Probabilities[0])
		}
	}
	b.readable(t)
	b.picture(t, "2-predicted")

	// The line for a shell gives the same.
	curl := program(t, browserFolder, "curl")
	line := strings.Replace(evaluate[string](t, b, `document.getElementById("curl").textContent`), "curl ", curl+" ", 1)
	raw := evaluate[string](t, b, `document.getElementById("raw").textContent`)
	if got := call(t, line, "bash"); got.code != 0 || strings.TrimSpace(got.out) != raw {
		t.Errorf("the line for a shell gives %d %s%s, the page shows %s", got.code, got.out, got.err, raw)
	}

	// What is refused is said in words, and where.
	b.do(t, chromedp.SetValue("#input-0-3", "ten"), chromedp.Click("#send"))
	b.until(t, `document.getElementById("verdict").className === "wrong" && !document.getElementById("send").disabled`)
	if text := evaluate[string](t, b, `document.getElementById("answer").innerText`); !strings.Contains(text, "want a number") || strings.Contains(text, "{") {
		t.Errorf("refused with\n%s\nwant words and no JSON", text)
	}
	if id := evaluate[string](t, b, `document.querySelector("[aria-invalid=true]")?.id ?? ""`); id != "input-0-3" {
		t.Errorf("%q is marked, want input-0-3", id)
	}
	b.readable(t)
	b.picture(t, "3-refused")

	// Dark, and on a phone.
	ground := `getComputedStyle(document.body).backgroundColor`
	light := evaluate[string](t, b, ground)
	b.do(t, scheme("dark"))
	if dark := evaluate[string](t, b, ground); dark == light {
		t.Errorf("the ground is %s, light and dark", dark)
	}
	b.readable(t)
	b.picture(t, "4-dark-refused")
	b.do(t, chromedp.SetValue("#input-0-3", row[3]), chromedp.Click("#send"))
	b.until(t, `document.getElementById("verdict").className === "" && !document.getElementById("send").disabled`)
	if n := evaluate[int](t, b, `document.querySelectorAll("[aria-invalid=true]").length`); n != 0 {
		t.Errorf("%d fields are still marked", n)
	}
	b.picture(t, "5-dark-predicted")
	b.do(t, size(360, 740, true))
	b.readable(t)
	b.picture(t, "6-dark-phone")
	b.do(t, scheme("light"))
	b.readable(t)
	b.picture(t, "7-light-phone")

	if len(b.problems) > 0 {
		t.Errorf("the browser complained:\n%s", strings.Join(b.problems, "\n"))
	}

	// A server that is gone.
	s.terminate(t)
	s.drained(t, 20*time.Second)
	b.do(t, chromedp.Click("#send"))
	b.until(t, `!document.getElementById("answer").hidden && document.getElementById("verdict").textContent === "No answer"`)
	b.picture(t, "8-no-answer")
}

// TestPageOfOtherModels: several inputs, and texts.
func TestPageOfOtherModels(t *testing.T) {
	b := startBrowser(t)
	file, err := filepath.Abs(filepath.Join("..", "..", "model", "parity", "testdata", "onnx-pipelines", "columnslogisticwords.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	s := startServer(t, "", "--model", file, "--name", "pipeline")
	b.do(t, size(900, 900, false), scheme("light"), chromedp.Navigate("http://"+s.http+"/"), chromedp.WaitVisible("#inputs fieldset"), chromedp.Click("#send"))
	b.until(t, `!document.getElementById("answer").hidden && !document.getElementById("send").disabled`)
	if verdict := evaluate[string](t, b, `document.getElementById("verdict").textContent`); verdict != "Answer" {
		t.Errorf("the example of the model: %s, %s", verdict, evaluate[string](t, b, `document.getElementById("answer").innerText`))
	}
	b.readable(t)
	b.picture(t, "9-pipeline")
	if len(b.problems) > 0 {
		t.Errorf("the browser complained:\n%s", strings.Join(b.problems, "\n"))
	}
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
	b.do(t, size(900, 600, false), scheme("light"), chromedp.Navigate("http://"+s.http+"/"), chromedp.WaitVisible("#key"))
	b.readable(t)
	b.do(t, chromedp.SendKeys("#key", "another key of some length"), chromedp.Click("#locked button"))
	b.until(t, `document.getElementById("about").className === "wrong"`)
	b.picture(t, "10-key")
	b.do(t, chromedp.SetValue("#key", key), chromedp.Click("#locked button"), chromedp.WaitVisible("#send"), chromedp.Click("#send"))
	if got := b.shown(t); len(got) != 2 {
		t.Errorf("with the key the page shows %v", got)
	}
	if evaluate[bool](t, b, `document.body.innerText.includes("`+key+`")`) {
		t.Error("the page shows the key")
	}
	if len(b.problems) > 0 {
		t.Errorf("the browser complained:\n%s", strings.Join(b.problems, "\n"))
	}
}
