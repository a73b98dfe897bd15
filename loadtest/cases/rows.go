package cases

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// Row is one row of a row source.
type Row struct {
	values map[string]any // by column; nil where a line is no JSON object
	line   []byte         // as it was written; nil for CSV
}

// readRows reads a row source: a CSV file with a header, or a JSON document a line.
func readRows(path string) ([]Row, error) {
	data, err := readFile(path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("rows: %w", err)
	}
	var rows []Row
	switch {
	case strings.EqualFold(filepath.Ext(path), ".csv"):
		rows, err = parseCSV(data)
	case isLines(path):
		rows, err = parseLines(data)
	default:
		err = errors.New("want a file that ends in .csv, .jsonl or .ndjson")
	}
	if err == nil && len(rows) == 0 {
		err = errors.New("no row")
	}
	if err != nil {
		return nil, fmt.Errorf("rows %s: %w", path, err)
	}
	return rows, nil
}

var errRows = fmt.Errorf("more than %d rows", maxRows)

// parseCSV reads rows whose columns the first line names.
func parseCSV(data []byte) ([]Row, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	r.ReuseRecord = true
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, err // it names the line
	}
	names := append([]string{}, header...)
	seen := map[string]bool{}
	for i, name := range names {
		if name == "" || seen[name] {
			return nil, fmt.Errorf("line 1: column %d: %q: want names, each once", i+1, name)
		}
		seen[name] = true
	}
	var out []Row
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err // the same
		}
		if len(out) == maxRows {
			return nil, errRows
		}
		values := make(map[string]any, len(names))
		for i, name := range names {
			values[name] = strings.Clone(record[i])
		}
		out = append(out, Row{values: values})
	}
}

// parseLines reads a JSON document a line; empty lines are passed over.
func parseLines(data []byte) ([]Row, error) {
	var out []Row
	n := 0
	for line := range bytes.Lines(data) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if len(line) > maxBody {
			return nil, fmt.Errorf("line %d: it has more than %d bytes", n, maxBody)
		}
		document, err := decodeJSON(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if len(out) == maxRows {
			return nil, errRows
		}
		values, _ := document.(map[string]any) // another document has no columns
		out = append(out, Row{values: values, line: bytes.Clone(line)})
	}
	return out, nil
}
