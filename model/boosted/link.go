package boosted

import (
	"math"
	"slices"
)

// Link is what an objective makes of a row's raw scores.
type Link uint8

// The links: each takes every score on its own, but Softmax and
// Ascending, which take all of a row.
const (
	Identity Link = iota
	// Sigmoid is 1/(1+e^-sx) with Head.Scale as s.
	Sigmoid
	// Softmax is e^x over the sum of the e^x of the row.
	Softmax
	// Exp is e^x (Poisson, gamma, Tweedie, Cox, accelerated failure time).
	Exp
	// Step is 1 for x above 0 and else 0 (hinge).
	Step
	// Log1pExp is ln(1+e^x) (LightGBM's cross_entropy_lambda).
	Log1pExp
	// SignedSquare is x|x| (LightGBM's reg_sqrt).
	SignedSquare
	// Ascending sorts the scores of a row (several quantiles in XGBoost from 3.4 on).
	Ascending
)

// apply replaces a row's raw scores by what the link makes of them.
func (l Link) apply(scores []float64, scale float64) {
	switch l {
	case Sigmoid:
		for i, x := range scores {
			scores[i] = sigmoid(scale * x)
		}
	case Softmax:
		softmax(scores)
	case Exp:
		for i, x := range scores {
			scores[i] = math.Exp(x)
		}
	case Step:
		for i, x := range scores {
			scores[i] = 0
			if x > 0 {
				scores[i] = 1
			}
		}
	case Log1pExp:
		for i, x := range scores {
			scores[i] = math.Log1p(math.Exp(x))
		}
	case SignedSquare:
		for i, x := range scores {
			scores[i] = x * math.Abs(x)
		}
	case Ascending:
		slices.Sort(scores)
	}
}

// applySingle is apply with Sigmoid and Softmax in float32 and without a scale. The
// other links need nothing of their own: rounding what they give in float64 is as near
// to XGBoost's float32 functions as those are to each other.
func (l Link) applySingle(scores []float64) {
	switch l {
	case Sigmoid:
		for i, x := range scores {
			scores[i] = float64(sigmoidSingle(float32(x)))
		}
	case Softmax:
		softmaxSingle(scores)
	default:
		l.apply(scores, 1)
	}
}

// expSingle is e^x in float32, correctly rounded but for a rare last bit.
func expSingle(x float32) float32 { return float32(math.Exp(float64(x))) }

// sigmoidSingle has the steps of XGBoost's
// (https://github.com/dmlc/xgboost/blob/v3.0.0/src/common/math.h): -x is cut at 88.7,
// where e^x would overflow.
func sigmoidSingle(x float32) float32 {
	return 1 / (expSingle(min(-x, 88.7)) + 1)
}

// softmaxSingle has the steps of XGBoost's in the same file: the largest score is taken
// off, the sum is float64 and is rounded once.
func softmaxSingle(scores []float64) {
	largest := float32(scores[0])
	for _, x := range scores {
		largest = max(largest, float32(x))
	}
	total := 0.0
	for i, x := range scores {
		e := expSingle(float32(x) - largest)
		scores[i] = float64(e)
		total += scores[i]
	}
	for i, e := range scores {
		scores[i] = float64(float32(e) / float32(total))
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

// softmax does not overflow: the largest score is taken off first.
func softmax(scores []float64) {
	largest := scores[0]
	for _, x := range scores {
		largest = max(largest, x)
	}
	total := 0.0
	for i, x := range scores {
		scores[i] = math.Exp(x - largest)
		total += scores[i]
	}
	for i := range scores {
		scores[i] /= total
	}
}
