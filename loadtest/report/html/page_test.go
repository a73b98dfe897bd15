package html_test

import (
	"bytes"
	"context"
	"fmt"
	escape "html"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"rollproof/browsertest"
	"rollproof/loadtest/compare"
	"rollproof/loadtest/fake/kept"
	"rollproof/loadtest/replay"
	"rollproof/loadtest/report/html"
)

// write makes the page of a story, and returns where it is.
func write(t *testing.T, story kept.Story) (path, text string) {
	t.Helper()
	dir := t.TempDir()
	if _, err := kept.Write(dir, story); err != nil {
		t.Fatal(err)
	}
	again, err := replay.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := html.Write(&out, again.Report, again.Series, ""); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, html.File)
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, out.String()
}

// shownRange is the part of the run that the timeline shows, as shares.
const shownRange = `[+timeline.dataset.from, +timeline.dataset.to]`

func TestPageOfALossyUpgrade(t *testing.T) {
	b := startBrowser(t)
	path, _ := write(t, kept.Story{Lossy: true})
	address := "file://" + path
	b.Do(t, browsertest.Size(1280, 900, false), browsertest.Scheme("light"), chromedp.Navigate(address), chromedp.WaitVisible("#controls"))
	b.Readable(t)
	b.picture(t, "1-light")
	if got := browsertest.Evaluate[string](t, b.Tab, "document.querySelector('h1').textContent"); got != "FAIL" {
		t.Errorf("the page says %q", got)
	}

	// The keyboard zooms, moves the line, and hears what was there.
	b.Do(t, chromedp.Focus("#timeline"), chromedp.KeyEvent("+"))
	b.Until(t, `(([a, b]) => Math.abs(b - a - 0.5) < 0.01)(`+shownRange+`)`)
	b.Do(t, chromedp.KeyEvent(kb.ArrowRight))
	if heard := browsertest.Evaluate[string](t, b.Tab, "said.textContent"); !strings.Contains(heard, "lane new") || !strings.Contains(heard, "endpoint ready") || !strings.Contains(heard, "replicas") {
		t.Errorf("at the line it says %q", heard)
	}
	b.picture(t, "2-zoomed")
	b.Do(t, chromedp.KeyEvent("0"))
	b.Until(t, `(([a, b]) => a === 0 && b === 1)(`+shownRange+`)`)

	// The pointer: a drag over a part shows it.
	row := browsertest.Evaluate[[4]float64](t, b.Tab, `(r => [r.left, r.top, r.width, r.height])((e => (e.scrollIntoView({block: "center", behavior: "instant"}), e.getBoundingClientRect()))(document.querySelector("#row-lane-0 .plot")))`)
	drag := func(x float64, kind input.MouseType, button input.MouseButton) chromedp.Action {
		return input.DispatchMouseEvent(kind, row[0]+x*row[2], row[1]+row[3]-4).WithButton(button).WithButtons(1).WithClickCount(1)
	}
	b.Do(t, drag(0.2, input.MousePressed, input.Left), drag(0.3, input.MouseMoved, input.Left), drag(0.4, input.MouseMoved, input.Left), drag(0.4, input.MouseReleased, input.Left))
	b.Until(t, `(([a, b]) => Math.abs(a - 0.2) < 0.01 && Math.abs(b - 0.4) < 0.01)(`+shownRange+`)`)
	b.Do(t, chromedp.Click(`#controls [data-do="all"]`))
	b.Until(t, `(([a, b]) => a === 0 && b === 1)(`+shownRange+`)`)

	// A loss leads to what explains it, and that back to the moment.
	first := browsertest.Evaluate[map[string]string](t, b.Tab, `(a => ({href: a.getAttribute("href"), name: a.getAttribute("aria-label")}))(document.querySelector("#row-lane-0 a"))`)
	if !strings.Contains(first["name"], "lost on lane new") || !strings.Contains(first["name"], "refused_after_sigterm") {
		t.Errorf("a loss is called %q", first["name"])
	}
	b.Do(t, chromedp.Evaluate(`document.querySelector("#row-lane-0 a").focus()`, nil))
	if tip := browsertest.Evaluate[string](t, b.Tab, "tip.hidden ? '' : tip.textContent"); tip != first["name"] {
		t.Errorf("with the focus on it stands %q, want %q", tip, first["name"])
	}
	b.Do(t, chromedp.KeyEvent(kb.Enter))
	b.Until(t, `location.hash === "`+first["href"]+`"`)
	if text := browsertest.Evaluate[string](t, b.Tab, "document.querySelector(location.hash).innerText"); !strings.Contains(text, "set a drain of") {
		t.Errorf("it leads to %q", text)
	}
	b.Do(t, chromedp.Click(first["href"]+" a.show"))
	b.Until(t, `(([a, b], l) => Math.abs(a - l.from) < 0.001 && Math.abs(b - l.to) < 0.001)(`+shownRange+`, document.querySelector("`+first["href"]+` a.show").dataset)`)
	b.Do(t, chromedp.Focus("#timeline"), chromedp.KeyEvent("0"))

	b.names(t, 6, 12)
	for _, look := range []struct {
		name          string
		width, height int64
		phone         bool
		scheme        string
	}{{"3-dark", 1280, 900, false, "dark"}, {"4-phone-light", 360, 740, true, "light"}, {"5-phone-dark", 360, 740, true, "dark"}} {
		b.Do(t, browsertest.Size(look.width, look.height, look.phone), browsertest.Scheme(look.scheme), chromedp.Evaluate(`document.activeElement.blur(); dispatchEvent(new Event("resize"))`, nil))
		b.Readable(t)
		b.picture(t, look.name)
	}
	b.paper(t, "6-print")
	b.quiet(t, address)
}

