package onnx

import (
	"context"
	"fmt"

	"rollproof/model"
	"rollproof/model/tree"
)

// classifier is a TreeEnsembleClassifier.
type classifier struct {
	forest    *forest
	labels    labels
	transform transform
	// positive says that no weight is below 0.
	positive bool
	// scored says which classes ever get a weight. The others are never the label.
	scored []bool
}

// buildTreeClassifier compiles a TreeEnsembleClassifier.
func buildTreeClassifier(b *builder) error {
	columns, err := b.wantRows()
	if err != nil {
		return err
	}
	t, err := readTable(b, "class")
	if err != nil {
		return err
	}
	k := &classifier{positive: true}
	if k.labels, err = readLabels(b, "classlabels_int64s", "classlabels_strings"); err != nil {
		return err
	}
	if k.transform, err = transformOf(b.text("post_transform", "NONE")); err != nil {
		return err
	}
	if k.labels.len() < 2 || k.labels.len() > tree.MaxScores {
		return fmt.Errorf("%d class labels, want 2 to %d: %w", k.labels.len(), tree.MaxScores, ErrInvalid)
	}
	e := tree.Ensemble{Base: b.reals("base_values")}
	t.width(&e, columns)
	if err := k.scores(t, &e); err != nil {
		return err
	}
	if err := t.layOut(&e); err != nil {
		return err
	}
	if k.forest, err = newForest(b, &e, b.in(0).datatype); err != nil {
		return err
	}
	b.output(0, k.labels.datatype(), b.rowsShape())
	b.output(1, model.FP32, b.rowsShape(int64(k.labels.len())))
	for len(b.outs) < 2 { // the probabilities, which nobody wants
		b.outs = append(b.outs, &operand{slot: b.scratch()})
	}
	b.outs[1].labels = k.labels.names()
	b.emit(k.run, b.scratch(), b.scratch())
	return nil
}

// scores decides how many sums there are. Two classes of which only one id ever gets
// a weight share one sum: it speaks for the second class, whichever of the two ids it
// is under. Exporters of binary boosting and of binary forests write that.
func (k *classifier) scores(t *table, e *tree.Ensemble) error {
	classes := k.labels.len()
	k.scored = make([]bool, classes)
	if len(t.scores) == 0 {
		return fmt.Errorf("class_ids is empty: %w", ErrInvalid)
	}
	one := classes == 2
	for i, id := range t.scores {
		if id < 0 || id >= int64(classes) {
			return fmt.Errorf("class_ids[%d] is %d, want 0 to %d: %w", i, id, classes-1, ErrInvalid)
		}
		one = one && id == t.scores[0]
		k.positive = k.positive && t.weights[i] >= 0
		k.scored[id] = true
	}
	if len(e.Base) > classes {
		return fmt.Errorf("%d base values for %d classes: %w", len(e.Base), classes, ErrInvalid)
	}
	e.Scores = classes
	if one {
		e.Scores = 1
		if len(e.Base) == 2 {
			e.Base = e.Base[1:]
		}
		return nil
	}
	for i := range e.Base {
		k.scored[i] = true
	}
	for len(e.Base) > 0 && len(e.Base) < classes {
		e.Base = append(e.Base, 0)
	}
	return nil
}

// run is the kernel: the outputs are labels and probabilities.
func (k *classifier) run(ctx context.Context, c call) error {
	scores := c.out(3)
	rows, err := k.forest.evaluate(ctx, c, c.in(0), c.out(2), scores)
	if err != nil {
		return err
	}
	classes, label, probabilities := k.labels.len(), c.out(0), c.out(1)
	if err := c.reset(label, k.labels.datatype(), int64(rows)); err != nil {
		return err
	}
	if err := c.reset(probabilities, model.FP32, int64(rows), int64(classes)); err != nil {
		return err
	}
	for i := range rows {
		row := scores.Doubles[i*k.forest.scores : (i+1)*k.forest.scores]
		p := probabilities.Floats[i*classes : (i+1)*classes]
		if len(row) == 1 {
			k.labels.put(label, i, k.binary(row[0], p))
		} else {
			k.labels.put(label, i, k.many(row, p))
		}
	}
	return nil
}

// binary turns a single score into two probabilities and the class. The score is
// rounded first: ten votes of a tenth, as float32 stores it, are more than one.
func (k *classifier) binary(score float64, p []float32) int {
	first, second := k.transform.pair(score, k.positive)
	p[0], p[1] = float32(first), float32(second)
	threshold := float32(0)
	if k.positive {
		threshold = 0.5
	}
	if float32(score) > threshold {
		return 1
	}
	return 0
}

// many turns one score a class into probabilities and the class. It uses row. Of
// equal scores the first class wins.
func (k *classifier) many(row []float64, p []float32) int {
	best := -1
	for i, s := range row {
		if k.scored[i] && (best < 0 || float32(s) > float32(row[best])) {
			best = i
		}
	}
	k.transform.apply(row)
	for i, x := range row {
		p[i] = float32(x)
	}
	return max(best, 0)
}

