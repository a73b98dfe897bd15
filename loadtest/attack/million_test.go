package attack

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"rollproof/loadtest/cases"
	"rollproof/loadtest/objectives"
	"rollproof/loadtest/tally"
	"rollproof/loadtest/verdict"
)

// One request in a million is lost, in turn by each of the ways in which one can
// be. The results are Vegeta's, and go the way that they go in a run. It does not
// run beside the tests that need the machine's time.
func TestOneLossInAMillionIsFound(t *testing.T) {
	const requests, lostAt, rate = 1_000_000, 654_321, 1000
	ways := map[tally.Class]func(*vegeta.Result, *trip){
		tally.EOF: func(r *vegeta.Result, tr *trip) {
			*r = vegeta.Result{Seq: r.Seq, Timestamp: r.Timestamp, Latency: r.Latency, Error: "EOF"}
			tr.status, tr.pod, tr.version, tr.err = 0, "", "", io.EOF
		},
		tally.WrongAnswer: func(r *vegeta.Result, _ *trip) {
			r.Body = []byte(strings.Replace(string(r.Body), `"shape":[1],"data":[1]`, `"shape":[1],"data":[0]`, 1))
		},
	}
	set := &cases.Set{
		Model: "toy", Input: cases.Input{Name: "X", Datatype: "FP32", Columns: 1},
		Outputs: cases.Outputs{Label: "label", Probabilities: "probabilities"}, Rows: [][]json.Number{{"1"}, {"2"}},
		Expected: map[string]cases.Expected{"1": {Label: []int64{0, 1}, Probabilities: [][]float64{{1, 0}, {0.75, 0.25}}}},
	}
	for class, lose := range ways {
		t.Run(string(class), func(t *testing.T) {
			origin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			cfg := Config{Name: "new", URL: "http://127.0.0.1:1", Rate: rate, Workers: 10, Timeout: time.Second, BatchRows: 1, Batches: 2}
			lane, err := NewLane(cfg, set, NewVersions("1"), origin, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			lane.pacer.began.Store(&origin)
			answers := answersTo(t, lane.traced.batches)
			for seq := range uint64(requests) {
				batch := seq % uint64(len(answers))
				r := vegeta.Result{
					Seq: seq, Code: http.StatusOK, Timestamp: origin.Add(time.Duration(seq) * time.Second / rate), Latency: 2 * time.Millisecond,
					Body: answers[batch], BytesIn: uint64(len(answers[batch])),
				}
				tr := &trip{batch: lane.traced.batches[batch], allowed: lane.versions.snapshot(), status: http.StatusOK, pod: "pod-a", version: "1", attempts: 1}
				if seq == lostAt {
					lose(&r, tr)
				}
				lane.traced.trips[seq] = tr
				lane.collect(&r)
			}
			lane.end(origin.Add(requests * time.Second / rate))
			l := lane.Tally()
			if l.Requests != requests || l.LostTotal() != 1 || l.Lost[class] != 1 {
				t.Fatalf("%d requests, lost %v", l.Requests, l.Lost)
			}
			v := verdict.Judge(verdict.Input{
				Objectives: objectives.Default(), Lanes: []*tally.Lane{l},
				Run: verdict.Run{From: "1", Start: origin, End: l.Ended},
			})
			want := fmt.Sprintf("1 request was lost (%s 1)", class)
			if v.Outcome != verdict.Fail || len(v.Reasons) != 1 || !strings.Contains(v.Reasons[0].Text, want) {
				t.Errorf("%s %v, want FAIL for %q", v.Outcome, v.Reasons, want)
			}
			if loss := l.EarliestLosses()[0]; loss.Seq != lostAt || !loss.At.Equal(origin.Add(lostAt*time.Second/rate)) || v.SecondsDown != 0.001 {
				t.Errorf("loss %+v, %v s down", loss, v.SecondsDown)
			}
		})
	}
}

// answersTo returns the right answer to each batch.
func answersTo(t *testing.T, batches []*cases.Batch) [][]byte {
	t.Helper()
	out := make([][]byte, len(batches))
	for i, b := range batches {
		p := float64(b.Rows[0]) / 4
		out[i] = fmt.Appendf(nil, `{"model_name":"toy","model_version":"1","id":%q,"outputs":[{"name":"label","shape":[1],"data":[%d]},`+
			`{"name":"probabilities","shape":[1,2],"data":[%g,%g]}]}`, b.ID, b.Rows[0]%2, 1-p, p)
	}
	return out
}
