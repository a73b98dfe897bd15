package boosted

import (
	"context"
	"math"
	"testing"

	"rollproof/model"
)

// fixed is a Scorer that gives the rows themselves.
type fixed struct{}

func (fixed) Scores(_ context.Context, rows []float32, scores []float64) error {
	for i, x := range rows {
		scores[i] = float64(x)
	}
	return nil
}

// predict runs rows of that width through a head.
func predict(t *testing.T, h Head, rows ...float32) []model.Value {
	t.Helper()
	p := New(fixed{}, h)
	in := []model.Value{{}}
	in[0].Reset(model.FP32, int64(len(rows)/h.Columns), int64(h.Columns))
	copy(in[0].Floats, rows)
	_, outputs := p.Tensors()
	out := make([]model.Value, len(outputs))
	if err := p.Predict(context.Background(), in, out); err != nil {
		t.Fatal(err)
	}
	for i := range out {
		if err := outputs[i].Fits(&out[i]); err != nil {
			t.Error(err)
		}
	}
	return out
}

// TestSingleSigmoid holds labels to what float32 makes of a score: XGBoost's sigmoid of
// a score just above zero is a half, which is not above a half.
func TestSingleSigmoid(t *testing.T) {
	scores := []float32{0, 2e-8, 6e-8, 2e-7, -2e-7, 100, -100, float32(math.Inf(-1))}
	want := []int64{0, 0, 0, 1, 0, 1, 0, 0}
	h := Head{Columns: 1, Scores: 1, Link: Sigmoid, Classes: 2, Single: true}
	out := predict(t, h, scores...)
	for i, x := range scores {
		label, first, second := out[0].Ints[i], out[1].Floats[2*i], out[1].Floats[2*i+1]
		exact := 1 / (1 + math.Exp(-float64(x)))
		if label != want[i] || math.Abs(float64(second)-exact) > 1e-7 || first != 1-second {
			t.Errorf("score %g: label %d, probabilities %g and %g, want label %d and %g", x, label, first, second, want[i], exact)
		}
	}
}

// TestSingleSoftmax holds labels of equal probabilities to the first class, unless they
// are the scores'.
func TestSingleSoftmax(t *testing.T) {
	h := Head{Columns: 3, Scores: 3, Link: Softmax, Classes: 3, Single: true}
	row := []float32{1e-9, 2e-9, -1} // the first two differ by less than e^x can show
	if out := predict(t, h, row...); out[0].Ints[0] != 0 || out[1].Floats[0] != out[1].Floats[1] {
		t.Errorf("label %d of probabilities %v, want 0 and the first two equal", out[0].Ints[0], out[1].Floats)
	}
	h.ScoreLabels = true
	if out := predict(t, h, row...); out[0].Ints[0] != 1 {
		t.Errorf("label %d by scores, want 1", out[0].Ints[0])
	}
	out := predict(t, h, 3e38, -3e38, 700)
	if p := out[1].Floats; p[0] != 1 || p[1] != 0 || p[2] != 0 {
		t.Errorf("probabilities %v of scores far apart, want 1, 0, 0", p)
	}
}

func TestAscending(t *testing.T) {
	out := predict(t, Head{Columns: 3, Scores: 3, Link: Ascending, Single: true}, 3, 1, 2, -1, -2, 5)
	want := []float32{1, 2, 3, -2, -1, 5}
	for i, x := range out[0].Floats {
		if x != want[i] {
			t.Fatalf("got %v, want %v", out[0].Floats, want)
		}
	}
}
