// Package boosted is what the readers of boosting libraries' own files (model/xgboost,
// model/lightgbm) share: raw scores go through the objective's link and become labels
// and probabilities, or values. It reads no format and evaluates no trees.
package boosted

import (
	"context"
	"sync"

	"rollproof/model"
	"rollproof/model/tree"
)

// The names of the tensors, as the formats have none.
const (
	// InputName is the input: rows, [Any, columns].
	InputName = "input"
	// LabelName and ProbabilitiesName are a classifier's outputs: the class that is
	// most likely, INT64 [Any], and FP32 [Any, classes].
	LabelName         = "label"
	ProbabilitiesName = "probabilities"
	// PredictName is the output of every other model: [Any], or [Any, scores].
	PredictName = "predict"
)

// Scorer computes raw scores: rows (row-major) in, scores (row-major) out.
// tree.Evaluator is one.
type Scorer[F tree.Float] interface {
	Scores(ctx context.Context, rows []F, scores []float64) error
}

// Head is what becomes of the scores.
type Head struct {
	// Columns is the width of a row, Scores the number of raw scores a row has.
	Columns, Scores int
	// Link of the scores.
	Link Link
	// Scale is Sigmoid's; 0 is 1.
	Scale float64
	// Classes is 0 for a model that gives values; else 2 with one score, which is the
	// second class's, or the number of Scores. Labels are 0 to Classes-1.
	Classes int
	// Double gives values as FP64 instead of FP32.
	Double bool
	// Single computes Sigmoid and Softmax in float32, step by step as XGBoost does.
	Single bool
	// ScoreLabels takes labels of several scores from those (XGBoost's multi:softmax).
	// Else labels are taken from what the link gives: the second class above a half,
	// the first of the largest. Scores within a rounding of each other are equal then,
	// as for a caller of the libraries' scikit-learn wrappers.
	ScoreLabels bool
	// Features are the names of the columns, nil if the file has none.
	Features []string
}

// Predictor is a model.Predictor.
type Predictor[F tree.Float] struct {
	scorer Scorer[F]
	head   Head
	pool   sync.Pool // of *[]float64
}

// New returns the predictor of a scorer and its head. Rows are FP32 or FP64 as F says.
func New[F tree.Float](s Scorer[F], h Head) *Predictor[F] {
	if h.Scale == 0 {
		h.Scale = 1
	}
	return &Predictor[F]{scorer: s, head: h}
}

// Tensors describes the inputs and outputs.
func (p *Predictor[F]) Tensors() (inputs, outputs []model.Tensor) {
	h := &p.head
	datatype := model.FP32
	if _, double := any(F(0)).(float64); double {
		datatype = model.FP64
	}
	inputs = []model.Tensor{{Name: InputName, Datatype: datatype, Shape: []int64{model.Any, int64(h.Columns)}, Labels: h.Features}}
	if h.Classes > 0 {
		return inputs, []model.Tensor{
			{Name: LabelName, Datatype: model.Int64, Shape: []int64{model.Any}},
			{Name: ProbabilitiesName, Datatype: model.FP32, Shape: []int64{model.Any, int64(h.Classes)}},
		}
	}
	shape := []int64{model.Any}
	if h.Scores > 1 {
		shape = append(shape, int64(h.Scores))
	}
	return inputs, []model.Tensor{{Name: PredictName, Datatype: h.value(), Shape: shape}}
}

// value is the datatype of values.
func (h *Head) value() model.Datatype {
	if h.Double {
		return model.FP64
	}
	return model.FP32
}

// Predict implements model.Predictor.
func (p *Predictor[F]) Predict(ctx context.Context, in, out []model.Value) error {
	h, rows := &p.head, in[0].Rows()
	var values []F
	switch list := any(&values).(type) {
	case *[]float32:
		*list = in[0].Floats
	case *[]float64:
		*list = in[0].Doubles
	}
	buffer, ok := p.pool.Get().(*[]float64)
	if !ok {
		buffer = new([]float64)
	}
	defer p.pool.Put(buffer)
	*buffer = model.Sized(*buffer, rows*h.Scores)
	scores := *buffer
	if err := p.scorer.Scores(ctx, values, scores); err != nil {
		return err
	}
	if h.Classes > 0 {
		h.classify(rows, scores, &out[0], &out[1])
		return nil
	}
	if h.Scores > 1 {
		out[0].Reset(h.value(), int64(rows), int64(h.Scores))
	} else {
		out[0].Reset(h.value(), int64(rows))
	}
	for i := range rows {
		h.link(scores[i*h.Scores : (i+1)*h.Scores])
	}
	if h.Double {
		copy(out[0].Doubles, scores)
		return nil
	}
	for i, x := range scores {
		out[0].Floats[i] = float32(x)
	}
	return nil
}

// link applies the head's link to a row's scores.
func (h *Head) link(scores []float64) {
	if h.Single {
		h.Link.applySingle(scores)
		return
	}
	h.Link.apply(scores, h.Scale)
}

// classify fills labels and probabilities. Of equals the first class wins, as in numpy's
// argmax; of two classes with one score the second needs more than a half.
func (h *Head) classify(rows int, scores []float64, labels, probabilities *model.Value) {
	labels.Reset(model.Int64, int64(rows))
	probabilities.Reset(model.FP32, int64(rows), int64(h.Classes))
	if h.Scores == 1 {
		for i, x := range scores {
			labels.Ints[i], probabilities.Floats[2*i], probabilities.Floats[2*i+1] = h.pair(x)
		}
		return
	}
	for i := range rows {
		row := scores[i*h.Scores : (i+1)*h.Scores]
		if h.ScoreLabels {
			labels.Ints[i] = largest(row)
			h.link(row)
		} else {
			h.link(row)
			labels.Ints[i] = largest(row)
		}
		for j, x := range row {
			probabilities.Floats[i*h.Classes+j] = float32(x)
		}
	}
}

// pair is the label and both probabilities of two classes with one score.
func (h *Head) pair(x float64) (label int64, first, second float32) {
	if h.Single {
		second = sigmoidSingle(float32(x))
		if second > 0.5 {
			label = 1
		}
		return label, 1 - second, second
	}
	if h.Link == Identity { // the score is the probability
		if x > 0.5 {
			label = 1
		}
		return label, float32(1 - x), float32(x)
	}
	p := sigmoid(h.Scale * x)
	if p > 0.5 {
		label = 1
	}
	// Each from its own side: 1-p would lose the digits of a small p.
	return label, float32(sigmoid(-h.Scale * x)), float32(p)
}

// largest is the index of the first of the largest.
func largest(row []float64) int64 {
	best := 0
	for j, x := range row {
		if x > row[best] {
			best = j
		}
	}
	return int64(best)
}
