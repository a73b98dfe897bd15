package report

import (
	"cmp"
	"slices"
	"time"

	"rollproof/loadtest/explain"
	"rollproof/loadtest/tally"
)

// markCells is in how many equal parts the run's time is cut for Marks: more
// could not be told apart on a page.
const markCells = 480

// Mark is the losses of one lane and one cause in one part of the run's time, so
// that also a million of them can be drawn.
type Mark struct {
	Lane   string
	Cause  explain.Cause
	Masked bool // answered right after all, by a retry that the transport hid
	From   time.Time
	To     time.Time // when the last of them was due
	Count  uint64
}

// markKey is what the losses of one Mark have in common.
type markKey struct {
	lane   string
	cause  explain.Cause
	masked bool
	cell   int
}

// marks gathers losses.
type marks struct {
	start time.Time
	width time.Duration
	cells map[markKey]*Mark
}

func (r *Report) newMarks() *marks {
	return &marks{
		start: r.Run.Start, width: max(r.Run.End.Sub(r.Run.Start)/markCells, time.Millisecond), cells: map[markKey]*Mark{},
	}
}

func (m *marks) add(l tally.Loss, cause explain.Cause) {
	key := markKey{l.Lane, cause, l.Masked(), int(l.At.Sub(m.start) / m.width)}
	mark := m.cells[key]
	if mark == nil {
		mark = &Mark{Lane: l.Lane, Cause: cause, Masked: l.Masked(), From: l.At, To: l.At}
		m.cells[key] = mark
	}
	mark.Count++
	if l.At.Before(mark.From) {
		mark.From = l.At
	}
	if l.At.After(mark.To) {
		mark.To = l.At
	}
}

// sorted returns what was gathered, in the order of time.
func (m *marks) sorted() []Mark {
	var out []Mark
	for _, mark := range m.cells {
		out = append(out, *mark)
	}
	slices.SortFunc(out, func(a, b Mark) int {
		masked := 0
		if a.Masked != b.Masked {
			masked = 1
			if b.Masked {
				masked = -1
			}
		}
		return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Cause, b.Cause), masked)
	})
	return out
}

// Marks returns every loss and masked retry that Explain explained, in groups
// that can be drawn.
func (r *Report) Marks() []Mark { return r.marks }