// regressor is a TreeEnsembleRegressor or a TreeEnsemble.
type regressor struct {
	forest    *forest
	transform transform
	datatype  model.Datatype
}

// buildTreeRegressor compiles a TreeEnsembleRegressor.
func buildTreeRegressor(b *builder) error {
	columns, err := b.wantRows()
	if err != nil {
		return err
	}
	t, err := readTable(b, "target")
	if err != nil {
		return err
	}
	e := tree.Ensemble{Base: b.reals("base_values")}
	t.width(&e, columns)
	aggregate := b.text("aggregate_function", "SUM")
	k := &regressor{datatype: model.FP32}
	if k.transform, err = transformOf(b.text("post_transform", "NONE")); err != nil {
		return err
	}
	targets := b.integer("n_targets", 1)
	if err := targetsOf(&e, targets, t.scores, "target_ids"); err != nil {
		return err
	}
	if len(e.Base) != 0 && len(e.Base) != e.Scores {
		return fmt.Errorf("%d base values for %d targets: %w", len(e.Base), e.Scores, ErrInvalid)
	}
	if err := t.layOut(&e); err != nil {
		return err
	}
	return k.finish(b, &e, aggregate)
}

// targetsOf sets the number of scores, which bounds the ids of the weights.
func targetsOf(e *tree.Ensemble, targets int64, ids []int64, name string) error {
	if targets < 1 || targets > tree.MaxScores {
		return fmt.Errorf("n_targets is %d, want 1 to %d: %w", targets, tree.MaxScores, ErrInvalid)
	}
	e.Scores = int(targets)
	for i, id := range ids {
		if id < 0 || id >= targets {
			return fmt.Errorf("%s[%d] is %d, want 0 to %d: %w", name, i, id, targets-1, ErrInvalid)
		}
	}
	return nil
}

// finish compiles the ensemble that is laid out, and emits the step.
func (k *regressor) finish(b *builder, e *tree.Ensemble, aggregate string) error {
	switch aggregate {
	case "SUM":
	case "AVERAGE":
		e.Divisor = float64(len(e.Roots))
		e.BaseLast = true // what is averaged are the trees alone
	case "MIN":
		e.Aggregate = tree.Min
	case "MAX":
		e.Aggregate = tree.Max
	default:
		return fmt.Errorf("aggregate_function %q is %w", aggregate, ErrUnsupported)
	}
	var err error
	if k.forest, err = newForest(b, e, b.in(0).datatype); err != nil {
		return err
	}
	b.output(0, k.datatype, b.rowsShape(int64(e.Scores)))
	b.emit(k.run, b.scratch(), b.scratch())
	return nil
}

// run is the kernel.
func (k *regressor) run(ctx context.Context, c call) error {
	scores, y := c.out(2), c.out(0)
	rows, err := k.forest.evaluate(ctx, c, c.in(0), c.out(1), scores)
	if err != nil {
		return err
	}
	n := k.forest.scores
	if err := c.reset(y, k.datatype, int64(rows), int64(n)); err != nil {
		return err
	}
	// Of a single score ONNX Runtime takes no transform but PROBIT.
	if n > 1 || k.transform == probit {
		for i := range rows {
			k.transform.apply(scores.Doubles[i*n : (i+1)*n])
		}
	}
	if k.datatype == model.FP64 {
		copy(y.Doubles, scores.Doubles)
		return nil
	}
	for i, x := range scores.Doubles {
		y.Floats[i] = float32(x)
	}
	return nil
}

// The numbers of TreeEnsemble's attributes.
const (
	treeEnsembleSum       = 1
	treeEnsembleMostModes = int64(branchMember)
)

// buildTreeEnsemble compiles a TreeEnsemble (operator set 5), whose nodes and leaves
// name each other by place; see
// https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html.
func buildTreeEnsemble(b *builder) error {
	columns, err := b.wantRows()
	if err != nil {
		return err
	}
	if err := b.want(0, model.FP32, model.FP64); err != nil {
		return err
	}
	e := tree.Ensemble{}
	n, err := readNodes(b, &e, columns)
	if err != nil {
		return err
	}
	aggregate, post := b.integer("aggregate_function", treeEnsembleSum), b.integer("post_transform", 0)
	if aggregate < 0 || aggregate > 3 || post < 0 || post > int64(probit) {
		return fmt.Errorf("aggregate_function %d, want 0 to 3, and post_transform %d, want 0 to %d: %w",
			aggregate, post, probit, ErrInvalid)
	}
	if _, err := n.layOut(&e); err != nil {
		return err
	}
	// The numbers are those of the specification, in its order; ONNX Runtime 1.20 takes 1 for
	// LOGISTIC and 2 for SOFTMAX.
	k := &regressor{datatype: b.in(0).datatype, transform: transform(post)}
	return k.finish(b, &e, []string{"AVERAGE", "SUM", "MIN", "MAX"}[aggregate])
}
