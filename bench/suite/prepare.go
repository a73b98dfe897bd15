package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"rollproof/bench/load"
)

// The models that peers/train.py writes.
const (
	boosting = "gbc"
	forest   = "rf"
)

// titles are the models for people.
var titles = map[string]string{
	boosting: "gradient boosting of 100 trees",
	forest:   "random forest of 100 trees",
}

// trained is a model with what scikit-learn answers for the rows.
type trained struct {
	name  string
	wants [][]float64 // probabilities
}

// python runs a program of one of the environments to its end.
func (r *run) python(ctx context.Context, environment string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(r.Root, "scripts", "python.sh"), append([]string{environment}, args...)...)
	cmd.Env = append(os.Environ(), "OUT="+r.work)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%v in %s: %w: %s", args, environment, err, bytes.TrimSpace(said.Bytes()))
	}
	return out, nil
}

// prepare trains the models and makes the requests.
func (r *run) prepare(ctx context.Context) error {
	r.say("==> train the models with the scikit-learn that serves them")
	if _, err := r.python(ctx, "bookworm", "python3", "bench/peers/train.py", "/out"); err != nil {
		return err
	}
	for environment, packages := range map[string][]string{
		"bookworm": {"flask", "gunicorn", "scikit-learn", "numpy"},
		"trixie":   {"fastapi", "uvicorn", "uvloop", "httptools", "orjson", "onnxruntime", "numpy"},
	} {
		if err := r.versions(ctx, environment, packages); err != nil {
			return err
		}
	}
	path := filepath.Join(r.work, "rows.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var file struct {
		Rows          [][]float32            `json:"rows"`
		Probabilities map[string][][]float64 `json:"probabilities"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	r.rows = file.Rows
	for _, row := range r.rows {
		body, err := inferBody(row)
		if err != nil {
			return err
		}
		r.bodies = append(r.bodies, body)
	}
	for _, name := range []string{boosting, forest} {
		wants := file.Probabilities[name]
		if len(wants) != len(r.bodies) || len(wants) == 0 {
			return fmt.Errorf("%s: %d answers of %s for %d rows, want one each", path, len(wants), name, len(r.bodies))
		}
		r.models = append(r.models, trained{name: name, wants: wants})
	}
	r.wrk, err = load.NewWrk(r.work, r.bodies, r.ClientCore, connections)
	return err
}

// versions notes which versions an environment has.
func (r *run) versions(ctx context.Context, environment string, packages []string) error {
	text, err := r.python(ctx, environment, append([]string{"python3", "bench/peers/versions.py"}, packages...)...)
	if err != nil {
		return err
	}
	found := map[string]string{}
	if err := json.Unmarshal(text, &found); err != nil {
		return fmt.Errorf("the versions of %s: %w", environment, err)
	}
	for name, version := range found {
		if name == "python" || name == "numpy" { // both have one
			name += " (" + environment + ")"
		}
		r.document.Versions[name] = version
	}
	return nil
}

// inferBody is a request for rows, one or more, by the Open Inference Protocol: the
// body that everything that is measured here is sent.
func inferBody(rows ...[]float32) ([]byte, error) {
	type input struct {
		Name     string    `json:"name"`
		Shape    []int     `json:"shape"`
		Datatype string    `json:"datatype"`
		Data     []float32 `json:"data"`
	}
	return json.Marshal(map[string][]input{"inputs": {
		{"X", []int{len(rows), len(rows[0])}, "FP32", slices.Concat(rows...)},
	}})
}
