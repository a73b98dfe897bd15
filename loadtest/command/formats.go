package command

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"rollproof/loadtest/report"
	"rollproof/loadtest/report/html"
	"rollproof/loadtest/report/junit"
	"rollproof/loadtest/report/markdown"
	"rollproof/loadtest/report/prometheus"
	"rollproof/loadtest/report/series"
)

// subject is what a format tells of.
type subject struct {
	report  *report.Report
	series  *series.Series // nil: missing says why
	missing string
}

// format is one form of a report.
type format struct {
	name  string
	file  string // in the run's folder; empty for the terminal's
	write func(io.Writer, subject) error
}

// formats are all forms, in the order in which help names them.
func formats() []format {
	return []format{
		{"html", html.File, func(w io.Writer, s subject) error { return html.Write(w, s.report, s.series, s.missing) }},
		{"junit", junit.File, func(w io.Writer, s subject) error { return junit.Write(w, s.report) }},
		{"markdown", markdown.File, func(w io.Writer, s subject) error { return markdown.Write(w, s.report) }},
		{"prometheus", prometheus.File, func(w io.Writer, s subject) error { return prometheus.Write(w, s.report) }},
		{"json", report.File, func(w io.Writer, s subject) error { return s.report.JSON(w) }},
		{"terminal", "", func(w io.Writer, s subject) error {
			if err := s.report.Summary(w); err != nil {
				return err
			}
			_, err := fmt.Fprintln(w, s.report.Line())
			return err
		}},
	}
}

// fileFormats are the forms that a run writes beside report.json, which holds
// what the others are made from and is always written.
func fileFormats() []string { return []string{"html", "junit", "markdown", "prometheus"} }

// formatNames lists all forms.
func formatNames() []string {
	var out []string
	for _, f := range formats() {
		out = append(out, f.name)
	}
	return out
}

// formatOf returns the form of that name.
func formatOf(name string, allowed []string) (format, error) {
	i := slices.IndexFunc(formats(), func(f format) bool { return f.name == name })
	if i < 0 || !slices.Contains(allowed, name) {
		return format{}, fmt.Errorf("no form %q: there are %s", name, strings.Join(allowed, ", "))
	}
	return formats()[i], nil
}

// writeFiles writes the forms of those names into dir. What one of them cannot be
// written for does not keep the others from being.
func writeFiles(dir string, names []string, s subject) error {
	var errs []error
	for _, name := range names {
		f, err := formatOf(name, formatNames())
		if err == nil {
			err = writeFile(filepath.Join(dir, f.file), func(w io.Writer) error { return f.write(w, s) })
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// writeFile writes a file that appears whole or not at all.
func writeFile(path string, write func(io.Writer) error) error {
	var text bytes.Buffer
	if err := write(&text); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return report.WriteFile(path, text.Bytes())
}

// stepSummary names the file in which GitHub takes Markdown for a step's page.
const stepSummary = "GITHUB_STEP_SUMMARY"

// appendSummary adds the summary to the file that CI shows, if it named one.
func appendSummary(path string, s subject) (err error) {
	if path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("%s: %w", stepSummary, err)
	}
	defer func() {
		if closeErr := file.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("%s: %w", stepSummary, closeErr)
		}
	}()
	if err := markdown.Write(file, s.report); err != nil {
		return fmt.Errorf("%s: %w", stepSummary, err)
	}
	return nil
}
