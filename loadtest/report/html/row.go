package html

// Row is one row of the timeline: a label beside a plot. X and W of its shapes are
// percent of the run's time, Y and H are pixels.
type Row struct {
	ID     string
	Label  string
	Sub    string // smaller, below the label
	About  string // what the row shows, for those who do not see it
	Height int
	Tall   bool // its paths have a scale of values

	Rects  []Rect
	Texts  []Text
	Paths  []Path
	Marks  []Mark
	Levels []Level
}

// Rect is a bar.
type Rect struct {
	X, W  string
	Y, H  int
	Class string
	Tip   string
}

// Text is a word inside the plot, cut off at W.
type Text struct {
	X, W  string
	Y     int
	Class string
	Text  string
}

// Path is a line in a space that is 10,000 wide and as high as its row.
type Path struct {
	D     string
	Class string
}

// Mark is a sign at a moment.
type Mark struct {
	X     string
	Y     int
	Shape string // the symbol's id
	Class string
	Tip   string
	Href  string // where it is explained; empty for a sign that is no link
	Tab   bool   // the keyboard's tab stops at it
}

// Level is one value of a row's scale.
type Level struct {
	Y    int
	Text string
}

// Group is the rows of one kind.
type Group struct {
	Name string
	Note string // what was left out, or how it is to be read
	Rows []Row
}

// rect adds a bar from one share of the time to another. It is never so thin
// that it could not be seen.
func (r *Row) rect(from, to float64, y, h int, class, tip string) {
	if to < from {
		return
	}
	r.Rects = append(r.Rects, Rect{X: percent(from), W: percent(max(to-from, 0.0004)), Y: y, H: h, Class: class, Tip: tip})
}
