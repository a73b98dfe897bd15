package cases

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

// Bounds of what files may hold.
const (
	maxFile   = 64 << 20 // bytes of one file, and of all bodies together
	maxBody   = 1 << 20  // bytes of one request's body
	maxRows   = 100_000
	maxAnswer = 16 << 20
)

// PlainConfig says what is sent to a service that does not speak the Open
// Inference Protocol, or whose answers are known in another form than goldens.
type PlainConfig struct {
	Method      string // POST if empty
	Path        string // with a leading slash
	ContentType string // application/json if empty

	Body     string // file of the one body
	Template string // file of a Go template of a body, made for each row
	Rows     string // .csv file with a header, or .jsonl file; without a template each of its lines is a body

	ExpectFile string   // file of the right answer; .jsonl: a line for each row
	Expect     []string // PATH=VALUE; VALUE may be a template of the row

	VersionPath string // where the answer names its version
	WantVersion bool   // an answer without a version, in header or body, is wrong
}

// Plain is a Service of any HTTP service.
type Plain struct {
	request Request
	bodies  [][]byte
	whole   []expected // by row, or one for all; empty: not checked
	parts   [][]part   // by row, or one for all
	version *Path
	want    bool
}

// expected is a whole right answer.
type expected struct {
	text     []byte
	document any // nil: it is no JSON, and the bytes count
}

// part is a place of an answer and what must stand there.
type part struct {
	path Path
	want any
}

// LoadPlain reads the files that the configuration names.
func LoadPlain(cfg PlainConfig) (*Plain, error) {
	p := &Plain{want: cfg.WantVersion}
	p.request = Request{
		Method: orElse(cfg.Method, http.MethodPost), Path: cfg.Path,
		Header: http.Header{"Content-Type": {orElse(cfg.ContentType, "application/json")}},
	}
	if !strings.HasPrefix(cfg.Path, "/") {
		return nil, fmt.Errorf("path %q: want one that begins with /", cfg.Path)
	}
	if cfg.VersionPath != "" {
		path, err := ParsePath(cfg.VersionPath)
		if err != nil {
			return nil, fmt.Errorf("version: %w", err)
		}
		p.version = &path
	}
	rows, err := p.load(cfg)
	if err != nil {
		return nil, err
	}
	if err := p.expect(cfg, rows); err != nil {
		return nil, err
	}
	return p, nil
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// load makes the bodies, and returns the rows that they were made of.
func (p *Plain) load(cfg PlainConfig) ([]Row, error) {
	var rows []Row
	if cfg.Rows != "" {
		var err error
		if rows, err = readRows(cfg.Rows); err != nil {
			return nil, err
		}
	}
	switch {
	case cfg.Body != "" && (cfg.Template != "" || cfg.Rows != ""):
		return nil, errors.New("a body's file, and a template or rows besides: want one of them")
	case cfg.Body != "":
		body, err := readFile(cfg.Body, maxBody)
		p.bodies = [][]byte{body}
		return []Row{{}}, err
	case cfg.Template != "":
		if rows == nil {
			rows = []Row{{}}
		}
		text, err := readFile(cfg.Template, maxBody)
		if err != nil {
			return nil, err
		}
		p.bodies, err = makeBodies(cfg.Template, string(text), rows)
		return rows, err
	case strings.EqualFold(filepath.Ext(cfg.Rows), ".csv"):
		return nil, fmt.Errorf("rows %s: a CSV file needs a template of the body", cfg.Rows)
	case cfg.Rows != "":
		for _, r := range rows {
			p.bodies = append(p.bodies, r.line)
		}
		return rows, nil
	}
	return nil, errors.New("no body: want a file of it, a template, or rows")
}

// readFile reads a file of at most most bytes.
func readFile(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("%s: it has more than %d bytes", path, most)
	}
	return data, nil
}