// names fails unless a screen reader finds the page's parts by their names, and so
// many buttons and links.
func (b tab) names(t *testing.T, buttons, links int) {
	t.Helper()
	// By hand: a browser may be newer than the protocol's bindings, which refuse
	// words that they do not know.
	type text struct {
		Value any `json:"value"`
	}
	var tree struct {
		Nodes []struct {
			Ignored bool `json:"ignored"`
			Role    text `json:"role"`
			Name    text `json:"name"`
		} `json:"nodes"`
	}
	b.Do(t, chromedp.ActionFunc(func(ctx context.Context) error {
		return cdp.Execute(ctx, "Accessibility.getFullAXTree", nil, &tree)
	}))
	found := map[string]int{}
	for _, n := range tree.Nodes {
		role, name := fmt.Sprint(n.Role.Value), ""
		if n.Name.Value != nil {
			name = fmt.Sprint(n.Name.Value)
		}
		if n.Ignored {
			continue
		}
		switch role {
		case "main", "navigation", "banner", "contentinfo":
			found[role]++
		case "button", "link", "region", "image", "group", "toolbar":
			found[role]++
			if name == "" && role != "group" {
				t.Errorf("a %s without a name", role)
			}
		}
	}
	for role, least := range map[string]int{"main": 1, "navigation": 1, "banner": 1, "contentinfo": 1, "button": buttons, "region": 4, "image": 5, "link": links} {
		if found[role] < least {
			t.Errorf("%d of role %s, want %d or more", found[role], role, least)
		}
	}
}

// paper prints the page, and fails if what is folded away is not on the paper.
func (b tab) paper(t *testing.T, name string) {
	t.Helper()
	var pdf []byte
	b.Do(t, chromedp.ActionFunc(func(ctx context.Context) (err error) {
		pdf, _, err = page.PrintToPDF().WithPrintBackground(true).WithPreferCSSPageSize(true).Do(ctx)
		return err
	}))
	if len(pdf) < 20000 {
		t.Errorf("the paper has %d bytes", len(pdf))
	}
	browsertest.Keep(t, "report-"+name+".pdf", pdf)
	b.Do(t, browsertest.Size(794, 1123, false), emulation.SetEmulatedMedia().WithMedia("print"), chromedp.Evaluate(`dispatchEvent(new Event("beforeprint"))`, nil))
	if n := browsertest.Evaluate[int](t, b.Tab, `document.querySelectorAll("details:not([open])").length`); n != 0 {
		t.Errorf("%d parts are folded away on paper", n)
	}
	if wide := browsertest.Evaluate[[2]float64](t, b.Tab, "[document.documentElement.scrollWidth, innerWidth]"); wide[0] > wide[1] {
		t.Errorf("the paper is %v wide, want at most %v", wide[0], wide[1])
	}
	b.picture(t, name)
	b.Do(t, chromedp.Evaluate(`dispatchEvent(new Event("afterprint"))`, nil), emulation.SetEmulatedMedia().WithMedia(""))
}

func TestPageOfOtherRuns(t *testing.T) {
	b := startBrowser(t)
	for name, story := range map[string]kept.Story{
		"7-pass": {}, "8-load": {Load: true}, "9-inconclusive": {Short: true},
	} {
		path, _ := write(t, story)
		b.Do(t, browsertest.Size(1280, 900, false), browsertest.Scheme("light"), chromedp.Navigate("file://"+path), chromedp.WaitVisible("#controls"))
		b.Readable(t)
		b.picture(t, name)
		b.names(t, 5, 5)
		if problems := b.Problems(); len(problems) > 0 {
			t.Errorf("%s: the browser complained: %q", name, problems)
		}
	}
}

// Without JavaScript the timeline is drawn whole, and losses lead to their causes.
func TestPageWithoutJavaScript(t *testing.T) {
	b := startBrowser(t)
	path, _ := write(t, kept.Story{Lossy: true})
	b.Do(t, browsertest.Size(1280, 900, false), emulation.SetScriptExecutionDisabled(true), chromedp.Navigate("file://"+path), chromedp.WaitReady("#timeline"))
	b.picture(t, "10-no-script")
	b.Do(t, emulation.SetScriptExecutionDisabled(false))
	if browsertest.Evaluate[bool](t, b.Tab, "controls.checkVisibility()") {
		t.Error("buttons that do nothing are shown")
	}
	if n := browsertest.Evaluate[int](t, b.Tab, `document.querySelectorAll("#ticks text").length`); n < 4 {
		t.Errorf("%d ticks on the axis", n)
	}
}

