//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollproof/loadtest/explain"
	"rollproof/loadtest/verdict"
)

// proofReport is what the proof reads of report.json.
type proofReport struct {
	Verdict      verdict.Verdict       `json:"verdict"`
	Versions     map[string]uint64     `json:"versions"`
	Explanations []explain.Explanation `json:"explanations"`
	Lanes        []struct {
		Stall float64 `json:"stall_seconds"`
	} `json:"lanes"`
}

// proofRow is what came of one case.
type proofRow struct {
	name     string
	want     verdict.Outcome
	outcome  verdict.Outcome
	causes   []string // with their counts
	requests uint64
	lost     uint64
	masked   uint64
	stall    float64 // the longest of any lane, seconds
	took     time.Duration
	wrong    string // what is not as it must be; empty: nothing
	stray    string // losses whose cause is not the case's, too few to be wrong; empty: none
}

func (r proofRow) right() bool { return r.wrong == "" }

func readProofReport(t *testing.T, dir string) proofReport {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r proofReport
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatalf("report.json: %v", err)
	}
	return r
}

// newProofRow reads the report in dir.
func newProofRow(t *testing.T, c proofCase, strict bool, dir string, took time.Duration) proofRow {
	t.Helper()
	r := readProofReport(t, dir)
	v := r.Verdict
	row := proofRow{name: c.name, want: c.want, outcome: v.Outcome, requests: v.Requests, lost: v.Lost, masked: v.Masked, took: took}
	for _, e := range r.Explanations {
		row.causes = append(row.causes, fmt.Sprintf("%s %d", e.Cause, e.Count))
	}
	for _, l := range r.Lanes {
		row.stall = max(row.stall, l.Stall)
	}
	wrong, stray := c.judge(r, strict)
	row.wrong, row.stray = strings.Join(wrong, "\n"), strings.Join(stray, "\n")
	return row
}

// proofTable is the set's result.
type proofTable struct{ rows []proofRow }

// write prints the table and keeps it in dir.
func (p *proofTable) write(t *testing.T, dir string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("| case | expected | verdict | causes | requests | lost | masked | longest stall | took |\n| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: |\n")
	wrong := 0
	for _, r := range p.rows {
		verdict := string(r.outcome)
		if !r.right() {
			wrong++
			verdict += " (wrong)"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %d | %d | %d | %.1f s | %.0f s |\n",
			r.name, r.want, verdict, strings.Join(r.causes, ", "), r.requests, r.lost, r.masked, r.stall, r.took.Seconds())
	}
	fmt.Fprintf(&b, "\n%d wrong of %d\n", wrong, len(p.rows))
	for _, r := range p.rows { // also here: of a long log, the end is what is read
		if !r.right() {
			fmt.Fprintf(&b, "\n%s:\n%s\n", r.name, r.wrong)
		}
		if r.stray != "" {
			fmt.Fprintf(&b, "\n%s, not strictly:\n%s\n", r.name, r.stray)
		}
	}
	t.Logf("the proof, kept in %s:\n%s", dir, b.String())
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "proof.md"), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
