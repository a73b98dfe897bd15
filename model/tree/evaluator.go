package tree

import (
	"math"

	"rollproof/model"
)

// Evaluator predicts with a checked Ensemble. It holds no state between calls and may
// be used by many goroutines.
type Evaluator struct {
	Ensemble
	base []float64
	// single holds each leaf's weight where Scores is 1, and is nil otherwise.
	single []float64
}

// MaxClasses is the largest number of classes that Compile takes: a row's sums are
// kept on the stack.
const MaxClasses = 64

// Columns is the width of a row.
func (v *Evaluator) Columns() int { return v.Ensemble.Columns }

// Classes is the number of classes, two or more.
func (v *Evaluator) Classes() int { return len(v.Labels) }

// Predict fills labels and probabilities for len(labels) rows; see model.Classifier.
// Weights are added in float64 in the order of the trees, as scikit-learn adds them.
// Of equal scores the first class wins.
func (v *Evaluator) Predict(rows []float32, labels []int64, probabilities []float32) error {
	columns, classes := v.Ensemble.Columns, len(v.Labels)
	if err := model.CheckBuffers(rows, labels, probabilities, columns, classes); err != nil {
		return err
	}
	if v.single != nil {
		for i := range labels {
			score := v.sum(rows[i*columns : (i+1)*columns])
			labels[i] = v.binary(score, probabilities[i*2:i*2+2])
		}
		return nil
	}
	var buffer [MaxClasses]float64
	scores := buffer[:classes]
	for i := range labels {
		copy(scores, v.base)
		v.sums(rows[i*columns:(i+1)*columns], scores)
		labels[i] = v.many(scores, probabilities[i*classes:(i+1)*classes])
	}
	return nil
}

// leaf walks one tree and returns the index of the leaf the row falls into.
func (v *Evaluator) leaf(root int32, row []float32) int32 {
	nodes := v.Nodes
	at := root
	for at >= 0 {
		n := &nodes[at]
		next := n.Right
		if row[n.Feature] <= n.Threshold {
			next = n.Left
		}
		at = next
	}
	return ^at
}

// sum is the one score of a row: base value plus one weight a tree.
func (v *Evaluator) sum(row []float32) float64 {
	score := v.base[0]
	single := v.single
	for _, root := range v.Roots {
		score += single[v.leaf(root, row)]
	}
	return score
}

// sums adds the weights of a row's leaves to the scores of their classes.
func (v *Evaluator) sums(row []float32, scores []float64) {
	for _, root := range v.Roots {
		l := v.leaf(root, row)
		for _, w := range v.Weights[v.Leaves[l]:v.Leaves[l+1]] {
			scores[w.Class] += w.Value
		}
	}
}

// binary turns a single score into two probabilities and a label.
func (v *Evaluator) binary(score float64, probabilities []float32) int64 {
	half := 0.5
	p0, p1 := 1-score, score
	if v.Transform == Logistic {
		// Each from its own side: 1-p1 would lose the digits of a small p0.
		half = 0
		p0, p1 = logistic(-score), logistic(score)
	}
	probabilities[0], probabilities[1] = float32(p0), float32(p1)
	if score > half {
		return v.Labels[1]
	}
	return v.Labels[0]
}

// many turns one score a class into probabilities and a label. It uses scores.
func (v *Evaluator) many(scores []float64, probabilities []float32) int64 {
	best := 0
	for i, s := range scores {
		if s > scores[best] {
			best = i
		}
	}
	switch v.Transform {
	case Softmax:
		largest, total := scores[best], 0.0
		for i, s := range scores {
			scores[i] = math.Exp(s - largest)
			total += scores[i]
		}
		for i, s := range scores {
			probabilities[i] = float32(s / total)
		}
	case Logistic:
		for i, s := range scores {
			probabilities[i] = float32(logistic(s))
		}
	default:
		for i, s := range scores {
			probabilities[i] = float32(s)
		}
	}
	return v.Labels[best]
}

// logistic is 1/(1+e^-x) without overflow: e^-x is taken of |x| only.
func logistic(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + math.Exp(-x))
	}
	e := math.Exp(x)
	return e / (1 + e)
}