// parseTemplate reads a template of rows: a key that a row does not have is an error.
func parseTemplate(name, text string) (*template.Template, error) {
	t, err := template.New(name).Option("missingkey=error").Funcs(template.FuncMap{
		"json": func(v any) (string, error) {
			b, err := json.Marshal(v)
			return string(b), err
		},
	}).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("template %w", err) // it names the file and the line
	}
	return t, nil
}

// makeBodies makes a body of each row.
func makeBodies(name, text string, rows []Row) ([][]byte, error) {
	t, err := parseTemplate(name, text)
	if err != nil {
		return nil, err
	}
	var out [][]byte
	total := 0
	for i, r := range rows {
		body, err := r.fill(t, i)
		if err != nil {
			return nil, err
		}
		if total += len(body); total > maxFile {
			return nil, fmt.Errorf("template %s: the bodies of %d rows have more than %d bytes", name, i+1, maxFile)
		}
		out = append(out, body)
	}
	return out, nil
}

// bounded takes at most left bytes.
type bounded struct {
	bytes.Buffer
	left int
}

var errLong = fmt.Errorf("it has more than %d bytes", maxBody)

func (b *bounded) Write(data []byte) (int, error) {
	if b.left -= len(data); b.left < 0 {
		return 0, errLong
	}
	return b.Buffer.Write(data)
}

// fill returns what a template makes of the row, the i-th, from 0.
func (r Row) fill(t *template.Template, i int) ([]byte, error) {
	out := bounded{left: maxBody}
	values := r.values
	if values == nil {
		values = map[string]any{}
	}
	if err := t.Execute(&out, struct {
		Row map[string]any
		N   int
	}{values, i}); err != nil {
		return nil, fmt.Errorf("row %d: %w", i+1, err)
	}
	return out.Bytes(), nil
}

// expect reads what is right.
func (p *Plain) expect(cfg PlainConfig, rows []Row) error {
	if cfg.ExpectFile != "" {
		if err := p.expectWhole(cfg.ExpectFile, len(rows)); err != nil {
			return err
		}
	}
	if len(cfg.Expect) == 0 {
		return nil
	}
	for i, r := range rows {
		var parts []part
		for _, text := range cfg.Expect {
			x, err := newPart(text, r, i)
			if err != nil {
				return err
			}
			parts = append(parts, x)
		}
		p.parts = append(p.parts, parts)
	}
	return nil
}

func (p *Plain) expectWhole(path string, rows int) error {
	data, err := readFile(path, maxFile)
	if err != nil {
		return fmt.Errorf("expected answers: %w", err)
	}
	if !isLines(path) {
		p.whole = []expected{newExpected(data)}
		return nil
	}
	for line := range bytes.Lines(data) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		x := newExpected(line)
		if x.document == nil {
			return fmt.Errorf("expected answers %s: answer %d is not JSON", path, len(p.whole)+1)
		}
		p.whole = append(p.whole, x)
	}
	if len(p.whole) != rows {
		return fmt.Errorf("expected answers %s: %d for %d rows", path, len(p.whole), rows)
	}
	return nil
}

func newExpected(text []byte) expected {
	document, err := decodeJSON(text)
	if err != nil {
		document = nil
	}
	return expected{text, document}
}

// newPart reads PATH=VALUE for one row. A value that is not JSON is a text.
func newPart(text string, r Row, i int) (part, error) {
	place, value, ok := strings.Cut(text, "=")
	if !ok {
		return part{}, fmt.Errorf("expected %q: want PATH=VALUE", text)
	}
	path, err := ParsePath(place)
	if err != nil {
		return part{}, fmt.Errorf("expected %q: %w", text, err)
	}
	t, err := parseTemplate("expected "+place, value)
	if err != nil {
		return part{}, err
	}
	filled, err := r.fill(t, i)
	if err != nil {
		return part{}, err
	}
	want, err := decodeJSON(filled)
	if err != nil {
		want = string(filled)
	}
	return part{path, want}, nil
}

// decodeJSON decodes one document, its numbers as they are written.
func decodeJSON(data []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something after the document")
	}
	return v, nil
}

