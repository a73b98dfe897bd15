package parity_test

import (
	"encoding/json"
	"testing"

	"rollproof/model"
)

// TestDifference holds what the comparison lets pass and what it does not.
func TestDifference(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		output           string
		datatype         model.Datatype
		got, want        string
		tolerance, noise float64
		same             bool
	}{
		"equal":                        {"variable", model.FP32, "1.5", "1.5", 0, 0, true},
		"zeros of both signs":          {"variable", model.FP32, "0", "-0", 0, 0, true},
		"a value's 1e-5":               {"variable", model.FP64, "200.0019", "200", 0, 0, true},
		"more than a value's 1e-5":     {"variable", model.FP64, "200.0021", "200", 0, 0, false},
		"a small value is no less":     {"variable", model.FP64, "0.0012", "0.001", 0, 0, false},
		"a probability's 1e-6":         {"probabilities", model.FP64, "0.5000009", "0.5", 0, 0, true},
		"more than that":               {"probabilities", model.FP64, "0.5000011", "0.5", 0, 0, false},
		"the reference is further off": {"probabilities", model.FP64, "0.500004", "0.5", 5e-6, 0, true},
		"the terms are large":          {"scores", model.FP64, "0.0001009", "0.0001", 0, 1e-6, true},
		"missing for a value":          {"variable", model.FP32, `"NaN"`, "1", 0, 0, false},
		"a value for missing":          {"variable", model.FP32, "1", `"NaN"`, 0, 0, false},
		"both missing":                 {"variable", model.FP32, `"NaN"`, `"NaN"`, 0, 0, true},
		"infinite":                     {"variable", model.FP32, `"Infinity"`, `"Infinity"`, 0, 0, true},
		"infinite the other way":       {"variable", model.FP32, `"-Infinity"`, `"Infinity"`, 0, 0, false},
		"finite for infinite":          {"variable", model.FP32, "3e38", `"Infinity"`, 0, 0, false},
		"a label":                      {"label", model.Int64, "3", "3", 1, 1, true},
		"another label":                {"label", model.Int64, "3", "4", 1, 1, false},
		"a name":                       {"label", model.Bytes, `"a"`, `"a"`, 1, 1, true},
		"another name":                 {"label", model.Bytes, `"a"`, `"A"`, 1, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values := make([]model.Value, 2)
			for i, text := range []string{c.got, c.want} {
				x := tensor{Datatype: c.datatype, Shape: []int64{1}, Data: []json.RawMessage{json.RawMessage(text)}}
				var err error
				if values[i], err = x.value(); err != nil {
					t.Fatal(err)
				}
			}
			if _, same := difference(c.output, &values[0], 0, &values[1], 0, c.tolerance, c.noise); same != c.same {
				t.Errorf("got %s for %s: same is %v, want %v", c.got, c.want, same, c.same)
			}
		})
	}
}
