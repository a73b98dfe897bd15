// Package cases holds the rows that the lanes send and the answers that each
// model version must give: it reads the goldens file, encodes requests of the
// Open Inference Protocol once, and checks answers against the goldens of the
// version that the answer claims. It sends nothing.
package cases

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Tolerance is how far a probability may be from its golden value.
const Tolerance = 1e-6

// Set is a goldens file: rows and the right answers of every version.
type Set struct {
	Model    string
	Input    Input
	Outputs  Outputs
	Rows     [][]json.Number // as written in the file, so that they are sent unchanged
	Expected map[string]Expected

	bare bool // answers need not name their version in a header
}

// Input names the tensor that a request carries.
type Input struct {
	Name     string `json:"name"`
	Datatype string `json:"datatype"`
	Columns  int    `json:"columns"`
}

// Outputs names the tensors that an answer must carry.
type Outputs struct {
	Label         string `json:"label"`
	Probabilities string `json:"probabilities"`
}

// Expected holds one version's right answers, one element a row.
type Expected struct {
	Label         []int64     `json:"label"`
	Probabilities [][]float64 `json:"probabilities"`
}

// file is the goldens file's form.
type file struct {
	Model    string              `json:"model"`
	Input    Input               `json:"input"`
	Outputs  Outputs             `json:"outputs"`
	Rows     [][]json.Number     `json:"rows"`
	Expected map[string]Expected `json:"expected"`
}

// Load reads and checks the goldens file at path.
func Load(path string) (*Set, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cases: %w", err)
	}
	set, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("cases %s: %w", path, err)
	}
	return set, nil
}

// Parse reads a goldens file's content and checks that it is whole: a name for
// everything, rows of the stated width, and for each version one label and one
// set of probabilities a row.
func Parse(data []byte) (*Set, error) {
	var f file
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return nil, fmt.Errorf("not a goldens file: %w", err)
	}
	s := Set{Model: f.Model, Input: f.Input, Outputs: f.Outputs, Rows: f.Rows, Expected: f.Expected}
	if err := s.check(); err != nil {
		return nil, err
	}
	return &s, nil
}

func (s *Set) check() error {
	switch {
	case s.Model == "":
		return fmt.Errorf("model: no name")
	case strings.ContainsAny(s.Model, "/?#"):
		return fmt.Errorf("model: %q cannot be a part of a URL's path", s.Model)
	case s.Input.Name == "" || s.Input.Datatype == "":
		return fmt.Errorf("input: needs a name and a datatype, has %q and %q", s.Input.Name, s.Input.Datatype)
	case s.Outputs.Label == "" || s.Outputs.Probabilities == "":
		return fmt.Errorf("outputs: need the names of label and probabilities, have %q and %q", s.Outputs.Label, s.Outputs.Probabilities)
	case len(s.Rows) == 0:
		return fmt.Errorf("rows: none")
	case len(s.Expected) == 0:
		return fmt.Errorf("expected: no version")
	}
	for i, row := range s.Rows {
		if len(row) != s.Input.Columns {
			return fmt.Errorf("rows[%d]: %d numbers, want %d", i, len(row), s.Input.Columns)
		}
	}
	for _, v := range s.Versions() {
		if err := s.checkVersion(v); err != nil {
			return fmt.Errorf("expected[%q]: %w", v, err)
		}
	}
	return nil
}

func (s *Set) checkVersion(version string) error {
	e := s.Expected[version]
	if len(e.Label) != len(s.Rows) || len(e.Probabilities) != len(s.Rows) {
		return fmt.Errorf("%d labels and %d probabilities for %d rows", len(e.Label), len(e.Probabilities), len(s.Rows))
	}
	for i, p := range e.Probabilities {
		if len(p) == 0 || len(p) != len(e.Probabilities[0]) {
			return fmt.Errorf("probabilities[%d]: %d classes, want %d", i, len(p), len(e.Probabilities[0]))
		}
	}
	return nil
}

// Versions returns the versions with goldens, sorted.
func (s *Set) Versions() []string { return slices.Sorted(maps.Keys(s.Expected)) }

// Size implements Service.
func (s *Set) Size() int { return len(s.Rows) }

// TellsVersion implements Service.
func (s *Set) TellsVersion() bool { return true }

// Path returns the path that requests are posted to.
func (s *Set) Path() string { return "/v2/models/" + s.Model + "/infer" }

// Request implements Service: the Open Inference Protocol over REST.
func (s *Set) Request() Request {
	return Request{Method: http.MethodPost, Path: s.Path(), Header: http.Header{"Content-Type": {"application/json"}}}
}

// WithoutHeader returns the set for a service whose answers need not name their
// version in a header: then the body's counts.
func (s *Set) WithoutHeader() *Set {
	c := *s
	c.bare = true
	return &c
}

// Batches returns count batches of size rows each, which walk through the rows
// and start again from the first when they are used up. With size 1 and count
// len(Rows) every row is sent alone, in order.
func (s *Set) Batches(size, count int) ([]*Batch, error) { return s.batches(size, count, s.encode) }

func (s *Set) batches(size, count int, encode func(*Batch) ([]byte, error)) ([]*Batch, error) {
	if size < 1 || count < 1 {
		return nil, fmt.Errorf("batches: %d of %d rows: both must be at least 1", count, size)
	}
	out := make([]*Batch, count)
	next := 0
	for i := range out {
		b := &Batch{ID: "b" + strconv.Itoa(i), Rows: make([]int, size)}
		for j := range b.Rows {
			b.Rows[j] = next % len(s.Rows)
			next++
		}
		var err error
		if b.Body, err = encode(b); err != nil {
			return nil, fmt.Errorf("batches: %w", err)
		}
		out[i] = b
	}
	return out, nil
}

func (s *Set) encode(b *Batch) ([]byte, error) {
	var w bytes.Buffer
	fmt.Fprintf(&w, `{"id":%q,"inputs":[{"name":%q,"shape":[%d,%d],"datatype":%q,"data":[`,
		b.ID, s.Input.Name, len(b.Rows), s.Input.Columns, s.Input.Datatype)
	for i, r := range b.Rows {
		for j, n := range s.Rows[r] {
			if i+j > 0 {
				w.WriteByte(',')
			}
			w.WriteString(n.String())
		}
	}
	w.WriteString(`]}]}`)
	return w.Bytes(), nil
}