// mess is what an attacker, or a shell, may put into names and output.
const mess = `"'><script>pwned=1;alert(1)</script><img src=https://evil.example/x onerror=pwned=1></svg></style>{{.}}` + "`${1}`]]>--><!--\u2028\x1b[31m"

// What others may write is text, wherever it stands.
func TestPageOfAnInjection(t *testing.T) {
	b := startBrowser(t)
	path, _ := write(t, kept.Story{Lossy: true, Mess: mess})
	address := "file://" + path
	b.Do(t, browsertest.Size(1280, 900, false), browsertest.Scheme("light"), chromedp.Navigate(address), chromedp.WaitVisible("#controls"), chromedp.Focus("#timeline"), chromedp.KeyEvent(kb.ArrowRight))
	if browsertest.Evaluate[bool](t, b.Tab, `typeof pwned !== "undefined" || document.querySelectorAll("img").length > 0 || document.scripts.length !== 2`) {
		t.Error("what a pod's name says was carried out")
	}
	if !browsertest.Evaluate[bool](t, b.Tab, `document.body.innerText.includes("<script>pwned=1;alert(1)</script>")`) {
		t.Error("the text is not shown as it is")
	}
	b.Readable(t)
	b.picture(t, "11-injection")
	b.quiet(t, address)
}

// Without a browser: nothing is loaded, and what others may write is escaped.
func TestNothingIsLoaded(t *testing.T) {
	t.Parallel()
	_, text := write(t, kept.Story{Lossy: true, Mess: mess})
	for _, never := range []string{"<script>pwned", "<script src", "<img", "<link", "</svg></style>", "@import", "url(http", "onerror=pwned=1>"} {
		if strings.Contains(text, never) {
			i := strings.Index(text, never)
			t.Errorf("the page holds %q: %q", never, text[max(0, i-100):min(len(text), i+100)])
		}
	}
	plain := escape.UnescapeString(text)
	for _, want := range []string{"default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "<html lang=\"en\">", "<script>pwned=1"} {
		if !strings.Contains(plain, want) {
			t.Errorf("the page does not hold %q", want)
		}
	}
	if strings.Contains(text, "unsafe-inline") || strings.Contains(text, " style=") {
		t.Error("the policy is loose, or would forbid the page's own style")
	}
}

// The page of a run of any size can be opened, and says what it leaves out.
func TestThePageIsBounded(t *testing.T) {
	t.Parallel()
	path, text := write(t, kept.Story{Lossy: true, Pods: 300, Rate: 150})
	if len(text) > 2<<20 {
		t.Errorf("the page has %d bytes", len(text))
	}
	for _, want := range []string{"The earliest 200 of", "pods are drawn", "The first 200 of", "The first and the last 150 of"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s does not say %q", path, want)
		}
	}
	if testing.Verbose() {
		fmt.Println(len(text), "bytes")
	}
}

// comparison is the page of two stories.
func comparison(t *testing.T, a, b kept.Story) string {
	t.Helper()
	var runs []compare.Run
	for i, story := range []kept.Story{a, b} {
		dir := t.TempDir()
		if _, err := kept.Write(dir, story); err != nil {
			t.Fatal(err)
		}
		again, err := replay.Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, compare.Run{Name: fmt.Sprintf("out/run-%d%s", i, story.Mess), Report: again.Report, Series: again.Series})
	}
	c, err := compare.Two(runs[0], runs[1], true)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := html.WriteComparison(&out, c); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "comparison.html")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPageOfAComparison(t *testing.T) {
	b := startBrowser(t)
	path := comparison(t, kept.Story{Lossy: true, Mess: mess}, kept.Story{Rate: 60})
	address := "file://" + path
	b.Do(t, browsertest.Size(1280, 900, false), browsertest.Scheme("light"), chromedp.Navigate(address), chromedp.WaitVisible("#latencies-h"))
	for _, look := range []struct {
		name          string
		width, height int64
		phone         bool
		scheme        string
	}{{"12-comparison", 1280, 900, false, "light"}, {"13-comparison-dark", 1280, 900, false, "dark"}, {"14-comparison-phone", 360, 740, true, "light"}} {
		b.Do(t, browsertest.Size(look.width, look.height, look.phone), browsertest.Scheme(look.scheme))
		b.Readable(t)
		b.picture(t, look.name)
	}
	if browsertest.Evaluate[bool](t, b.Tab, `typeof pwned !== "undefined" || document.querySelectorAll("img, script").length > 0`) {
		t.Error("what a folder's name says was carried out")
	}
	b.quiet(t, address)
}
