package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"rollproof/loadtest/cases"
	"rollproof/loadtest/tally"
)

type senderFunc func(*http.Request, uint64) (*http.Response, func(), error)

func (f senderFunc) send(r *http.Request, seq uint64) (*http.Response, func(), error) {
	return f(r, seq)
}

// What the transport does by itself on a connection that was closed under it is
// done here on purpose: one request is sent a second time, within the same
// round trip. Its answer is right, and the retry is counted.
func TestMaskedRetryIsCounted(t *testing.T) {
	t.Parallel()
	set := &cases.Set{
		Model: "m", Input: cases.Input{Name: "X", Datatype: "FP32", Columns: 1},
		Outputs:  cases.Outputs{Label: "label", Probabilities: "p"},
		Rows:     [][]json.Number{{"1"}},
		Expected: map[string]cases.Expected{"1": {Label: []int64{1}, Probabilities: [][]float64{{1}}}},
	}
	answer := `{"model_name":"m","model_version":"1","id":"b0","outputs":[` +
		`{"name":"label","shape":[1],"data":[1]},{"name":"p","shape":[1,1],"data":[1]}]}`
	var bodies atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n, err := io.Copy(io.Discard, r.Body); err == nil && n > 0 {
			bodies.Add(1)
		}
		w.Header().Set(VersionHeader, "1")
		w.Header().Set(PodHeader, "pod-a")
		_, _ = io.WriteString(w, answer) // a write that fails shows as a loss
	}))
	t.Cleanup(s.Close)
	cfg := Config{Name: "reused", URL: s.URL, Rate: 100, KeepAlive: true, Workers: 1, Timeout: 5 * time.Second, BatchRows: 1, Batches: 1}
	var raw, losses bytes.Buffer
	cfg.Losses = &losses
	// One worker and so one connection: a spare one would not have answered before.
	lane, err := NewLane(cfg, set, NewVersions("1"), time.Now(), &raw)
	if err != nil {
		t.Fatal(err)
	}
	base := lane.traced.base
	var trips atomic.Int64
	lane.traced.base = senderFunc(func(r *http.Request, seq uint64) (*http.Response, func(), error) {
		if trips.Add(1) == 5 {
			resp, done, err := base.send(r, seq)
			if err != nil {
				return nil, done, err
			}
			if err := resp.Body.Close(); err != nil {
				return nil, done, err
			}
			if r.Body, err = r.GetBody(); err != nil {
				return nil, done, err
			}
		}
		return base.send(r, seq)
	})
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	if err := lane.Run(ctx); err != nil {
		t.Fatal(err)
	}
	l := lane.Tally()
	if l.Masked != 1 || l.LostTotal() != 0 {
		t.Errorf("masked %d, lost %v", l.Masked, l.EarliestLosses())
	}
	if got := uint64(bodies.Load()); got != l.Requests+1 {
		t.Errorf("the server read %d bodies for %d requests", got, l.Requests)
	}
	kept := 0
	for loss, err := range tally.ReadLosses(&losses) {
		if err != nil {
			t.Fatal(err)
		}
		kept++
		// The connection is the first one, which the answer did not come from.
		if !loss.Masked() || loss.Attempts != 2 || !loss.Reused || loss.LastPod != "pod-a" || loss.Written == 0 || loss.Phase != tally.Answer {
			t.Errorf("%+v", loss)
		}
	}
	if kept != 1 {
		t.Errorf("%d masked losses were kept, want 1", kept)
	}
	if len(lane.traced.trips) != 0 {
		t.Errorf("%d trips were kept", len(lane.traced.trips))
	}
}
