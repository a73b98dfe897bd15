// Package sample has a document with a row of every kind, for the tests of what shows
// results. Its numbers are made up.
package sample

import (
	"errors"
	"time"

	"rollproof/bench/goal"
	"rollproof/bench/machine"
	"rollproof/bench/pair"
	"rollproof/bench/result"
)

// pairs are three pairs around the given values.
func pairs(ours, theirs float64) []pair.Pair {
	return []pair.Pair{{Ours: ours, Theirs: theirs}, {Ours: ours * 1.04, Theirs: theirs * 0.99}, {Ours: ours * 0.97, Theirs: theirs}}
}

// Document returns the sample.
func Document() (*result.Document, error) {
	d := &result.Document{
		Began: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Took: 600,
		Machine:  machine.Machine{Processor: "A Processor", Cores: 2, MemoryGiB: 24, System: "Debian GNU/Linux 12 (bookworm)", Kernel: "6.1", Go: "1.26.0"},
		Versions: map[string]string{"scikit-learn": "1.2.1", "onnxruntime": "1.21.0"},
		Settings: result.Settings{Pairs: 3, Sample: 3, Open: 6, Connections: 32, ClientCore: 1},
	}
	const boosting, forest = "gradient boosting of 100 trees, one row", "random forest of 100 trees, one row"
	paired := func(r result.Row, ours, theirs float64) error {
		r, err := r.Paired(pairs(ours, theirs))
		d.Rows = append(d.Rows, r)
		return err
	}
	rate := func(id, against, of string, g goal.Goal) result.Row {
		return result.Row{ID: id, Against: against, Of: of, What: "maximum rate", Unit: result.RequestsPerSecond, Goal: g}
	}
	least := func(v float64) goal.Goal { return goal.Goal{Bound: goal.AtLeast, Value: v} }
	most := func(v float64) goal.Goal { return goal.Goal{Bound: goal.AtMost, Value: v} }
	err := errors.Join(
		paired(rate("flask-gbc", "flask + scikit-learn", boosting, least(45)), 77000, 1400),
		paired(result.Row{ID: "flask-gbc-p99", Against: "flask + scikit-learn", Of: boosting, What: "p99 at half of its maximum rate",
			Unit: result.Milliseconds, Goal: most(0.1), Note: "open loop, 700 requests/s to both"}, 0.16, 2.9),
		paired(rate("flask-rf", "flask + scikit-learn", forest, least(250)), 70000, 210),
		paired(rate("fastapi-gbc", "FastAPI + ONNX Runtime", boosting, least(6)), 77000, 13500),
		paired(rate("discard", "Go handler: body discarded", boosting, least(0.75)), 77000, 93000),
		paired(result.Row{ID: "memory", Against: "flask + scikit-learn", What: "resident memory", Unit: result.Megabytes, Goal: most(0.2)}, 30, 121),
		paired(rate("pgo", "itself without profile-guided optimization", boosting, goal.Goal{}), 77000, 75000),
	)
	row, lone := (result.Row{ID: "allocations", What: "allocations of a request", Unit: result.Allocations, Goal: most(9)}).Lone([]float64{8, 8.01, 7.99})
	d.Rows = append(d.Rows, row)
	return d, errors.Join(err, lone)
}
