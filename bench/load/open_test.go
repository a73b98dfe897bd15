package load_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rollproof/bench/load"
)

func TestOpenSendsAllInTurns(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	got := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v2/infer" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		mu.Lock()
		got[string(body)]++
		mu.Unlock()
		if body[0] == 'b' {
			w.Header().Set("Connection", "close") // as gunicorn's worker does
		}
	}))
	defer server.Close()
	l, err := load.Open{
		URL: server.URL + "/v2/infer", Bodies: [][]byte{[]byte("a"), []byte("b")}, Rate: 500, For: 200 * time.Millisecond, Connections: 4,
	}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock() // the race detector sees no order in what passes through sockets
	defer mu.Unlock()
	if l.Requests != 100 || got["a"] != 50 || got["b"] != 50 {
		t.Errorf("%+v, bodies %v; want 100 requests, half of each", l, got)
	}
	if l.P50 <= 0 || l.P99 < l.P50 || l.Most < l.P99 {
		t.Errorf("latencies %+v", l)
	}
}

// TestOpenCountsTheWait holds that latency counts from when a request was due: one
// answer that takes long delays those behind it on the only connection.
func TestOpenCountsTheWait(t *testing.T) {
	t.Parallel()
	const slow = 100 * time.Millisecond
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if requests.Add(1) == 1 {
			time.Sleep(slow)
		}
	}))
	defer server.Close()
	l, err := load.Open{URL: server.URL + "/", Bodies: [][]byte{{'x'}}, Rate: 100, For: 100 * time.Millisecond, Connections: 1}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Requests 1 to 5 of 10 were due in the first half of the slow one's time.
	if l.P50 < slow/4 || l.Most < slow {
		t.Errorf("%+v, want half of the requests to have waited for the first", l)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no model", http.StatusNotFound)
	}))
	defer server.Close()
	bodies := [][]byte{{'x'}}
	_, err := load.Open{URL: server.URL + "/", Bodies: bodies, Rate: 100, For: 100 * time.Millisecond, Connections: 2}.Run(t.Context())
	if !errors.Is(err, load.ErrFailures) || !strings.Contains(err.Error(), "no model") {
		t.Errorf("error %v, want the server's 404", err)
	}
	for _, o := range []load.Open{
		{URL: "127.0.0.1:80", Bodies: bodies, Rate: 10, For: time.Second, Connections: 1},
		{URL: server.URL, Bodies: bodies, Rate: 0.5, For: time.Second, Connections: 1},
		{URL: server.URL, Bodies: nil, Rate: 10, For: time.Second, Connections: 1},
		{URL: server.URL, Bodies: bodies, Rate: 10, For: time.Second, Connections: 0},
	} {
		if _, err := o.Run(t.Context()); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (load.Open{URL: server.URL, Bodies: bodies, Rate: 10, For: time.Second, Connections: 1}).Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	if got := load.Quantile([]time.Duration{1, 2, 3, 4}, 0.5); got != 2 {
		t.Errorf("median %d, want 2", got)
	}
	if got := load.Quantile(nil, 0.5); got != 0 {
		t.Errorf("of nothing %d, want 0", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(0, 1000), 1, 300).Draw(t, "values")
		sorted := make([]time.Duration, len(values))
		for i, v := range values {
			sorted[i] = time.Duration(v)
		}
		slices.Sort(sorted)
		q := load.Quantile(sorted, 0.99)
		within := 0
		for _, v := range sorted {
			if v <= q {
				within++
			}
		}
		if 100*within < 99*len(sorted) {
			t.Fatalf("%d of %d values are at most %d", within, len(sorted), q)
		}
	})
}
