// Package html makes one page of a report: the verdict and why, the timeline, the
// latency, the facts and the settings. It is one file that loads nothing: its
// policy forbids the browser to, and all that a cluster, a command or a server
// said stands in it as text. It can be read without JavaScript, which adds zoom
// and a reading of the moment under the pointer. It judges nothing.
package html

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page's parts
	"encoding/base64"
	"fmt"
	"html/template"
	"io"

	"rollproof/loadtest/report"
	"rollproof/loadtest/report/series"
)

// File is the name of the page in a run's folder.
const File = "report.html"

var (
	// headHTML is what both pages begin with, their policy above all.
	//
	//go:embed head.html
	headHTML string
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string
)

// Write writes the page of a report. Without a latency over time (nil) the page
// says why it has none: missing is the reason.
func Write(w io.Writer, r *report.Report, s *series.Series, missing string) error {
	return Execute(w, "report", pageHTML, newPage(r, s, missing))
}

// Shell is what every page has: its look, its behaviour and its policy.
type Shell struct {
	CSS    template.CSS
	JS     template.JS
	Policy string
}

// newShell allows the browser the page's own style and script, and nothing else.
func newShell() Shell {
	policy := fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'", hash(pageCSS), hash(pageJS))
	return Shell{CSS: template.CSS(pageCSS), JS: template.JS(pageJS), Policy: policy} //nolint:gosec // both are files of this package
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// Execute writes a page of a template with data.
func Execute(w io.Writer, name, text string, data any) error {
	t, err := template.New(name).Parse(headHTML + text)
	if err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	// Whole or not at all: half a page would look like one.
	var out bytes.Buffer
	if err := t.Execute(&out, data); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	_, err = w.Write(out.Bytes())
	return err
}
