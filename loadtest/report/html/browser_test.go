package html_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browserFolder names the variable with the folder of the browser; without it the
// tests that need one are left out.
const browserFolder = "ROLLPROOF_BROWSER"

// browser is a tab of a real browser.
type browser struct {
	context.Context
	mutex    sync.Mutex
	problems []string // what it complained of
	requests []string // what it asked for
}

// startBrowser runs a browser of its own until the test ends.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	folder := os.Getenv(browserFolder)
	if folder == "" {
		t.Skipf("%s is not set: make browser-test sets it", browserFolder)
	}
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(filepath.Join(folder, name)); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		t.Fatalf("%s=%s holds no Chromium", browserFolder, folder)
	}
	profile, err := os.MkdirTemp("", "page-")
	if err != nil {
		t.Fatal(err)
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.WindowSize(1280, 900), chromedp.WSURLReadTimeout(time.Minute))
	ctx, cancel := chromedp.NewContext(allocator)
	ctx, expire := context.WithTimeout(ctx, 8*time.Minute)
	t.Cleanup(func() {
		expire()
		cancel()
		stop()
		_ = os.RemoveAll(profile) // its last processes may still write to it
	})
	b := &browser{Context: ctx}
	chromedp.ListenTarget(ctx, b.listen)
	if err := chromedp.Run(b, log.Enable(), runtime.Enable(), network.Enable(), accessibility.Enable()); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return b
}

// listen keeps what the browser complains of, dialogs, and what it asks for.
func (b *browser) listen(event any) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		b.problems = append(b.problems, "console."+string(e.Type))
	case *log.EventEntryAdded:
		b.problems = append(b.problems, e.Entry.Text)
	case *page.EventJavascriptDialogOpening:
		b.problems = append(b.problems, "dialog: "+e.Message)
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	}
}

// do runs actions, each of which must be over soon.
func (b *browser) do(t *testing.T, actions ...chromedp.Action) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b, 2*time.Minute)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		t.Fatal(err)
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
	for end := time.Now().Add(time.Minute); !evaluate[bool](t, b, "!!("+expression+")"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not true after a minute: %s", expression)
		}
	}
}

// quiet fails if the browser complained, or asked for anything but the page.
func (b *browser) quiet(t *testing.T, address string) {
	t.Helper()
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if len(b.problems) > 0 {
		t.Errorf("the browser complained: %q", b.problems)
	}
	if others := slices.DeleteFunc(slices.Clone(b.requests), func(url string) bool { return url == address }); len(others) > 0 {
		t.Errorf("the page asked for %q", others)
	}
}

// keep writes a file to $ROLLPROOF_SCREENSHOTS, if that is set.
func keep(t *testing.T, name string, data []byte) {
	t.Helper()
	folder := os.Getenv("ROLLPROOF_SCREENSHOTS")
	if folder == "" {
		return
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// picture keeps what the whole page looks like.
func (b *browser) picture(t *testing.T, name string) {
	t.Helper()
	var png []byte
	b.do(t, chromedp.FullScreenshot(&png, 100))
	if len(png) < 10000 {
		t.Errorf("the picture %s has %d bytes: nothing is on it", name, len(png))
	}
	keep(t, "report-"+name+".png", png)
}

// scheme makes the page light or dark, as its user's system is, and still: a page
// that scrolls smoothly would move away from under a click.
func scheme(name string) chromedp.Action {
	return emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"},
	})
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
    const text = [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.data).join("").trim();
    if (!text || !e.checkVisibility() || e.matches("script, title, noscript")) continue;
    const style = getComputedStyle(e);
    const a = light(rgb(e instanceof SVGElement ? style.fill : style.color)), b = light(ground(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < least) [least, where] = [ratio, e.tagName + "." + e.getAttribute("class") + " " + text.slice(0, 40)];
  }
  return [least, where];
})()`

// readable fails unless everything on the page can be read and reached.
func (b *browser) readable(t *testing.T) {
	t.Helper()
	least := evaluate[[2]any](t, b, contrast)
	if ratio, ok := least[0].(float64); !ok || ratio < 4.5 {
		t.Errorf("contrast %v at %v, want 4.5 or more", least[0], least[1])
	}
	if wide := evaluate[[2]float64](t, b, "[document.documentElement.scrollWidth, innerWidth]"); wide[0] > wide[1] {
		t.Errorf("the page is %v wide on a screen of %v: it scrolls sideways", wide[0], wide[1])
	}
	const small = `[...document.querySelectorAll("button")].filter(e => e.checkVisibility() && (e.getBoundingClientRect().height < 24 || e.getBoundingClientRect().width < 24)).map(e => e.textContent)`
	if list := evaluate[[]string](t, b, small); len(list) > 0 {
		t.Errorf("too small to hit: %q", list)
	}
	const twice = `[...document.querySelectorAll("[id]")].map(e => e.id).filter((id, i, all) => all.indexOf(id) !== i)`
	if list := evaluate[[]string](t, b, twice); len(list) > 0 {
		t.Errorf("ids that stand twice: %q", list)
	}
	const astray = `[...document.querySelectorAll("a[href^='#'], [aria-labelledby], [aria-describedby]")].flatMap(e =>
		[e.getAttribute("href")?.slice(1), e.getAttribute("aria-labelledby"), e.getAttribute("aria-describedby")]).filter(id => id && !document.getElementById(id))`
	if list := evaluate[[]string](t, b, astray); len(list) > 0 {
		t.Errorf("links that lead nowhere: %q", list)
	}
}
