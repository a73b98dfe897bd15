//go:build e2e

package e2e

import (
	"testing"

	"rollproof/loadtest/explain"
	"rollproof/loadtest/verdict"
)

// A case is judged by its verdict, its causes and its reasons; only a few losses of
// another cause are let be, and only where it is not strict.
func TestJudge(t *testing.T) {
	t.Parallel()
	c := proofCase{want: verdict.Fail, causes: []explain.Cause{explain.NoEndpoint, explain.Crash}}
	report := func(o verdict.Outcome, lost map[explain.Cause]uint64) proofReport {
		r := proofReport{Verdict: verdict.Verdict{Outcome: o}}
		for cause, n := range lost {
			r.Verdict.Lost += n
			r.Explanations = append(r.Explanations, explain.Explanation{Cause: cause, Count: n, Examples: []explain.Example{{Lane: "new"}}})
		}
		return r
	}
	type losses = map[explain.Cause]uint64
	tests := []struct {
		name          string
		c             proofCase
		r             proofReport
		strict, loose bool // whether it is right
		told          bool // of its strays, where it is not strict
	}{
		{"as it must be", c, report(verdict.Fail, losses{explain.NoEndpoint: 9, explain.Crash: 1}), true, true, false},
		{"another verdict", c, report(verdict.Pass, losses{explain.NoEndpoint: 9}), false, false, false},
		{"without the main cause", c, report(verdict.Fail, losses{explain.Crash: 9}), false, false, false},
		{"one loss of another cause", c, report(verdict.Fail, losses{explain.NoEndpoint: 666, explain.Unknown: 1}), false, true, true},
		{"one of few", c, report(verdict.Fail, losses{explain.NoEndpoint: 9, explain.Unknown: 1}), false, true, true},
		{"three of few", c, report(verdict.Fail, losses{explain.NoEndpoint: 9, explain.Unknown: 3}), false, true, true},
		{"four of few", c, report(verdict.Fail, losses{explain.NoEndpoint: 9, explain.Unknown: 4}), false, false, false},
		{"four of few, by two causes", c, report(verdict.Fail, losses{explain.NoEndpoint: 9, explain.Unknown: 3, explain.Overload: 1}), false, false, false},
		{"one in a hundred", c, report(verdict.Fail, losses{explain.NoEndpoint: 495, explain.Unknown: 5}), false, true, true},
		{"more", c, report(verdict.Fail, losses{explain.NoEndpoint: 494, explain.Unknown: 6}), false, false, false},
		{"no reason", proofCase{want: verdict.Inconclusive, reason: "stood still"}, report(verdict.Inconclusive, nil), false, false, false},
	}
	for _, tt := range tests {
		for _, strict := range []bool{true, false} {
			wrong, stray := tt.c.judge(tt.r, strict)
			want := tt.loose
			if strict {
				want = tt.strict
			}
			if (len(wrong) == 0) != want || (len(stray) > 0) != (!strict && tt.told) {
				t.Errorf("%s, strict %t: wrong %q, stray %q", tt.name, strict, wrong, stray)
			}
		}
	}
}
