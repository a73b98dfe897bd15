package onnx

import (
	"fmt"
	"math"
)

// transform is what becomes of the scores of a row.
type transform uint8

const (
	none transform = iota
	softmax
	logistic
	softmaxZero
	probit
)

// transformOf translates a post_transform.
func transformOf(name string) (transform, error) {
	switch name {
	case "NONE", "":
		return none, nil
	case "LOGISTIC":
		return logistic, nil
	case "SOFTMAX":
		return softmax, nil
	case "SOFTMAX_ZERO":
		return softmaxZero, nil
	case "PROBIT":
		return probit, nil
	}
	return none, fmt.Errorf("post_transform %q is %w", name, ErrUnsupported)
}

// apply replaces the scores of a row, two or more.
func (t transform) apply(row []float64) {
	switch t {
	case logistic:
		for i, x := range row {
			row[i] = sigmoid(x)
		}
	case softmax, softmaxZero:
		soften(row, t == softmaxZero)
	case probit:
		for i, x := range row {
			row[i] = normalQuantile(x)
		}
	}
}

// soften is softmax without overflow: the largest score is taken off first. With
// keepZeros it leaves zeros out of the sum, as SOFTMAX_ZERO does.
func soften(row []float64, keepZeros bool) {
	const nothing = 1e-7 // what counts as zero, from ONNX Runtime
	largest := math.Inf(-1)
	for _, x := range row {
		largest = max(largest, x)
	}
	total := 0.0
	for i, x := range row {
		if keepZeros && math.Abs(x) <= nothing {
			row[i] = x * math.Exp(-largest)
			continue
		}
		row[i] = math.Exp(x - largest)
		total += row[i]
	}
	for i := range row {
		row[i] /= total
	}
}

// sigmoid is 1/(1+e^-x) without overflow: e^-x is taken of |x| only.
func sigmoid(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + math.Exp(-x))
	}
	e := math.Exp(x)
	return e / (1 + e)
}

// normalQuantile is PROBIT: the inverse of the normal distribution by Winitzki's
// approximation, the one that ONNX Runtime takes (good to two or three digits).
func normalQuantile(p float64) float64 {
	const a = float32(0.147)
	x := 2*float32(p) - 1
	log := float32(math.Log(float64((1 - x) * (1 + x))))
	v := 2/(math.Pi*a) + 0.5*log
	root := float32(math.Sqrt(float64(v*v - log/a)))
	y := float32(math.Sqrt(float64(root - v)))
	if x < 0 {
		y = -y
	}
	return float64(float32(math.Sqrt2) * y)
}

// pair makes two scores of one, as ONNX Runtime does. Scores that are made of weights
// none of which is negative count as probabilities, others as a distance from zero.
func (t transform) pair(score float64, positive bool) (first, second float64) {
	switch {
	case t == probit:
		return normalQuantile(1 - score), normalQuantile(score)
	case positive:
		return 1 - score, score
	case t == logistic:
		// Each from its own side: 1-p would lose the digits of a small p.
		return sigmoid(-score), sigmoid(score)
	}
	return -score, score
}
