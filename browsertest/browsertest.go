// Package browsertest looks at pages in a real browser: for tests of the server's page
// and of the harness's reports, which may not know each other. What a page must show is
// its test's; here is what any page must keep to.
package browsertest

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

const (
	// Folder names the variable with the folder of the browser; without it the tests
	// that need one are left out. `make browser-test` sets it.
	Folder = "ROLLPROOF_BROWSER"
	// Pictures names the variable with the folder that pictures are kept in, if any.
	Pictures = "ROLLPROOF_SCREENSHOTS"
)

const (
	// life bounds all of a test, action one thing that it does, and wait how long it
	// may take to be seen.
	life   = 8 * time.Minute
	action = 2 * time.Minute
	wait   = time.Minute
)

// Tab is a tab of a browser. Its context is chromedp's.
type Tab struct {
	context.Context
	mutex    sync.Mutex
	problems []string
	requests []string
}

// Start runs a browser of its own until the test ends.
func Start(t *testing.T) *Tab {
	t.Helper()
	folder := os.Getenv(Folder)
	if folder == "" {
		t.Skipf("%s is not set: make browser-test sets it", Folder)
	}
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(filepath.Join(folder, name)); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		t.Fatalf("%s=%s holds no Chromium", Folder, folder)
	}
	profile, err := os.MkdirTemp("", "page-")
	if err != nil {
		t.Fatal(err)
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.WindowSize(1280, 900), chromedp.WSURLReadTimeout(time.Minute))
	ctx, cancel := chromedp.NewContext(allocator)
	ctx, expire := context.WithTimeout(ctx, life)
	t.Cleanup(func() {
		expire()
		cancel()
		stop()
		_ = os.RemoveAll(profile) // its last processes may still write to it
	})
	b := &Tab{Context: ctx}
	chromedp.ListenTarget(ctx, b.listen)
	if err := chromedp.Run(b, log.Enable(), runtime.Enable(), network.Enable(), accessibility.Enable()); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return b
}

// listen keeps what the browser complains of, dialogs, and what it asks for.
func (b *Tab) listen(event any) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		b.problems = append(b.problems, "console."+string(e.Type))
	case *log.EventEntryAdded:
		// Answers that are no 200 are told as errors of the network: they may be meant,
		// and Requests has them. What is verbose is advice.
		if e.Entry.Source != log.SourceNetwork && e.Entry.Level != log.LevelVerbose {
			b.problems = append(b.problems, e.Entry.Text)
		}
	case *page.EventJavascriptDialogOpening:
		b.problems = append(b.problems, "dialog: "+e.Message)
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	}
}

// Problems are what the browser has complained of: exceptions, what a policy forbids,
// messages and dialogs.
func (b *Tab) Problems() []string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return slices.Clone(b.problems)
}

// Requests are the addresses that the page has asked for.
func (b *Tab) Requests() []string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return slices.Clone(b.requests)
}

// Do runs actions, all of which must be over soon.
func (b *Tab) Do(t *testing.T, actions ...chromedp.Action) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b, action)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		var text string
		_ = chromedp.Run(b, chromedp.Evaluate("document.body.innerText", &text)) // only to tell more
		t.Fatalf("%v; the page shows\n%s", err, text)
	}
}

// Evaluate is the value of an expression on the page.
func Evaluate[T any](t *testing.T, b *Tab, expression string) T {
	t.Helper()
	var value T
	b.Do(t, chromedp.Evaluate(expression, &value))
	return value
}

// Until waits until an expression on the page is true. It asks in steps from here:
// chromedp's own Poll makes functions of text, which a page's policy may forbid.
func (b *Tab) Until(t *testing.T, expression string) {
	t.Helper()
	for end := time.Now().Add(wait); !Evaluate[bool](t, b, "!!("+expression+")"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not true after %s: %s; the page shows\n%s", wait, expression, Evaluate[string](t, b, "document.body.innerText"))
		}
	}
}

// Picture keeps what the whole page looks like, as NAME.png.
func (b *Tab) Picture(t *testing.T, name string) {
	t.Helper()
	var png []byte
	b.Do(t, chromedp.FullScreenshot(&png, 100))
	if len(png) < 5000 {
		t.Errorf("the picture %s has %d bytes: nothing is on it", name, len(png))
	}
	Keep(t, name+".png", png)
}

// Keep writes a file to the folder of pictures, if there is one.
func Keep(t *testing.T, name string, data []byte) {
	t.Helper()
	folder := os.Getenv(Pictures)
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

// Scheme makes the page light or dark, as its user's system is, and still: a page that
// scrolls smoothly would move away from under a click.
func Scheme(name string) chromedp.Action {
	return emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"},
	})
}

// Size makes the page as wide as a device's screen.
func Size(width, height int64, phone bool) chromedp.Action {
	return emulation.SetDeviceMetricsOverride(width, height, 1, phone)
}
