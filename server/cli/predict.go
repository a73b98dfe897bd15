package cli

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"syscall"
	"unicode/utf8"

	"rollproof/model"
	"rollproof/model/format"
)

const predictHelp = `predict scores rows of CSV and writes one line for each, in their order.

Usage: server predict [flags] FILE < rows.csv

FILE is ONNX, XGBoost JSON or UBJSON, or LightGBM text; its name tells nothing.

The first row may be a header. If it has the names of the model's columns, those are
found by it and other columns are left unread; else the columns are in the model's
order ("server inspect FILE" shows it). An empty field is a missing value (NaN), and so
are NA, N/A, NaN, null and None. Empty lines are no rows.

A classifier's line has the probabilities of its classes; every other model's has its
outputs. The memory that is needed does not grow with the number of rows.

  --labels
        write the class before the probabilities
  --json
        write a line as a JSON object with all outputs by their names
  --separator CHARACTER
        between fields, of what is read and written (default ,); "tab" is a tab
  --batch ROWS
        rows to predict at once, 1 to 65536 (default 1024); with 1 each row is
        answered before the next is read

Exit codes: 0 all rows are scored, 1 a row or the model is wrong or it was
interrupted, 2 wrong arguments.
`

// predictFlags are the settings of predict.
type predictFlags struct {
	labels, json bool
	separator    rune
	batch        int
}

func (p *predictFlags) check(separator string) error {
	switch r, size := utf8.DecodeRuneInString(separator); {
	case separator == "tab":
		p.separator = '\t'
	case size == 0 || size != len(separator) || r == '"' || r == '\r' || r == '\n' || r == utf8.RuneError:
		return fmt.Errorf("--separator %q: want one character, or tab", separator)
	default:
		p.separator = r
	}
	if p.batch < 1 || p.batch > 1<<16 {
		return fmt.Errorf("--batch %d: want 1 to %d", p.batch, 1<<16)
	}
	return nil
}

// Predict scores the rows of stdin with the model in the file that args name. It ends
// soon after ctx does, without an answer for what is not answered yet, and returns the
// exit code. A reader of stdout that has gone is no failure.
func Predict(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("predict", flag.ContinueOnError)
	p := &predictFlags{}
	f.BoolVar(&p.labels, "labels", false, "")
	f.BoolVar(&p.json, "json", false, "")
	f.IntVar(&p.batch, "batch", 1024, "")
	separator := f.String("separator", ",", "")
	file, code, ok := parse(f, predictHelp, args, stdout, stderr)
	if !ok {
		return code
	}
	if err := p.check(*separator); err != nil {
		return fail(stderr, codeUsage, "predict", err)
	}
	artifact, err := format.ReadFile(file)
	if err != nil {
		return fail(stderr, codeFailed, "predict", err)
	}
	l, err := newLayout(artifact.Inputs)
	if err != nil {
		return fail(stderr, codeFailed, "predict", fmt.Errorf("%s: %w", file, err))
	}
	a, err := newAnswers(artifact.Outputs, p)
	if err != nil {
		return fail(stderr, codeFailed, "predict", fmt.Errorf("%s: %w", file, err))
	}
	out := bufio.NewWriterSize(stdout, 1<<16)
	rows, err := p.run(ctx, artifact, newRowReader(l, stdin, p.separator), a, out)
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	switch {
	case err == nil || closed(err):
		return codeOK
	case ctx.Err() != nil:
		err = fmt.Errorf("interrupted behind %d rows", rows)
	}
	return fail(stderr, codeFailed, "predict", err)
}

// closed says whether an error means that nobody reads the output any more.
func closed(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)
}

// batch is rows that were read, with the error that ended them.
type batch struct {
	inputs []model.Value
	rows   int
	err    error
}

// run predicts batch by batch until the rows end, and returns the number answered.
// While one batch is predicted the next is read; two are in memory at most.
func (p *predictFlags) run(ctx context.Context, m model.Predictor, r *rowReader, a *answers, out *bufio.Writer) (int, error) {
	free, full := make(chan *batch, 2), make(chan *batch)
	for range cap(free) {
		free <- &batch{inputs: make([]model.Value, len(r.layout.inputs))}
	}
	done := make(chan struct{})
	defer close(done)
	// Reading cannot be interrupted: the goroutine outlives run if stdin keeps it
	// waiting, and ends with the next byte or the process.
	go func() {
		for {
			var b *batch
			select {
			case b = <-free:
			case <-done:
				return
			}
			b.rows, b.err = r.read(b.inputs, p.batch)
			last := b.err != nil
			select {
			case full <- b:
			case <-done:
				return
			}
			if last {
				return
			}
		}
	}()
	outputs := make([]model.Value, len(a.outputs))
	for rows := 0; ; {
		var b *batch
		select {
		case b = <-full:
		case <-ctx.Done():
			return rows, ctx.Err()
		}
		if b.rows > 0 {
			if err := m.Predict(ctx, b.inputs, outputs); err != nil {
				return rows, err
			}
			if err := a.write(out, outputs, b.rows); err != nil {
				return rows, err
			}
			rows += b.rows
		}
		if errors.Is(b.err, io.EOF) {
			return rows, nil
		}
		if b.err != nil {
			return rows, b.err
		}
		if err := out.Flush(); err != nil {
			return rows, err
		}
		free <- b
	}
}
