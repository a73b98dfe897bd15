package fake

import (
	"encoding/json"
	"fmt"

	"rollproof/loadtest/cases"
)

// Set returns a small set of cases: rows rows of three numbers, versions "1"
// and "2", whose answers differ on every row.
func Set(rows int) *cases.Set {
	s := &cases.Set{
		Model:    "toy",
		Input:    cases.Input{Name: "X", Datatype: "FP32", Columns: 3},
		Outputs:  cases.Outputs{Label: "label", Probabilities: "probabilities"},
		Expected: map[string]cases.Expected{},
	}
	for i := range rows {
		s.Rows = append(s.Rows, []json.Number{json.Number(fmt.Sprint(i)), "0.5", "1e-05"})
	}
	for version, shift := range map[string]float64{"1": 0, "2": 0.25} {
		var e cases.Expected
		for i := range rows {
			p := float64(i)/float64(2*rows) + shift
			e.Label = append(e.Label, int64(i%2))
			e.Probabilities = append(e.Probabilities, []float64{1 - p, p})
		}
		s.Expected[version] = e
	}
	return s
}

// Goldens returns the set as a goldens file's content.
func Goldens(s *cases.Set) ([]byte, error) {
	return json.Marshal(map[string]any{
		"model": s.Model, "input": s.Input, "outputs": s.Outputs, "rows": s.Rows, "expected": s.Expected,
	})
}
