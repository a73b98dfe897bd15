// Package goal says what is to be reached and how far from it a measurement is. It
// measures nothing.
package goal

import (
	"fmt"
	"strconv"
)

// Bound is the side of a value on which a goal is reached.
type Bound string

// The bounds.
const (
	AtLeast Bound = "at least"
	AtMost  Bound = "at most"
)

// Goal is a value to reach. The zero value is none: nothing is to be reached.
type Goal struct {
	Bound Bound   `json:"bound,omitempty"`
	Value float64 `json:"value,omitempty"`
}

// IsZero says that there is nothing to reach.
func (g Goal) IsZero() bool { return g.Bound == "" }

// Reached says whether a measurement reaches the goal; where there is none it does.
func (g Goal) Reached(v float64) bool { return g.IsZero() || g.Margin(v) >= 1 }

// Margin is how far a measurement above 0 is beyond the goal, as a factor: 2 is twice
// as good as asked, 0.5 half as good.
func (g Goal) Margin(v float64) float64 {
	if g.Bound == AtMost {
		return g.Value / v
	}
	return v / g.Value
}

// String is the goal for people: "45 or more".
func (g Goal) String() string {
	value := strconv.FormatFloat(g.Value, 'f', -1, 64)
	switch g.Bound {
	case AtLeast:
		return fmt.Sprintf("%s or more", value)
	case AtMost:
		return fmt.Sprintf("%s or less", value)
	}
	return ""
}
