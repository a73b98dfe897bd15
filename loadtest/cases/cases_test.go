package cases_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollproof/loadtest/cases"
)

const small = `{"model":"m","input":{"name":"X","datatype":"FP32","columns":2},
"outputs":{"label":"label","probabilities":"probabilities"},
"rows":[[1.5,2e-05],[3.0,4]],
"expected":{"1":{"label":[0,1],"probabilities":[[0.75,0.25],[0.1,0.9]]},"2":{"label":[1,1],"probabilities":[[0.5,0.5],[0.2,0.8]]}}}`

func parse(t *testing.T, text string) *cases.Set {
	t.Helper()
	set, err := cases.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, from, to, want string }{
		{"no model", `"model":"m"`, `"model":""`, "model: no name"},
		{"a model that is a path", `"model":"m"`, `"model":"a/b"`, "cannot be a part of a URL's path"},
		{"unknown key", `"model":"m"`, `"model":"m","modell":1`, "modell"},
		{"no rows", `[[1.5,2e-05],[3.0,4]]`, `[]`, "rows: none"},
		{"narrow row", `[3.0,4]`, `[3.0]`, "rows[1]: 1 numbers, want 2"},
		{"labels missing", `"label":[0,1]`, `"label":[0]`, `expected["1"]: 1 labels and 2 probabilities for 2 rows`},
		{"ragged classes", `[0.2,0.8]`, `[0.2]`, `expected["2"]: probabilities[1]: 1 classes, want 2`},
		{"no input name", `"name":"X"`, `"name":""`, "input: needs a name"},
		{"no output name", `"label":"label"`, `"label":""`, "outputs: need the names"},
		{"not JSON", `{"model"`, `{model`, "not a goldens file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := cases.Parse([]byte(strings.Replace(small, tt.from, tt.to, 1)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "goldens.json")
	if _, err := cases.Load(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("absent file: %v", err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := cases.Load(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("cut file: %v", err)
	}
}

func TestBatchesSendTheRowsAsWritten(t *testing.T) {
	t.Parallel()
	set := parse(t, small)
	batches, err := set.Batches(3, 2)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{0, 1, 0}, batches[0].Rows); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{1, 0, 1}, batches[1].Rows); diff != "" {
		t.Error(diff)
	}
	want := `{"id":"b1","inputs":[{"name":"X","shape":[3,2],"datatype":"FP32","data":[3.0,4,1.5,2e-05,3.0,4]}]}`
	if diff := cmp.Diff(want, string(batches[1].Body)); diff != "" {
		t.Error(diff)
	}
	if !json.Valid(batches[0].Body) {
		t.Errorf("not JSON: %s", batches[0].Body)
	}
	if _, err := set.Batches(0, 1); err == nil {
		t.Error("a batch of no rows was made")
	}
}

func answer(version, id, label, probabilities string) string {
	return fmt.Sprintf(`{"model_name":"m","model_version":%q,"id":%q,"outputs":[`+
		`{"name":"label","datatype":"INT64","shape":[1],"data":%s},`+
		`{"name":"probabilities","datatype":"FP32","shape":[1,2],"data":%s}]}`, version, id, label, probabilities)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	right := answer("1", "b0", "[0]", "[0.75,0.25]")
	tests := []struct {
		name, version, body string
		want                error
	}{
		{"right", "1", right, nil},
		{"right, nested", "1", answer("1", "b0", "[0]", "[[0.75, 0.25]]"), nil},
		{"within the tolerance", "1", answer("1", "b0", "[0]", "[0.7500009,0.2499991]"), nil},
		{"the other version's right answer", "2", answer("2", "b0", "[1]", "[0.5,0.5]"), nil},
		{"beyond the tolerance", "1", answer("1", "b0", "[0]", "[0.750002,0.25]"), cases.ErrWrongAnswer},
		{"wrong label", "1", answer("1", "b0", "[1]", "[0.75,0.25]"), cases.ErrWrongAnswer},
		{"old answer under the new name", "2", answer("2", "b0", "[0]", "[0.75,0.25]"), cases.ErrWrongAnswer},
		{"header and body differ", "2", right, cases.ErrWrongVersion},
		{"no header", "", right, cases.ErrWrongVersion},
		{"no version at all", "", answer("", "b0", "[0]", "[0.75,0.25]"), cases.ErrWrongVersion},
		{"a version without goldens", "3", answer("3", "b0", "[0]", "[0.75,0.25]"), cases.ErrWrongVersion},
		{"another request's answer", "1", answer("1", "b7", "[0]", "[0.75,0.25]"), cases.ErrWrongAnswer},
		{"too few numbers", "1", answer("1", "b0", "[0]", "[0.75]"), cases.ErrWrongAnswer},
		{"wrong shape", "1", strings.Replace(right, "[1,2]", "[2,1]", 1), cases.ErrWrongAnswer},
		{"no label", "1", strings.Replace(right, `"label"`, `"lable"`, 1), cases.ErrWrongAnswer},
		{"text for numbers", "1", answer("1", "b0", "[0]", `["0.75",0.25]`), cases.ErrWrongAnswer},
		{"no numbers", "1", answer("1", "b0", "[0]", `[null,0.25]`), cases.ErrWrongAnswer},
		{"other model", "1", strings.Replace(right, `"m"`, `"n"`, 1), cases.ErrWrongAnswer},
		{"cut short", "1", right[:len(right)/2], cases.ErrShortBody},
		{"empty", "1", "", cases.ErrShortBody},
		{"not JSON", "1", "<html>", cases.ErrWrongAnswer},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set := parse(t, small)
			batches, err := set.Batches(1, 1)
			if err != nil {
				t.Fatal(err)
			}
			checker := cases.NewChecker(set)
			for _, memory := range []string{"fresh", "again", "after a right one"} {
				if memory == "after a right one" {
					if _, err := checker.Check(batches[0], "1", []byte(right)); err != nil {
						t.Fatal(err)
					}
				}
				if _, got := checker.Check(batches[0], tt.version, []byte(tt.body)); !errors.Is(got, tt.want) || (tt.want == nil && got != nil) {
					t.Errorf("%s: error %v, want %v", memory, got, tt.want)
				}
			}
		})
	}
}

func FuzzCheck(f *testing.F) {
	set, err := cases.Parse([]byte(small))
	if err != nil {
		f.Fatal(err)
	}
	batches, err := set.Batches(1, 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(answer("1", "b0", "[0]", "[0.75,0.25]")))
	f.Add([]byte(answer("1", "b0", "[0]", "[[0.75],-]")))
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := cases.NewChecker(set).Check(batches[0], "1", body); err == nil && !json.Valid(body) {
			t.Errorf("taken for right: %q", body)
		}
	})
}
