package onnx

import (
	"context"
	"fmt"

	"rollproof/model"
	"rollproof/model/tree"
)

// linear is the compute of LinearClassifier and LinearRegressor: scores are products
// of a row with rows of coefficients.
type linear struct {
	coefficients []float64 // scores x columns
	intercepts   []float64
	columns      int
	scores       int
}

// newLinear divides the coefficients among the scores.
func newLinear(coefficients, intercepts []float32, scores, columns int) (*linear, error) {
	l := &linear{scores: scores, intercepts: make([]float64, scores)}
	if scores < 1 || scores > tree.MaxScores || len(coefficients) == 0 || len(coefficients)%scores != 0 {
		return nil, fmt.Errorf("%d coefficients for %d scores: %w", len(coefficients), scores, ErrInvalid)
	}
	if l.columns = len(coefficients) / scores; columns != 0 && columns != l.columns {
		return nil, fmt.Errorf("%d coefficients for %d scores of %d columns: %w", len(coefficients), scores, columns, ErrInvalid)
	}
	for _, x := range coefficients {
		l.coefficients = append(l.coefficients, float64(x))
	}
	for i, x := range intercepts {
		l.intercepts[i] = float64(x)
	}
	return l, nil
}

// row computes the scores of row i of x.
func (l *linear) row(x *model.Value, i int, scores []float64) {
	for k := range scores {
		weights := l.coefficients[k*l.columns : (k+1)*l.columns]
		total := 0.0
		switch x.Datatype.Storage() {
		case model.Floats:
			for j, v := range x.Floats[i*l.columns : (i+1)*l.columns] {
				total += float64(v) * weights[j]
			}
		case model.Doubles: // ONNX Runtime rounds them first
			for j, v := range x.Doubles[i*l.columns : (i+1)*l.columns] {
				total += float64(float32(v)) * weights[j]
			}
		default:
			for j, v := range x.Ints[i*l.columns : (i+1)*l.columns] {
				total += float64(float32(v)) * weights[j]
			}
		}
		scores[k] = total + l.intercepts[k]
	}
}

// wantColumns returns the rows of x, whose width must be that.
func wantColumns(x *model.Value, columns int) (rows int, err error) {
	rows, width, err := matrix(x)
	if err == nil && width != columns {
		err = fmt.Errorf("%d columns, want %d: %w", width, columns, model.ErrInput)
	}
	return rows, err
}

// buildLinearClassifier compiles LinearClassifier.
func buildLinearClassifier(b *builder) error {
	columns, err := b.wantRows()
	if err != nil {
		return err
	}
	intercepts, coefficients := b.floats("intercepts"), b.floats("coefficients")
	classes, err := readLabels(b, "classlabels_ints", "classlabels_strings")
	if err != nil {
		return err
	}
	transform, err := transformOf(b.text("post_transform", "NONE"))
	if err != nil {
		return err
	}
	b.integer("multi_class", 0) // one against the rest or not: the numbers are the same
	scores := len(intercepts)
	if scores == 0 {
		scores = classes.len()
	}
	if classes.len() != scores && (scores != 1 || classes.len() != 2) {
		return fmt.Errorf("%d classes with %d scores: %w", classes.len(), scores, ErrInvalid)
	}
	l, err := newLinear(coefficients, intercepts, scores, columns)
	if err != nil {
		return err
	}
	b.output(0, classes.datatype(), b.rowsShape())
	b.output(1, model.FP32, b.rowsShape(int64(classes.len())))
	for len(b.outs) < 2 { // the scores, which nobody wants
		b.outs = append(b.outs, &operand{slot: b.scratch()})
	}
	b.outs[1].labels = classes.names()
	b.emit(func(ctx context.Context, c call) error { return l.classify(ctx, c, &classes, transform) }, b.scratch())
	return nil
}

// classify is LinearClassifier's kernel.
func (l *linear) classify(ctx context.Context, c call, classes *labels, t transform) error {
	x, label, out, scratch := c.in(0), c.out(0), c.out(1), c.out(2)
	rows, err := wantColumns(x, l.columns)
	if err != nil {
		return err
	}
	n := classes.len()
	if err := c.reset(label, classes.datatype(), int64(rows)); err != nil {
		return err
	}
	if err := c.reset(out, model.FP32, int64(rows), int64(n)); err != nil {
		return err
	}
	if err := c.reset(scratch, model.FP64, int64(l.scores)); err != nil {
		return err
	}
	if err := c.labour(int64(rows) * int64(len(l.coefficients))); err != nil {
		return err
	}
	scores := scratch.Doubles
	for i := range rows {
		if i%1024 == 1023 && ctx.Err() != nil {
			return ctx.Err()
		}
		l.row(x, i, scores)
		y := out.Floats[i*n : (i+1)*n]
		best := 0
		switch {
		case len(scores) == 1 && n == 2:
			if float32(scores[0]) > 0 {
				best = 1
			}
			// ONNX Runtime takes a single score for a probability here, whatever
			// its sign.
			first, second := t.pair(scores[0], true)
			y[0], y[1] = float32(first), float32(second)
		default:
			for k, s := range scores {
				if float32(s) > float32(scores[best]) {
					best = k
				}
			}
			t.apply(scores)
			for k, s := range scores {
				y[k] = float32(s)
			}
		}
		classes.put(label, i, best)
	}
	return nil
}

// buildLinearRegressor compiles LinearRegressor.
func buildLinearRegressor(b *builder) error {
	columns, err := b.wantRows()
	if err != nil {
		return err
	}
	intercepts, coefficients := b.floats("intercepts"), b.floats("coefficients")
	targets := int(min(max(b.integer("targets", 1), 0), tree.MaxScores+1))
	transform, err := transformOf(b.text("post_transform", "NONE"))
	if err != nil {
		return err
	}
	if len(intercepts) != targets {
		intercepts = nil // ONNX Runtime ignores what does not fit
	}
	l, err := newLinear(coefficients, intercepts, targets, columns)
	if err != nil {
		return err
	}
	b.output(0, model.FP32, b.rowsShape(int64(targets)))
	b.emit(func(ctx context.Context, c call) error { return l.regress(ctx, c, transform) }, b.scratch())
	return nil
}

// regress is LinearRegressor's kernel.
func (l *linear) regress(ctx context.Context, c call, t transform) error {
	x, out, scratch := c.in(0), c.out(0), c.out(1)
	rows, err := wantColumns(x, l.columns)
	if err != nil {
		return err
	}
	if err := c.reset(out, model.FP32, int64(rows), int64(l.scores)); err != nil {
		return err
	}
	if err := c.reset(scratch, model.FP64, int64(l.scores)); err != nil {
		return err
	}
	if err := c.labour(int64(rows) * int64(len(l.coefficients))); err != nil {
		return err
	}
	scores := scratch.Doubles
	for i := range rows {
		if i%1024 == 1023 && ctx.Err() != nil {
			return ctx.Err()
		}
		l.row(x, i, scores)
		if l.scores > 1 || t == probit {
			t.apply(scores)
		}
		for k, s := range scores {
			out.Floats[i*l.scores+k] = float32(s)
		}
	}
	return nil
}
