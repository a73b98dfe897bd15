package goal_test

import (
	"testing"

	"pgregory.net/rapid"

	"rollproof/bench/goal"
)

func TestGoal(t *testing.T) {
	t.Parallel()
	tests := []struct {
		goal    goal.Goal
		value   float64
		reached bool
		text    string
	}{
		{goal.Goal{Bound: goal.AtLeast, Value: 45}, 45, true, "45 or more"},
		{goal.Goal{Bound: goal.AtLeast, Value: 45}, 44.9, false, "45 or more"},
		{goal.Goal{Bound: goal.AtMost, Value: 0.7}, 0.7, true, "0.7 or less"},
		{goal.Goal{Bound: goal.AtMost, Value: 0.7}, 0.71, false, "0.7 or less"},
		{goal.Goal{}, 0.1, true, ""},
	}
	for _, test := range tests {
		if got := test.goal.Reached(test.value); got != test.reached {
			t.Errorf("%v by %v: %t, want %t", test.goal, test.value, got, test.reached)
		}
		if got := test.goal.String(); got != test.text {
			t.Errorf("%q, want %q", got, test.text)
		}
	}
}

// TestMarginGrows: a better measurement has the larger margin, whichever side is better.
func TestMarginGrows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Float64Range(1e-3, 1e3)
		g := goal.Goal{Bound: rapid.SampledFrom([]goal.Bound{goal.AtLeast, goal.AtMost}).Draw(t, "bound"), Value: value.Draw(t, "goal")}
		a, b := value.Draw(t, "a"), value.Draw(t, "b")
		if a > b {
			a, b = b, a
		}
		if worse, better := g.Margin(a), g.Margin(b); (g.Bound == goal.AtLeast) != (worse <= better) && worse != better {
			t.Fatalf("%v: margin %v of %v and %v of %v", g, worse, a, better, b)
		}
	})
}
