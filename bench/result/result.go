// Package result is what a benchmark found, as data: results.json holds it, and table
// and plot are made from it. It measures nothing and draws nothing.
package result

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"rollproof/bench/goal"
	"rollproof/bench/machine"
	"rollproof/bench/pair"
)

// schemaVersion says the form of results.json.
const schemaVersion = 1

// Document is all of one run.
type Document struct {
	SchemaVersion int             `json:"schema_version"`
	Began         time.Time       `json:"began"`
	Took          Seconds         `json:"took_seconds"`
	Quick         bool            `json:"quick"`
	Machine       machine.Machine `json:"machine"`
	// Versions of what was measured against, by name.
	Versions map[string]string `json:"versions"`
	Settings Settings          `json:"settings"`
	Rows     []Row             `json:"rows"`
}

// Settings are how it was measured.
type Settings struct {
	Pairs       int     `json:"pairs"`
	Sample      Seconds `json:"sample_seconds"`
	Open        Seconds `json:"open_loop_seconds"`
	Connections int     `json:"connections"`
	ServerCore  int     `json:"server_core"`
	ClientCore  int     `json:"client_core"`
}

// Seconds is a duration that JSON holds as a number of seconds.
type Seconds float64

// Unit of a measurement.
type Unit string

// The units.
const (
	RequestsPerSecond Unit = "requests/s"
	Milliseconds      Unit = "ms"
	Microseconds      Unit = "us"
	Megabytes         Unit = "MB"
	Allocations       Unit = "allocations"
)

// Row is one thing measured: against a peer if it has pairs, alone if it has values.
type Row struct {
	// ID names the row for programs, for example "flask-gbc".
	ID string `json:"id"`
	// Against is what it is compared with; empty if it stands alone.
	Against string `json:"against,omitempty"`
	// Of is the model, for example "gradient boosting of 100 trees, one row".
	Of string `json:"of,omitempty"`
	// What is measured, for example "p99 at half of its maximum rate".
	What string `json:"what"`
	Unit Unit   `json:"unit"`
	// Goal for the ratio, or for the value of a row that stands alone.
	Goal  goal.Goal   `json:"goal,omitzero"`
	Pairs []pair.Pair `json:"pairs,omitempty"`
	// Values of a row that stands alone.
	Values []float64 `json:"values,omitempty"`
	// Comparison of the pairs.
	Comparison *pair.Comparison `json:"comparison,omitempty"`
	// Alone is the spread of the values.
	Alone *pair.Spread `json:"alone,omitempty"`
	// Reached says whether the median reaches the goal.
	Reached bool `json:"reached"`
	// Note is what there is to know beside it.
	Note string `json:"note,omitempty"`
	// Parts are rows that this one is the least favorable of.
	Parts []Row `json:"parts,omitempty"`
}

// Paired returns the row with its pairs summed up.
func (r Row) Paired(pairs []pair.Pair) (Row, error) {
	c, err := pair.Compare(pairs)
	if err != nil {
		return r, fmt.Errorf("%s: %w", r.ID, err)
	}
	r.Pairs, r.Comparison = pairs, &c
	r.Reached = r.Goal.Reached(c.Ratio.Median)
	return r, nil
}

// Lone returns the row with its values summed up.
func (r Row) Lone(values []float64) (Row, error) {
	s, err := pair.Of(values)
	if err != nil {
		return r, fmt.Errorf("%s: %w", r.ID, err)
	}
	r.Values, r.Alone = values, &s
	r.Reached = r.Goal.Reached(s.Median)
	return r, nil
}

// Judged is the spread that the goal is for.
func (r *Row) Judged() pair.Spread {
	switch {
	case r.Comparison != nil:
		return r.Comparison.Ratio
	case r.Alone != nil:
		return *r.Alone
	}
	return pair.Spread{}
}

// Missed are the rows that do not reach their goals.
func (d *Document) Missed() (rows []Row) {
	for _, r := range d.Rows {
		if !r.Reached {
			rows = append(rows, r)
		}
	}
	return rows
}

// Write writes the document to a file.
func (d *Document) Write(path string) error {
	d.SchemaVersion = schemaVersion
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return fmt.Errorf("the results as JSON: %w", err)
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// Read reads a document from a file.
func Read(path string) (*Document, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d := &Document{}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if d.SchemaVersion != schemaVersion {
		return nil, fmt.Errorf("%s: schema_version %d, want %d", path, d.SchemaVersion, schemaVersion)
	}
	return d, nil
}
