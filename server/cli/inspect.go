package cli

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"rollproof/model"
	"rollproof/model/format"
)

const inspectHelp = `inspect says what a model is: inputs, outputs, format, size and shape of its trees.

Usage: server inspect [--json] FILE

FILE is ONNX, XGBoost JSON or UBJSON, or LightGBM text; its name tells nothing.

  --json
        write one JSON object instead of a table

Exit codes: 0 the model can be served, 1 it cannot, 2 wrong arguments.
`

// Inspect writes what there is to know of the model in the file that args name. It
// returns the exit code.
func Inspect(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("inspect", flag.ContinueOnError)
	asJSON := f.Bool("json", false, "")
	file, code, ok := parse(f, inspectHelp, args, stdout, stderr)
	if !ok {
		return code
	}
	artifact, err := format.ReadFile(file)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil && *asJSON {
		err = describe(artifact).writeJSON(stdout)
	} else if err == nil {
		err = describe(artifact).writeText(stdout)
	}
	if err != nil && !closed(err) {
		return fail(stderr, codeFailed, "inspect", err)
	}
	return codeOK
}

// description is what inspect says, in its order. What does not apply is left out.
type description struct {
	Format    string        `json:"format"`
	Producer  string        `json:"producer,omitempty"`
	Objective string        `json:"objective,omitempty"`
	Operators []string      `json:"operators,omitempty"`
	Trees     int           `json:"trees,omitempty"`
	Splits    int           `json:"splits,omitempty"`
	Leaves    int           `json:"leaves,omitempty"`
	Depth     int           `json:"depth,omitempty"`
	Bytes     int64         `json:"memory_bytes"`
	Inputs    []tensorShape `json:"inputs"`
	Outputs   []tensorShape `json:"outputs"`
}

// tensorShape is one input or output; -1 in its shape is any size.
type tensorShape struct {
	Name     string         `json:"name"`
	Datatype model.Datatype `json:"datatype"`
	Shape    []int64        `json:"shape"`
	Labels   []string       `json:"labels,omitempty"`
}

func describe(a *model.Artifact) *description {
	s := &a.Summary
	d := &description{
		Format: a.Format, Producer: s.Producer, Objective: s.Objective, Operators: s.Operators,
		Trees: s.Trees, Splits: s.Splits, Leaves: s.Leaves, Depth: s.Depth, Bytes: s.Bytes,
	}
	for i := range a.Inputs {
		d.Inputs = append(d.Inputs, tensorShape(a.Inputs[i]))
	}
	for i := range a.Outputs {
		d.Outputs = append(d.Outputs, tensorShape(a.Outputs[i]))
	}
	return d
}

func (d *description) writeJSON(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(d)
}

func (d *description) writeText(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(key, value string) {
		if value != "" {
			_, _ = fmt.Fprintf(w, "%s\t%s\n", key, value) // the writer keeps its error for Flush
		}
	}
	count := func(key string, n int) {
		if n > 0 {
			line(key, strconv.Itoa(n))
		}
	}
	line("format", printable(d.Format))
	line("producer", printable(d.Producer))
	line("objective", printable(d.Objective))
	line("operators", printable(strings.Join(d.Operators, ", ")))
	count("trees", d.Trees)
	count("splits", d.Splits)
	count("leaves", d.Leaves)
	count("depth", d.Depth)
	line("memory", size(d.Bytes))
	for _, t := range d.Inputs {
		line("input", t.String())
	}
	for _, t := range d.Outputs {
		line("output", t.String())
	}
	return w.Flush()
}

// String is one line: name, datatype, shape and the first of the labels.
func (t *tensorShape) String() string {
	sizes := make([]string, len(t.Shape))
	for i, n := range t.Shape {
		sizes[i] = strconv.FormatInt(n, 10)
		if n == model.Any {
			sizes[i] = "any"
		}
	}
	s := fmt.Sprintf("%s\t%s\t[%s]", printable(t.Name), t.Datatype, strings.Join(sizes, ", "))
	const shown = 6
	switch n := len(t.Labels); {
	case n > shown:
		return fmt.Sprintf("%s\t%s and %d more", s, printable(strings.Join(t.Labels[:shown], ", ")), n-shown)
	case n > 0:
		return s + "\t" + printable(strings.Join(t.Labels, ", "))
	}
	return s
}

// size is a number of bytes for people.
func size(bytes int64) string {
	switch {
	case bytes >= 10<<20:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes >= 10<<10:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d bytes", bytes)
}

// printable keeps what a file says of itself from steering a terminal or a table.
func printable(text string) string {
	const most = 400
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}
