package junit_test

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"

	"rollproof/loadtest/fake/kept"
	"rollproof/loadtest/goldentest"
	"rollproof/loadtest/report/junit"
)

// parsed is what a CI takes from the file.
type parsed struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
	Skipped  int `xml:"skipped,attr"`
	Suites   []struct {
		Name  string `xml:"name,attr"`
		Cases []struct {
			Name    string    `xml:"name,attr"`
			Failure *struct{} `xml:"failure"`
			Error   *struct{} `xml:"error"`
			Skipped *struct{} `xml:"skipped"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

func TestJUnit(t *testing.T) {
	t.Parallel()
	for name, story := range map[string]kept.Story{
		"pass": {}, "fail": {Lossy: true}, "load": {Load: true}, "inconclusive": {Short: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			story.Rate = 40
			r, err := kept.Write(t.TempDir(), story)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := junit.Write(&out, r); err != nil {
				t.Fatal(err)
			}
			goldentest.Same(t, name+".xml", out.Bytes())
			var p parsed
			if err := xml.Unmarshal(out.Bytes(), &p); err != nil {
				t.Fatal(err)
			}
			var failures, problems, skipped int
			for _, c := range p.Suites[0].Cases {
				if c.Failure != nil {
					failures++
				}
				if c.Error != nil {
					problems++
				}
				if c.Skipped != nil {
					skipped++
				}
			}
			if p.Tests != len(p.Suites[0].Cases) || p.Failures != failures || p.Errors != problems || p.Skipped != skipped {
				t.Errorf("the counts %+v are not those of the cases: %d, %d, %d", p, failures, problems, skipped)
			}
			if red, pass := failures+problems > 0, r.Verdict.Outcome == "PASS"; red == pass {
				t.Errorf("the verdict is %s, and %d cases are red", r.Verdict.Outcome, failures+problems)
			}
		})
	}
}

// What others may write does not break the XML.
func TestWhatXMLCannotHold(t *testing.T) {
	t.Parallel()
	r, err := kept.Write(t.TempDir(), kept.Story{Lossy: true, Rate: 10, Mess: "<a>]]>&\x00\x1b[31m\xff\ufffe\u2028"})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := junit.Write(&out, r); err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(out.Bytes(), new(parsed)); err != nil {
		t.Errorf("%v in\n%s", err, out.String())
	}
	if strings.Contains(out.String(), "<a>") {
		t.Error("a tag is not escaped")
	}
}
