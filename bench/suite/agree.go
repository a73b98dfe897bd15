package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
)

// tolerance is how far a probability may be from scikit-learn's: ONNX Runtime sums a
// hundred trees in float32.
const tolerance = 1e-5

// agree asks a server for every row and holds its answers against scikit-learn's, so
// that what is measured is known to do the same work.
func (r *run) agree(ctx context.Context, url, name string) error {
	var want [][]float64
	for _, m := range r.models {
		if m.name == name {
			want = m.wants
		}
	}
	for i, body := range r.bodies {
		text, err := post(ctx, url, body)
		if err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
		got, err := probabilities(text)
		if err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
		if len(got) != len(want[i]) {
			return fmt.Errorf("row %d: probabilities %v of %s, want %v", i, got, url, want[i])
		}
		for c := range got {
			if !(math.Abs(got[c]-want[i][c]) <= tolerance) {
				return fmt.Errorf("row %d: probabilities %v of %s, want %v", i, got, url, want[i])
			}
		}
	}
	return nil
}

// post sends one body and returns the answer, which must be a 200.
func post(ctx context.Context, url string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s: %.200s", url, answer.Status, text)
	}
	return text, nil
}

// probabilities reads those of one row out of an answer: of the Open Inference
// Protocol, or of the peers' plain form.
func probabilities(text []byte) ([]float64, error) {
	var answer struct {
		Outputs []struct {
			Name string    `json:"name"`
			Data []float64 `json:"data"`
		} `json:"outputs"`
		Probabilities [][]float64 `json:"probabilities"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("the answer %.200s: %w", text, err)
	}
	if len(answer.Probabilities) == 1 {
		return answer.Probabilities[0], nil
	}
	for _, o := range answer.Outputs {
		if o.Name == "probabilities" {
			return o.Data, nil
		}
	}
	return nil, fmt.Errorf("the answer %.200s has no probabilities of one row", text)
}
