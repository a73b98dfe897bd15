package onnx

import (
	"fmt"
	"strconv"

	"rollproof/model"
)

// labels are the names of a classifier's classes: whole numbers or texts.
type labels struct {
	ints  []int64
	texts []string
}

// readLabels reads a classifier's two attributes, of which one must be there.
func readLabels(b *builder, ints, texts string) (labels, error) { //nolint:unparam // the attribute names stand together
	l := labels{b.ints(ints), b.texts(texts)}
	if b.err != nil {
		return l, b.err
	}
	if (len(l.ints) == 0) == (len(l.texts) == 0) {
		return l, fmt.Errorf("%d %s and %d %s, want one of the two: %w", len(l.ints), ints, len(l.texts), texts, ErrInvalid)
	}
	return l, nil
}

func (l *labels) len() int { return len(l.ints) + len(l.texts) }

func (l *labels) datatype() model.Datatype {
	if len(l.texts) > 0 {
		return model.Bytes
	}
	return model.Int64
}

// names returns the labels as texts.
func (l *labels) names() []string {
	if len(l.texts) > 0 {
		return l.texts
	}
	var names []string
	for _, x := range l.ints {
		names = append(names, strconv.FormatInt(x, 10))
	}
	return names
}

// put writes a class's label as an element.
func (l *labels) put(v *model.Value, at, class int) {
	if len(l.texts) > 0 {
		v.Texts[at] = l.texts[class]
	} else {
		v.Ints[at] = l.ints[class]
	}
}