// Request implements Service.
func (p *Plain) Request() Request { return p.request }

// Size implements Service.
func (p *Plain) Size() int { return len(p.bodies) }

// Versions implements Service: whatever they are called.
func (p *Plain) Versions() []string { return nil }

// TellsVersion implements Service.
func (p *Plain) TellsVersion() bool { return p.want || p.version != nil }

// Checked tells whether anything is asked of an answer but its status.
func (p *Plain) Checked() bool { return len(p.whole) > 0 || len(p.parts) > 0 }

// Batches implements Service. A body is a row's as it is: size must be 1.
func (p *Plain) Batches(size, count int) ([]*Batch, error) {
	if size != 1 || count < 1 {
		return nil, fmt.Errorf("batches: %d of %d rows: such a body carries one row", count, size)
	}
	all := make([]*Batch, len(p.bodies))
	for i, body := range p.bodies {
		all[i] = &Batch{ID: "b" + strconv.Itoa(i), Rows: []int{i}, Body: body}
	}
	out := make([]*Batch, count)
	for i := range out {
		out[i] = all[i%len(all)]
	}
	return out, nil
}

// Check implements Service.
func (p *Plain) Check(batch *Batch, header string, body []byte) (string, error) {
	version := header
	if len(body) > maxAnswer {
		return version, fmt.Errorf("%w: it has more than %d bytes", ErrWrongAnswer, maxAnswer)
	}
	var document any
	if p.version != nil || len(p.parts) > 0 || len(p.whole) > 0 && rowOf(p.whole, batch).document != nil {
		var err error
		if document, err = decodeAnswer(body); err != nil {
			return version, err
		}
	}
	if p.version != nil {
		told, err := p.version.find(document)
		if err != nil {
			return version, fmt.Errorf("%w: %w", ErrWrongVersion, err)
		}
		named := fmt.Sprint(told)
		if header != "" && named != header {
			return version, fmt.Errorf("%w: the header says %q and the body %q", ErrWrongVersion, header, named)
		}
		version = named
	}
	if p.want && version == "" {
		return version, fmt.Errorf("%w: the answer names none", ErrWrongVersion)
	}
	return version, p.compare(batch, body, document)
}

func decodeAnswer(body []byte) (any, error) {
	document, err := decodeJSON(body)
	if err == nil {
		return document, nil
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: the JSON ends early, after %d bytes", ErrShortBody, len(body))
	}
	return nil, fmt.Errorf("%w: not JSON: %w", ErrWrongAnswer, err)
}

func rowOf[T any](all []T, batch *Batch) T { return all[batch.Rows[0]%len(all)] }

func (p *Plain) compare(batch *Batch, body []byte, document any) error {
	if len(p.whole) > 0 {
		want := rowOf(p.whole, batch)
		if want.document == nil && !bytes.Equal(body, want.text) {
			return fmt.Errorf("%w: row %d: %.200q, want %.200q", ErrWrongAnswer, batch.Rows[0]+1, body, want.text)
		}
		if want.document != nil && !same(document, want.document) {
			return fmt.Errorf("%w: row %d: %.200s, want %.200s", ErrWrongAnswer, batch.Rows[0]+1, body, want.text)
		}
	}
	if len(p.parts) == 0 {
		return nil
	}
	for _, x := range rowOf(p.parts, batch) {
		got, err := x.path.find(document)
		if err != nil {
			return fmt.Errorf("%w: row %d: %w", ErrWrongAnswer, batch.Rows[0]+1, err)
		}
		if !same(got, x.want) {
			return fmt.Errorf("%w: row %d: %s is %.100v, want %.100v", ErrWrongAnswer, batch.Rows[0]+1, x.path, got, x.want)
		}
	}
	return nil
}

// isLines tells whether a file holds a JSON document a line.
func isLines(path string) bool {
	return slices.Contains([]string{".jsonl", ".ndjson"}, strings.ToLower(filepath.Ext(path)))
}
