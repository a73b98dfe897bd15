//go:build !race

// The race detector makes sync.Pool forget, so that there would be allocations.

package breastcancer_test

import (
	"runtime/debug"
	"testing"

	"rollproof/model"
)

func TestPredictAllocatesNothing(t *testing.T) {
	g := readGoldens(t)
	a := readVersion(t, "2")
	in, out := g.input(0, len(g.Rows)), make([]model.Value, 2)
	predict := func() {
		if err := a.Predict(t.Context(), in, out); err != nil {
			t.Error(err)
		}
	}
	predict()
	// A collection between two calls empties the pool of scratch space, which is no
	// allocation of the call's own.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	if n := testing.AllocsPerRun(5, predict); n != 0 {
		t.Errorf("%v allocations a call, want none", n)
	}
}
