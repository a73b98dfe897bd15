package html_test

import (
	"slices"
	"testing"

	"rollproof/browsertest"
)

// tab is a browser's tab that shows a report.
type tab struct{ *browsertest.Tab }

func startBrowser(t *testing.T) tab {
	t.Helper()
	return tab{browsertest.Start(t)}
}

// quiet fails if the browser complained, or asked for anything but the page.
func (b tab) quiet(t *testing.T, address string) {
	t.Helper()
	if problems := b.Problems(); len(problems) > 0 {
		t.Errorf("the browser complained: %q", problems)
	}
	if others := slices.DeleteFunc(b.Requests(), func(url string) bool { return url == address }); len(others) > 0 {
		t.Errorf("the page asked for %q", others)
	}
}

// picture keeps what the whole page looks like.
func (b tab) picture(t *testing.T, name string) {
	t.Helper()
	b.Picture(t, "report-"+name)
}
