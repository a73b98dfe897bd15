package onnx

import (
	"context"
	"fmt"
	"math"

	"rollproof/model"
	"rollproof/model/tree"
)

// supportClassifier is an SVMClassifier. With support vectors every pair of classes
// has a score, and a vote; without, every class has one.
type supportClassifier struct {
	*machine
	labels       labels
	transform    transform
	perClass     []int64
	probA, probB []float32
	// positive says that no coefficient is below 0.
	positive bool
}

// buildSVMClassifier compiles SVMClassifier.
func buildSVMClassifier(b *builder) error {
	columns, err := b.wantRows()
	if err != nil {
		return err
	}
	k := &supportClassifier{perClass: b.ints("vectors_per_class"), probA: b.floats("prob_a"), probB: b.floats("prob_b")}
	if k.machine, err = readMachine(b); err != nil {
		return err
	}
	if k.labels, err = readLabels(b, "classlabels_ints", "classlabels_strings"); err != nil {
		return err
	}
	if k.transform, err = transformOf(b.text("post_transform", "NONE")); err != nil {
		return err
	}
	if err := k.check(columns); err != nil {
		return err
	}
	b.output(0, k.labels.datatype(), b.rowsShape())
	b.output(1, model.FP32, b.rowsShape(int64(k.width())))
	for len(b.outs) < 2 { // the scores, which nobody wants
		b.outs = append(b.outs, &operand{slot: b.scratch()})
	}
	if k.width() == k.labels.len() {
		b.outs[1].labels = k.labels.names()
	}
	b.emit(k.run, b.scratch(), b.scratch())
	return nil
}

// pairs is the number of pairs of classes.
func (k *supportClassifier) pairs() int { return k.labels.len() * (k.labels.len() - 1) / 2 }

// width is the number of scores that a row is given.
func (k *supportClassifier) width() int {
	if k.count == 0 || len(k.probA) > 0 || k.labels.len() == 2 {
		return k.labels.len()
	}
	return k.pairs()
}

// check holds the sizes of the attributes against each other.
func (k *supportClassifier) check(columns int) error {
	classes := k.labels.len()
	if classes < 2 || classes > tree.MaxScores {
		return fmt.Errorf("%d class labels, want 2 to %d: %w", classes, tree.MaxScores, ErrInvalid)
	}
	k.positive = true
	for _, x := range k.coefficients {
		k.positive = k.positive && x >= 0
	}
	count := int64(0)
	for _, n := range k.perClass {
		if n < 0 || n > int64(len(k.coefficients)) {
			return fmt.Errorf("%d vectors of a class with %d coefficients: %w", n, len(k.coefficients), ErrInvalid)
		}
		if count += n; count > int64(len(k.coefficients)) {
			return fmt.Errorf("%d vectors or more with %d coefficients: %w", count, len(k.coefficients), ErrInvalid)
		}
	}
	if err := k.divide(int(count), classes, columns); err != nil {
		return err
	}
	if count == 0 {
		return nil
	}
	switch {
	case len(k.perClass) != classes:
		return fmt.Errorf("%d vectors_per_class for %d classes: %w", len(k.perClass), classes, ErrInvalid)
	case int64(len(k.coefficients)) < int64(classes-1)*count:
		return fmt.Errorf("%d coefficients, want %d: %w", len(k.coefficients), int64(classes-1)*count, ErrInvalid)
	case len(k.rho) < k.pairs() || len(k.probA) != len(k.probB) || (len(k.probA) > 0 && len(k.probA) < k.pairs()):
		return fmt.Errorf("%d rho, %d prob_a and %d prob_b for %d pairs of classes: %w",
			len(k.rho), len(k.probA), len(k.probB), k.pairs(), ErrInvalid)
	}
	return nil
}

// run is the kernel. Scratch is, one behind the other: the kernel's value of each
// vector, the pairs' scores, votes, and what coupling needs.
func (k *supportClassifier) run(ctx context.Context, c call) error {
	label, out, scratch := c.out(0), c.out(1), c.out(3)
	x, rows, err := k.rows(c, c.in(0), c.out(2))
	if err != nil {
		return err
	}
	classes, width := k.labels.len(), k.width()
	if err := c.reset(label, k.labels.datatype(), int64(rows)); err != nil {
		return err
	}
	if err := c.reset(out, model.FP32, int64(rows), int64(width)); err != nil {
		return err
	}
	sizes := [...]int{k.count, 0, classes, max(width, classes), 0}
	if k.count > 0 {
		sizes[1] = k.pairs()
	}
	if len(k.probA) > 0 {
		sizes[4] = 2*classes*classes + classes
	}
	total := 0
	for _, n := range sizes {
		total += n
	}
	if err := c.reset(scratch, model.FP64, int64(total)); err != nil {
		return err
	}
	var part [len(sizes)][]float64
	rest := scratch.Doubles
	for i, n := range sizes {
		part[i], rest = rest[:n], rest[n:]
	}
	kernels, pairs, votes, scores, coupling := part[0], part[1], part[2], part[3][:width], part[4]
	for i := range rows {
		if i%64 == 63 && ctx.Err() != nil {
			return ctx.Err()
		}
		row := x[i*k.columns : (i+1)*k.columns]
		var best int
		if k.count == 0 {
			best = k.linear(row, scores)
		} else {
			best = k.vote(row, kernels, pairs, votes)
			k.score(pairs, scores, coupling)
		}
		k.labels.put(label, i, best)
		for j, s := range scores {
			out.Floats[i*width+j] = float32(s)
		}
	}
	return nil
}

