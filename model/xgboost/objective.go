package xgboost

import (
	"fmt"
	"math"
	"strings"

	"rollproof/model/boosted"
)

// space is what a file's base_score is a value of.
type space uint8

const (
	// margin: base_score is a score.
	_ space = iota
	// logit: base_score is a probability, the score its logit.
	logit
	// logarithm: base_score is a prediction, the score its logarithm.
	logarithm
)

// head is what becomes of the scores, and the space of the base score.
type head struct {
	boosted.Head
	space space
}

// head returns the objective's head. What each does to a score and to base_score is in
// XGBoost's src/objective (https://github.com/dmlc/xgboost/tree/v3.0.0/src/objective).
func (l *learner) head() (*head, error) {
	outputs := l.outputs()
	h := &head{Head: boosted.Head{Columns: l.columns, Scores: outputs, Single: true, Features: l.features}}
	switch l.objective {
	case "reg:squarederror", "reg:linear", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror",
		"rank:pairwise", "rank:ndcg", "rank:map":
	case "reg:quantileerror":
		if outputs > 1 && len(l.version) > 0 && !l.before(3, 4) {
			h.Link = boosted.Ascending
		}
	case "reg:expectileerror":
		if outputs > 1 || strings.Contains(l.alphas, ",") {
			return nil, fmt.Errorf("objective %q with several alphas, want one: %w", l.objective, ErrUnsupported)
		}
	case "binary:logitraw":
		if l.before(1, 3, 1) {
			h.space = logit
		}
	case "reg:logistic":
		h.Link, h.space = boosted.Sigmoid, logit
	case "binary:logistic":
		h.Link, h.space = boosted.Sigmoid, logit
		if outputs == 1 {
			h.Classes = 2
		}
	case "binary:hinge":
		h.Link = boosted.Step
	case "multi:softprob", "multi:softmax":
		if outputs < 2 {
			return nil, fmt.Errorf("objective %q of num_class %d, want 2 or more: %w", l.objective, l.classes, ErrInvalid)
		}
		h.Link, h.Classes = boosted.Softmax, outputs
		h.ScoreLabels = l.objective == "multi:softmax"
	case "count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft":
		h.Link, h.space = boosted.Exp, logarithm
	default:
		return nil, fmt.Errorf("objective %q, whose way from scores to predictions is not known: %w", l.objective, ErrUnsupported)
	}
	return h, nil
}

// base returns the scores that sums begin with, one for each output. A file has one for
// all, or from 3.1 on a list in brackets.
func (l *learner) base(sp space) ([]float32, error) {
	text := strings.TrimSpace(l.baseScore)
	if inner, bracketed := strings.CutPrefix(text, "["); bracketed {
		inner, closed := strings.CutSuffix(inner, "]")
		if !closed {
			return nil, fmt.Errorf("base_score %q has no closing bracket: %w", text, ErrInvalid)
		}
		text = inner
	}
	parts := strings.Split(text, ",")
	outputs := l.outputs()
	if len(parts) != 1 && len(parts) != outputs {
		return nil, fmt.Errorf("base_score has %d values for %d outputs: %w", len(parts), outputs, ErrInvalid)
	}
	base := make([]float32, outputs)
	for i := range base {
		part := strings.TrimSpace(parts[min(i, len(parts)-1)])
		var v float32
		err := errNumber
		if part != "" {
			v, err = number([]byte(part))
		}
		if err != nil || !finite(v) {
			return nil, fmt.Errorf("base_score %q, want a number or a list of them: %w", l.baseScore, ErrInvalid)
		}
		if base[i], err = sp.margin(v, !l.before(3, 1)); err != nil {
			return nil, fmt.Errorf("base_score of objective %q: %w", l.objective, err)
		}
	}
	return base, nil
}

// margin is the score of a base score, in the steps of XGBoost's float32. bounded keeps
// probabilities from 0 and 1.
func (sp space) margin(v float32, bounded bool) (float32, error) {
	switch sp {
	case logit:
		if v < 0 || v > 1 {
			return 0, fmt.Errorf("%g, want a probability: %w", v, ErrInvalid)
		}
		// 0 and 1 come of labels that are all the same. Releases that take them, from
		// 3.1 on, keep every probability this far from them
		// (https://github.com/dmlc/xgboost/issues/11499).
		const edge float32 = 1e-6
		if bounded || v == 0 || v == 1 {
			v = min(max(v, edge), 1-edge)
		}
		return float32(-math.Log(float64(1/v - 1))), nil
	case logarithm:
		if v <= 0 {
			return 0, fmt.Errorf("%g, want a number above 0: %w", v, ErrInvalid)
		}
		return float32(math.Log(float64(v))), nil
	}
	return v, nil
}

// finite says whether a number is one.
func finite(v float32) bool {
	return !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0)
}
