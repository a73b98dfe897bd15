// Package junit writes a report as JUnit XML, for what shows tests of a CI's run:
// one test case for each objective. It judges nothing.
package junit

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"rollproof/loadtest/report"
	"rollproof/loadtest/verdict"
)

// File is the name of the file in a run's folder.
const File = "junit.xml"

type suites struct {
	XMLName  xml.Name `xml:"testsuites"`
	Name     string   `xml:"name,attr"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Errors   int      `xml:"errors,attr"`
	Skipped  int      `xml:"skipped,attr"`
	Time     string   `xml:"time,attr"`
	Suites   []suite  `xml:"testsuite"`
}

type suite struct {
	Name       string     `xml:"name,attr"`
	Tests      int        `xml:"tests,attr"`
	Failures   int        `xml:"failures,attr"`
	Errors     int        `xml:"errors,attr"`
	Skipped    int        `xml:"skipped,attr"`
	Time       string     `xml:"time,attr"`
	Timestamp  string     `xml:"timestamp,attr"`
	Properties []property `xml:"properties>property"`
	Cases      []testcase `xml:"testcase"`
	Out        *text      `xml:"system-out"`
}

type property struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type testcase struct {
	Name      string   `xml:"name,attr"`
	Classname string   `xml:"classname,attr"`
	Time      string   `xml:"time,attr"`
	Failure   *problem `xml:"failure"`
	Error     *problem `xml:"error"`
	Skipped   *skipped `xml:"skipped"`
	Out       *text    `xml:"system-out"`
}

type problem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

type skipped struct {
	Message string `xml:"message,attr"`
}

type text struct {
	Text string `xml:",chardata"`
}

// Write writes the report. What is not met is a failure; what was not shown is an
// error, so that an inconclusive run is never green; what is not judged is skipped.
func Write(w io.Writer, r *report.Report) error {
	kind := "load"
	if r.Run.Upgrade {
		kind = "upgrade"
	}
	took := seconds(r.Run.End.Sub(r.Run.Start))
	s := suite{
		Name: "loadtest " + kind, Time: took, Timestamp: r.Run.Start.UTC().Format("2006-01-02T15:04:05"),
		Properties: []property{
			{"verdict", string(r.Verdict.Outcome)}, {"url", clean(r.Settings.URL)}, {"requests", fmt.Sprint(r.Verdict.Requests)},
			{"lost", fmt.Sprint(r.Verdict.Lost)}, {"masked", fmt.Sprint(r.Verdict.Masked)}, {"seconds_down", fmt.Sprint(r.Verdict.SecondsDown)},
		},
	}
	for _, c := range r.Checks() {
		s.add(newCase(r, c, kind))
	}
	if why := why(r); why != "" {
		s.Out = &text{why}
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(suites{
		Name: "loadtest", Tests: s.Tests, Failures: s.Failures, Errors: s.Errors, Skipped: s.Skipped, Time: took, Suites: []suite{s},
	}); err != nil {
		return fmt.Errorf("junit: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *suite) add(c testcase) {
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

// newCase makes a test case of a rule. Its name stays the same from run to run,
// so that a CI can tell its history.
func newCase(r *report.Report, c report.Check, kind string) testcase {
	out := testcase{Name: string(c.Rule), Classname: "loadtest." + kind, Time: "0"}
	body := clean(strings.Join(append([]string{"wanted: " + c.Wanted, "seen: " + c.Seen}, c.Reasons...), "\n"))
	switch {
	case c.Outcome == verdict.Pass && !c.Judged:
		out.Skipped = &skipped{clean("not judged; " + c.Seen)}
	case c.Outcome == verdict.Pass:
		out.Out = &text{body}
	case c.Outcome == verdict.Fail:
		out.Failure = &problem{clean(c.Reasons[0]), "FAIL", body}
	default:
		out.Error = &problem{clean(c.Reasons[0]), "INCONCLUSIVE", body}
	}
	if c.Rule == verdict.Losses && out.Failure != nil {
		out.Failure.Text += "\n" + why(r)
	}
	return out
}

// why says why requests were lost.
func why(r *report.Report) string {
	var b strings.Builder
	for _, e := range r.Explanations {
		fmt.Fprintf(&b, "%s: %d: %s\n", e.Cause, e.Count, e.Sentence)
		if e.Advice != "" {
			fmt.Fprintf(&b, "  -> %s\n", e.Advice)
		}
	}
	return clean(b.String())
}

// clean leaves out what XML cannot hold: control characters and broken letters.
func clean(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n' || c == '\t':
			return c
		case c < ' ' || c == 0x7f || c == utf8.RuneError || c == 0xFFFE || c == 0xFFFF:
			return ' '
		}
		return c
	}, s)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
