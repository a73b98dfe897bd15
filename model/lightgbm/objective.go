package lightgbm

import (
	"strconv"
	"strings"

	"rollproof/model/boosted"
)

// head is what the objective makes of the scores: ConvertOutput in LightGBM's
// src/objective, by the name that stands in the file or one of its aliases.
func (h *header) head(f *forest) (boosted.Head, error) {
	head := boosted.Head{Columns: h.columns, Scores: h.perIteration, Double: true, Features: h.features}
	words := strings.Fields(h.objective)
	if len(words) == 0 {
		return head, nil // trained with a function of the user's: raw scores
	}
	single := true // the objective has one score
	switch words[0] {
	case "custom", "none", "null", "na":
		return head, nil
	case "regression", "regression_l2", "l2", "mean_squared_error", "mse", "l2_root", "root_mean_squared_error", "rmse",
		"regression_l1", "l1", "mean_absolute_error", "mae", "fair", "quantile":
		if has(words, "sqrt") {
			head.Link = boosted.SignedSquare
		}
	case "huber", "mape", "mean_absolute_percentage_error": // without the root, whatever reg_sqrt says
	case "lambdarank", "rank_xendcg", "xendcg", "xe_ndcg", "xe_ndcg_mart", "xendcg_mart", "survival":
	case "poisson", "gamma", "tweedie":
		head.Link = boosted.Exp
	case "cross_entropy", "xentropy":
		head.Link = boosted.Sigmoid
	case "cross_entropy_lambda", "xentlambda":
		head.Link = boosted.Log1pExp
	case "binary":
		head.Link, head.Classes = boosted.Sigmoid, 2
	case "multiclass", "softmax":
		head.Link, head.Classes, single = boosted.Softmax, h.classes, false
	case "multiclassova", "multiclass_ova", "ova", "ovr":
		head.Link, head.Classes, single = boosted.Sigmoid, h.classes, false
	default:
		return head, h.objectivePart.errorf("%q is %w", shortened(words[0]), ErrUnsupported)
	}
	if single && h.perIteration != 1 || !single && (h.perIteration != h.classes || h.classes < 2) {
		return head, h.objectivePart.errorf("%q with num_class=%d and num_tree_per_iteration=%d: %w",
			shortened(words[0]), h.classes, h.perIteration, ErrInvalid)
	}
	if err := h.objectiveValues(words, &head); err != nil {
		return head, err
	}
	if h.average && h.version == "v2" {
		return head, h.old(f, &head)
	}
	return head, nil
}

// objectiveValues reads what stands behind the name: sigmoid:k and num_class:n.
func (h *header) objectiveValues(words []string, head *boosted.Head) error {
	scaled := words[0] == "binary" || head.Link == boosted.Sigmoid && head.Classes > 0
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, ":")
		switch {
		case key == "sigmoid" && scaled:
			scale, err := strconv.ParseFloat(value, 64)
			if err != nil || !(scale > 0) || scale-scale != 0 {
				return h.objectivePart.errorf("%q, want sigmoid: and a number above 0: %w", shortened(word), ErrInvalid)
			}
			head.Scale = scale
		case key == "num_class":
			if n, err := strconv.Atoi(value); err != nil || n != h.classes {
				return h.objectivePart.errorf("%q, but num_class=%d: %w", shortened(word), h.classes, ErrInvalid)
			}
		}
	}
	if scaled && head.Scale == 0 {
		return h.objectivePart.errorf("%q has no sigmoid: %w", shortened(h.objective), ErrInvalid)
	}
	return nil
}

// old decides what the leaves of a random forest in format v2 are. LightGBM before
// 2.2.3 stored them with the objective's link applied to each and 2.2.3 to 2.2.5 raw
// (https://github.com/microsoft/LightGBM/issues/1843), and both wrote v2. Of probabilities
// the leaves tell: all of them between 0 and 1 are probabilities, as raw ones of a
// forest would all have to be of one sign. Of others they do not.
func (h *header) old(f *forest, head *boosted.Head) error {
	switch {
	case head.Link == boosted.Identity:
		return nil
	case head.Link == boosted.Sigmoid && h.perIteration == 1:
		if f.least >= 0 && f.most <= 1 {
			head.Link = boosted.Identity
		}
		return nil
	}
	return h.objectivePart.errorf("%q of a random forest in format v2: its leaves mean one thing before LightGBM 2.2.3 "+
		"and another from then on, and the file does not say which: train it with 2.3.0 or later: %w",
		shortened(h.objective), ErrUnsupported)
}

// has says whether the word is among them.
func has(words []string, word string) bool {
	for _, w := range words {
		if w == word {
			return true
		}
	}
	return false
}
