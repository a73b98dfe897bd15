//go:build !race

// The race detector makes sync.Pool forget, so that there would be allocations.

package onnx

import (
	"os"
	"path/filepath"
	"testing"

	"rollproof/model"
)

// TestPredictAllocatesNothing holds the hot path: one ensemble behind a float input,
// one row and a few.
func TestPredictAllocatesNothing(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "breastcancer", "v1", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := Read(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, rows := range []int64{1, 10} {
		in, out := make([]model.Value, 1), make([]model.Value, 2)
		in[0].Reset(model.FP32, rows, 30)
		predict := func() {
			if err := a.Predict(t.Context(), in, out); err != nil {
				t.Error(err)
			}
		}
		predict()
		if n := testing.AllocsPerRun(100, predict); n != 0 {
			t.Errorf("%d rows: %v allocations a call, want none", rows, n)
		}
	}
}
