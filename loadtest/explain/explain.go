package explain

import (
	"cmp"
	"slices"

	"rollproof/loadtest/tally"
)

// Explainer explains losses, one after the other: each gets exactly one cause.
// Make it with New. It is not safe for concurrent use.
type Explainer struct {
	book   *book
	groups map[Cause]*group
}

// New returns an Explainer of the losses of the run that in describes.
func New(in Input) *Explainer {
	return &Explainer{book: newBook(in), groups: map[Cause]*group{}}
}

// Cause returns why the request was lost, without counting it.
func (e *Explainer) Cause(l tally.Loss) Cause {
	return find(e.book.scene(l)).cause
}

// Add explains a loss and counts it. The order of losses does not matter.
func (e *Explainer) Add(l tally.Loss) {
	m := find(e.book.scene(l))
	g := e.groups[m.cause]
	if g == nil {
		g = newGroup(m.rule, e.book)
		e.groups[m.cause] = g
	}
	g.add(m.scene, m.fits)
}

// Explanations returns what was added, grouped by cause, the most frequent cause
// first. It is never nil.
func (e *Explainer) Explanations() []Explanation {
	out := []Explanation{}
	for _, g := range e.groups {
		out = append(out, g.explanation())
	}
	slices.SortFunc(out, func(a, b Explanation) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Cause, b.Cause))
	})
	return out
}

// Causes returns every cause there is, in the order in which they are tried.
func Causes() []Cause {
	out := make([]Cause, 0, len(rules))
	for _, r := range rules {
		out = append(out, r.cause)
	}
	return out
}
