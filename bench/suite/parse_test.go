package suite

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollproof/bench/goal"
	"rollproof/bench/pair"
	"rollproof/bench/result"
)

func TestParseMetrics(t *testing.T) {
	t.Parallel()
	const text = `# HELP go_memstats_mallocs_total Total number of heap objects allocated
# TYPE go_memstats_mallocs_total counter
go_memstats_mallocs_total 1.2345e+06
rollproof_requests_total{code="200",model="gbc",route="infer",version="1"} 1000
rollproof_requests_total{code="200",model="",route="ready",version=""} 3
`
	got, err := parseMetrics(strings.NewReader(text), "rollproof_requests_total{")
	if err != nil || got != (counts{mallocs: 1234500, requests: 1003}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, broken := range []string{"", "go_memstats_mallocs_total 5\n", strings.Replace(text, "1000", "many", 1)} {
		if _, err := parseMetrics(strings.NewReader(broken), "rollproof_requests_total{"); err == nil {
			t.Errorf("%q: no error", broken)
		}
	}
}

func TestParseDuels(t *testing.T) {
	t.Parallel()
	const text = `=== RUN   TestAgainstLeaves
100 trees of 8 leaves                      1 rows:     0.61 us, leaves     1.20 us, ratio 0.51
500 trees of 31 leaves, missing values   100 rows:   310.00 us, leaves  1520.50 us, ratio 0.20
--- PASS: TestAgainstLeaves (4.21s)
PASS
`
	got, err := parseDuels(text)
	if err != nil {
		t.Fatal(err)
	}
	want := []duel{
		{duelKey{"100 trees of 8 leaves", 1}, pair.Pair{Ours: 0.61, Theirs: 1.2}},
		{duelKey{"500 trees of 31 leaves, missing values", 100}, pair.Pair{Ours: 310, Theirs: 1520.5}},
	}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%+v, want %+v", got, want)
	}
	if _, err := parseDuels("PASS\n"); err == nil {
		t.Error("nothing measured: no error")
	}
}

func TestWorstIsTheLargestRatio(t *testing.T) {
	t.Parallel()
	good, bad, other := duelKey{"good", 1}, duelKey{"bad", 1}, duelKey{"other", 100}
	found := map[duelKey][]pair.Pair{
		good:  {{Ours: 1, Theirs: 4}},
		bad:   {{Ours: 3, Theirs: 4}, {Ours: 5, Theirs: 4}},
		other: {{Ours: 9, Theirs: 1}},
	}
	row := result.Row{ID: "leaves-1", Goal: goal.Goal{Bound: goal.AtMost, Value: 1}}
	got, err := worst(row, 1, []duelKey{good, bad, other}, found)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Parts) != 2 || !got.Reached || got.Judged().Median != 1 || !strings.Contains(got.Note, "bad") {
		t.Errorf("%+v, want the row of bad with two parts", got)
	}
	if _, err := worst(row, 7, []duelKey{good}, found); err == nil {
		t.Error("no model with that many rows: no error")
	}
}

func TestProbabilities(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]float64{
		`{"outputs":[{"name":"label","data":[1]},{"name":"probabilities","data":[0.25,0.75]}]}`: {0.25, 0.75},
		`{"label":[1],"probabilities":[[0.5,0.5]]}`:                                             {0.5, 0.5},
	} {
		got, err := probabilities([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", text, d)
		}
	}
	for _, text := range []string{`{}`, `{"outputs":[{"name":"label","data":[1]}]}`, `not JSON`} {
		if _, err := probabilities([]byte(text)); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}

func TestAgreeSeesAnotherAnswer(t *testing.T) {
	t.Parallel()
	right := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"probabilities":[[0.25,0.75]]}`))
	}))
	defer right.Close()
	r := &run{bodies: [][]byte{[]byte("{}")}, models: []trained{{"same", [][]float64{{0.25, 0.750001}}}, {"other", [][]float64{{0.26, 0.74}}}}}
	if err := r.agree(t.Context(), right.URL, "same"); err != nil {
		t.Error(err)
	}
	if err := r.agree(t.Context(), right.URL, "other"); err == nil {
		t.Error("a difference of 0.01: no error")
	}
}

func TestInferBody(t *testing.T) {
	t.Parallel()
	got, err := inferBody([]float32{17.99, 1001, 0.07871}, []float32{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"inputs":[{"name":"X","shape":[2,3],"datatype":"FP32","data":[17.99,1001,0.07871,1,2,3]}]}`
	if string(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
}
