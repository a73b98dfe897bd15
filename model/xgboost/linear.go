package xgboost

import (
	"context"
	"fmt"

	"rollproof/model"
	"rollproof/model/boosted"
	"rollproof/model/tree"
)

// linear scores rows by gblinear's weights, in float32 and in the order of the columns,
// as XGBoost does (https://github.com/dmlc/xgboost/blob/v3.0.0/src/gbm/gblinear.cc). A
// missing value adds nothing.
type linear struct {
	columns, outputs int
	// weights of the columns, all outputs of a column together.
	weights []float32
	// start of each sum: the bias and the base score, added first.
	start []float32
}

// linear makes the artifact of a gblinear booster. Its weights are those of the
// columns, and behind them the biases.
func (l *learner) linear(a *model.Artifact, h boosted.Head, base []float32) error {
	outputs := l.outputs()
	if want := (l.columns + 1) * outputs; len(l.weights) != want {
		return fmt.Errorf("gblinear has %d weights, want %d for %d columns, the bias and %d outputs: %w",
			len(l.weights), want, l.columns, outputs, ErrInvalid)
	}
	for i, w := range l.weights {
		if !finite(w) {
			return fmt.Errorf("gblinear's weight %d is %v, want a number: %w", i, w, ErrInvalid)
		}
	}
	bias := l.weights[l.columns*outputs:]
	m := &linear{columns: l.columns, outputs: outputs, weights: l.weights[:l.columns*outputs]}
	for i, b := range base {
		m.start = append(m.start, bias[i]+b)
	}
	p := boosted.New(m, h)
	a.Predictor = p
	a.Inputs, a.Outputs = p.Tensors()
	a.Summary.Bytes = 4 * int64(len(m.weights)+len(m.start))
	return nil
}

// Scores implements boosted.Scorer.
func (m *linear) Scores(ctx context.Context, rows []float32, scores []float64) error {
	n := len(rows) / m.columns
	if len(rows) != n*m.columns || len(scores) != n*m.outputs {
		return fmt.Errorf("%d values and %d scores, want a multiple of %d and of %d: %w",
			len(rows), len(scores), m.columns, m.outputs, tree.ErrBuffer)
	}
	for i := range n {
		if i%1024 == 1023 && ctx.Err() != nil {
			return ctx.Err()
		}
		row := rows[i*m.columns : (i+1)*m.columns]
		for j := range m.outputs {
			scores[i*m.outputs+j] = float64(m.score(row, j))
		}
	}
	return nil
}

// score is a row's score of one output.
func (m *linear) score(row []float32, output int) float32 {
	sum := m.start[output]
	for i, x := range row {
		if x == x { // else missing
			// The conversion keeps the two roundings that XGBoost's have.
			sum += float32(x * m.weights[i*m.outputs+output])
		}
	}
	return sum
}
