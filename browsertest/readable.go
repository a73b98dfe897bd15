package browsertest

import "testing"

// leastContrast is what WCAG 2.2 wants of text at level AA (success criterion 1.4.3).
const leastContrast = 4.5

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
    if (!text || !e.checkVisibility() || e.matches(":disabled, option, script, title, noscript")) continue;
    const style = getComputedStyle(e);
    const a = light(rgb(e instanceof SVGElement ? style.fill : style.color)), b = light(ground(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < least) [least, where] = [ratio, e.tagName + "." + e.getAttribute("class") + " " + text.slice(0, 40)];
  }
  return [least, where];
})()`

// What a page must not have, each as a list of where it has it.
const (
	unnamed = `[...document.querySelectorAll("input, select, textarea, button")].filter(e => e.checkVisibility() &&
		!(e.labels?.length || e.getAttribute("aria-label") || e.textContent.trim())).map(e => e.id || e.outerHTML.slice(0, 80))`
	// 24 pixels are WCAG 2.2's success criterion 2.5.8.
	small = `[...document.querySelectorAll("input, select, textarea, button")].filter(e => e.checkVisibility() &&
		(e.getBoundingClientRect().height < 24 || e.getBoundingClientRect().width < 24)).map(e => e.id || e.textContent)`
	twice  = `[...document.querySelectorAll("[id]")].map(e => e.id).filter((id, i, all) => all.indexOf(id) !== i)`
	astray = `[...document.querySelectorAll("a[href^='#'], [aria-labelledby], [aria-describedby]")].flatMap(e =>
		[e.getAttribute("href")?.slice(1), e.getAttribute("aria-labelledby"), e.getAttribute("aria-describedby")]).filter(id => id && !document.getElementById(id))`
)

// Readable fails unless everything on the page can be read and reached.
func (b *Tab) Readable(t *testing.T) {
	t.Helper()
	least := Evaluate[[2]any](t, b, contrast)
	if ratio, ok := least[0].(float64); !ok || ratio < leastContrast {
		t.Errorf("contrast %v at %v, want %v or more", least[0], least[1], leastContrast)
	}
	if wide := Evaluate[[2]float64](t, b, "[document.documentElement.scrollWidth, innerWidth]"); wide[0] > wide[1] {
		t.Errorf("the page is %v wide on a screen of %v: it scrolls sideways", wide[0], wide[1])
	}
	for what, expression := range map[string]string{
		"without a label": unnamed, "too small to hit": small, "ids that stand twice": twice, "links that lead nowhere": astray,
	} {
		if list := Evaluate[[]string](t, b, expression); len(list) > 0 {
			t.Errorf("%s: %q", what, list)
		}
	}
}
