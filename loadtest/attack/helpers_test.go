package attack_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"rollproof/loadtest/attack"
	"rollproof/loadtest/cases"
	"rollproof/loadtest/fake"
	"rollproof/loadtest/tally"
)

func config(url string) attack.Config {
	return attack.Config{
		Name: "new", URL: url, Rate: 100, Workers: 200, Timeout: 10 * time.Second, BatchRows: 1, Batches: len(set.Rows),
	}
}

// send runs a lane for d and returns its tally and Vegeta's results.
func send(t *testing.T, cfg attack.Config, versions *attack.Versions, d time.Duration) (*tally.Lane, []vegeta.Result) {
	t.Helper()
	return sendTo(t, cfg, set, versions, d)
}

// sendTo does so with a service.
func sendTo(t *testing.T, cfg attack.Config, service cases.Service, versions *attack.Versions, d time.Duration) (*tally.Lane, []vegeta.Result) {
	t.Helper()
	var raw bytes.Buffer
	lane, err := attack.NewLane(cfg, service, versions, time.Now(), &raw)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	if err := lane.Run(ctx); err != nil {
		t.Fatal(err)
	}
	l := lane.Tally()
	results := decode(t, &raw)
	if uint64(len(results)) != l.Requests {
		t.Errorf("%d results kept of %d requests", len(results), l.Requests)
	}
	return l, results
}

// sendUntil runs a lane until it has sent n requests: a busy machine takes longer
// for them. Version 1 may answer.
func sendUntil(t *testing.T, cfg attack.Config, service cases.Service, n uint64) (*tally.Lane, []vegeta.Result) {
	t.Helper()
	var raw bytes.Buffer
	lane, err := attack.NewLane(cfg, service, attack.NewVersions("1"), time.Now(), &raw)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() {
		for sent, _, _ := lane.Counts(); sent < n && ctx.Err() == nil; sent, _, _ = lane.Counts() {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if err := lane.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return lane.Tally(), decode(t, &raw)
}

// decode reads results with Vegeta's own decoder.
func decode(t *testing.T, raw io.Reader) []vegeta.Result {
	t.Helper()
	dec := vegeta.DecoderFor(raw)
	if dec == nil {
		t.Fatal("vegeta does not know the encoding")
	}
	var out []vegeta.Result
	for {
		var r vegeta.Result
		err := dec.Decode(&r)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
}

func serve(t *testing.T, fault func(uint64) fake.Fault) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(fake.New(set, "pod-a", "1", fault))
	t.Cleanup(s.Close)
	return s
}
