package cli

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"rollproof/model"
)

// maxRecord bounds a row's bytes: a quote that is never closed would else take in all
// that follows it.
const maxRecord = 16 << 20

// maxFields bounds a batch where rows are wide: 32 MiB of doubles.
const maxFields = 4 << 20

// bounded gives no more than left bytes.
type bounded struct {
	source io.Reader
	left   int
}

var errLong = fmt.Errorf("a row of more than %d bytes: is a quote not closed?", maxRecord)

func (b *bounded) Read(into []byte) (int, error) {
	if b.left <= 0 {
		return 0, errLong
	}
	n, err := b.source.Read(into[:min(len(into), b.left)])
	b.left -= n
	return n, err
}

// rowReader makes batches of inputs of a CSV stream.
type rowReader struct {
	layout *layout
	csv    *csv.Reader
	bytes  *bounded
	began  bool
	fields int
}

func newRowReader(l *layout, stdin io.Reader, separator rune) *rowReader {
	b := &bounded{source: stdin, left: maxRecord}
	r := csv.NewReader(b)
	r.Comma, r.ReuseRecord, r.FieldsPerRecord = separator, true, -1
	return &rowReader{layout: l, csv: r, bytes: b}
}

// next is the next row's fields; io.EOF is the end.
func (r *rowReader) next() ([]string, error) {
	r.bytes.left = maxRecord
	row, err := r.csv.Read()
	var wrong *csv.ParseError
	if errors.As(err, &wrong) {
		return nil, fmt.Errorf("line %d, byte %d: %w", wrong.Line, wrong.Column, wrong.Err)
	}
	return row, err
}

// first takes the first row, which may be a header.
func (r *rowReader) first() (row []string, err error) {
	if row, err = r.next(); err != nil {
		return nil, err
	}
	r.began, r.fields = true, len(row)
	row[0] = strings.TrimPrefix(row[0], "\ufeff") // Windows puts it before a text
	isHeader, err := r.layout.header(row)
	if err != nil {
		return nil, fmt.Errorf("line 1: %w", err)
	}
	if isHeader {
		return r.next()
	}
	return row, nil
}

// read fills inputs with up to limit rows. It returns their number, and io.EOF behind
// the last one.
func (r *rowReader) read(inputs []model.Value, limit int) (rows int, err error) {
	l := r.layout
	next := r.next
	if !r.began {
		next = r.first
	}
	// The first row may decide how wide a row is, so it comes before any memory.
	row, err := next()
	if len(l.widths) < len(inputs) {
		l.add(&l.inputs[0], 1) // there is no row
	}
	limit = min(limit, max(1, maxFields/len(l.columns)))
	for i := range inputs {
		inputs[i].Reset(l.inputs[i].Datatype, int64(limit), int64(l.widths[i]))
	}
	for err == nil {
		if err = r.store(inputs, rows, row); err != nil {
			break
		}
		if rows++; rows == limit {
			break
		}
		row, err = r.next()
	}
	for i := range inputs {
		shape := []int64{int64(rows), int64(l.widths[i])}
		inputs[i].Reset(l.inputs[i].Datatype, shape[:len(l.inputs[i].Shape)]...)
	}
	return rows, err
}

// store puts a row's fields into the inputs.
func (r *rowReader) store(inputs []model.Value, at int, row []string) error {
	l := r.layout
	want := len(l.columns)
	if l.matched {
		want = r.fields
	}
	if len(row) != want {
		line, _ := r.csv.FieldPos(0)
		return fmt.Errorf("line %d: %d fields, want %d", line, len(row), want)
	}
	for i := range l.columns {
		c, field := &l.columns[i], l.from[i]
		if err := c.store(&inputs[c.input], at*l.widths[c.input]+c.at, row[field]); err != nil {
			line, _ := r.csv.FieldPos(field)
			name := ""
			if c.name != "" {
				name = " (" + printable(c.name) + ")"
			}
			return fmt.Errorf("line %d, column %d%s: %w", line, field+1, name, err)
		}
	}
	return nil
}