// linear fills a score a class and returns the best class.
func (k *supportClassifier) linear(row []float32, scores []float64) int {
	best := 0
	for i := range scores {
		scores[i] = k.compare(row, k.coefficients[i*k.columns:(i+1)*k.columns]) + float64(k.rho[0])
		if float32(scores[i]) > float32(scores[best]) {
			best = i
		}
	}
	// Of two classes ONNX Runtime looks at the larger score only.
	if most := float32(scores[best]); len(scores) == 2 && len(k.probA) == 0 &&
		((k.positive && most >= 0.5) || (!k.positive && most > 0)) {
		best = 1
	}
	k.transform.apply(scores)
	return best
}

// vote compares the row with all vectors, lets every pair of classes vote, and returns
// the class with the most votes, the first of equals. Coefficients are classes-1 rows
// of one a vector: row j-1 holds those of class i's vectors against class j > i, row i
// those of class j's against i.
func (k *supportClassifier) vote(row []float32, kernels, pairs, votes []float64) int {
	for v := range kernels {
		kernels[v] = k.compare(row, k.vectors[v*k.columns:(v+1)*k.columns])
	}
	clear(votes)
	pair, startI := 0, 0
	for i, ofI := range k.perClass {
		startJ := startI + int(ofI)
		for j := i + 1; j < len(k.perClass); j++ {
			ofJ := int(k.perClass[j])
			sum := float64(k.rho[pair])
			against := k.coefficients[k.count*(j-1):]
			for v := startI; v < startI+int(ofI); v++ {
				sum += float64(against[v]) * kernels[v]
			}
			against = k.coefficients[k.count*i:]
			for v := startJ; v < startJ+ofJ; v++ {
				sum += float64(against[v]) * kernels[v]
			}
			pairs[pair] = sum
			if sum > 0 {
				votes[i]++
			} else {
				votes[j]++
			}
			pair++
			startJ += ofJ
		}
		startI += int(ofI)
	}
	best := 0
	for i, n := range votes {
		if n > votes[best] {
			best = i
		}
	}
	return best
}

// score makes the scores of a row of those of its pairs.
func (k *supportClassifier) score(pairs, scores, coupling []float64) {
	classes := k.labels.len()
	switch {
	case len(k.probA) > 0:
		r, work := coupling[:classes*classes], coupling[classes*classes:]
		pair := 0
		for i := range classes {
			for j := i + 1; j < classes; j++ {
				p := 1 - sigmoid(pairs[pair]*float64(k.probA[pair])+float64(k.probB[pair]))
				p = min(max(p, 1e-7), 1-1e-7)
				r[i*classes+j], r[j*classes+i] = p, 1-p
				pair++
			}
		}
		couple(r, scores, work)
		k.transform.apply(scores)
	case classes == 2:
		// One score for two classes; the transform, but for its absence, only says
		// that it is a probability.
		switch k.transform {
		case none:
			scores[0], scores[1] = -pairs[0], pairs[0]
		case probit:
			scores[0], scores[1] = normalQuantile(1-pairs[0]), normalQuantile(pairs[0])
		default:
			scores[0], scores[1] = 1-pairs[0], pairs[0]
		}
	default:
		copy(scores, pairs)
		k.transform.apply(scores)
	}
}

// couple makes probabilities of classes of those of pairs, by the second method of
// Wu, Lin and Weng (https://www.csie.ntu.edu.tw/~cjlin/papers/svmprob/svmprob.pdf),
// with LIBSVM's limits of accuracy and rounds. r[i][j] is the probability of i given
// that it is i or j. work has room for a matrix and a row.
func couple(r, p, work []float64) {
	n := len(p)
	q, qp := work[:n*n], work[n*n:]
	for i := range n {
		p[i] = 1 / float64(n)
		q[i*n+i] = 0
		for j := range n {
			if j != i {
				q[i*n+i] += r[j*n+i] * r[j*n+i]
				q[i*n+j] = -r[j*n+i] * r[i*n+j]
			}
		}
	}
	limit := 0.005 / float64(n)
	for range 100 {
		pqp := 0.0
		for i := range n {
			qp[i] = 0
			for j := range n {
				qp[i] += q[i*n+j] * p[j]
			}
			pqp += p[i] * qp[i]
		}
		worst := 0.0
		for i := range n {
			worst = max(worst, math.Abs(qp[i]-pqp))
		}
		if worst < limit {
			return
		}
		for i := range n {
			d := (pqp - qp[i]) / q[i*n+i]
			p[i] += d
			pqp = (pqp + d*(d*q[i*n+i]+2*qp[i])) / (1 + d) / (1 + d)
			for j := range n {
				qp[j] = (qp[j] + d*q[i*n+j]) / (1 + d)
				p[j] /= 1 + d
			}
		}
	}
}
