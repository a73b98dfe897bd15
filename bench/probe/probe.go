// Package probe times a model in its own process, without a server, as
// peers/onnxruntime_probe.py times ONNX Runtime: the same questions on standard input,
// the same rows, the same way to sample.
package probe

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"rollproof/model"
	"rollproof/model/format"
)

const (
	// windows is how many different inputs take turns.
	windows = 64
	// least is how long a sample takes at least.
	least = 100 * time.Microsecond
)

// Rows reads the rows of a file that peers/train.py wrote.
func Rows(path string) ([][]float32, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Rows [][]float32 `json:"rows"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for i, row := range file.Rows {
		if len(row) == 0 || len(row) != len(file.Rows[0]) {
			return nil, fmt.Errorf("%s: row %d has %d columns, want as many as the first, one or more", path, i, len(row))
		}
	}
	if len(file.Rows) == 0 {
		return nil, fmt.Errorf("%s has no rows", path)
	}
	return file.Rows, nil
}

// Answer reads questions from in until it ends: each line "ROWS MILLISECONDS" is
// answered with the nanoseconds that a call with that many rows takes, the median of
// samples over that time.
func Answer(ctx context.Context, artifact *model.Artifact, rows [][]float32, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var count, milliseconds int
		if _, err := fmt.Sscanf(lines.Text(), "%d %d", &count, &milliseconds); err != nil {
			return fmt.Errorf("the question %q: %w, want ROWS MILLISECONDS", lines.Text(), err)
		}
		inputs, err := take(artifact, rows, count)
		if err != nil {
			return err
		}
		took, err := measure(ctx, artifact, inputs, time.Duration(milliseconds)*time.Millisecond)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%.1f\n", took); err != nil {
			return err
		}
	}
	return lines.Err()
}

// take returns the inputs that take turns, of count rows each.
func take(artifact *model.Artifact, rows [][]float32, count int) ([][]model.Value, error) {
	if count < 1 || count > len(rows) {
		return nil, fmt.Errorf("%d rows are asked for, want 1 to %d", count, len(rows))
	}
	if len(artifact.Inputs) != 1 || artifact.Inputs[0].Datatype != model.FP32 {
		return nil, fmt.Errorf("the model takes %+v, want one input of FP32", artifact.Inputs)
	}
	inputs := make([][]model.Value, windows)
	for i := range inputs {
		in := make([]model.Value, 1)
		in[0].Reset(model.FP32, int64(count), int64(len(rows[0])))
		start := i * count % (len(rows) - count + 1)
		in[0].Floats = in[0].Floats[:0]
		for _, row := range rows[start : start+count] {
			in[0].Floats = append(in[0].Floats, row...)
		}
		if err := artifact.Inputs[0].Fits(&in[0]); err != nil {
			return nil, err
		}
		inputs[i] = in
	}
	return inputs, nil
}

// measure is the median, in nanoseconds of one call, of samples over a time.
func measure(ctx context.Context, artifact *model.Artifact, inputs [][]model.Value, over time.Duration) (float64, error) {
	out := make([]model.Value, len(artifact.Outputs))
	sample := func(repeats int) (float64, error) {
		begin := time.Now()
		for range repeats {
			for _, in := range inputs {
				if err := artifact.Predict(ctx, in, out); err != nil {
					return 0, err
				}
			}
		}
		return float64(time.Since(begin).Nanoseconds()) / float64(repeats*len(inputs)), nil
	}
	first, err := sample(1)
	if err != nil {
		return 0, err
	}
	repeats := max(1, int(float64(least.Nanoseconds())/(first*float64(len(inputs)))))
	var samples []float64
	for end := time.Now().Add(over); len(samples) == 0 || time.Now().Before(end); {
		took, err := sample(repeats)
		if err != nil {
			return 0, err
		}
		samples = append(samples, took)
	}
	slices.Sort(samples)
	return samples[len(samples)/2], nil
}

// Run answers the questions on in for the model and the rows of two files.
func Run(ctx context.Context, modelPath, rowsPath string, in io.Reader, out io.Writer) error {
	artifact, err := format.ReadFile(modelPath)
	if err != nil {
		return err
	}
	rows, err := Rows(rowsPath)
	if err != nil {
		return err
	}
	return Answer(ctx, artifact, rows, in, out)
}
