package attack_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"rollproof/loadtest/attack"
	"rollproof/loadtest/fake"
)

// Latency counts from the time at which a request was due: a worker that is not
// free in time makes it longer, and the send late.
func TestLatencyFromTheIntendedTime(t *testing.T) {
	t.Parallel()
	cfg := config(serve(t, func(uint64) fake.Fault { return fake.Slow }).URL)
	cfg.Rate, cfg.Workers = 20, 2 // two workers can do 6.7 a second
	l, _ := send(t, cfg, attack.NewVersions("1"), 2*time.Second)
	if l.LostTotal() != 0 {
		t.Fatalf("lost %v", l.EarliestLosses())
	}
	if longest := time.Duration(l.Latency.Max()) * time.Microsecond; longest < 700*time.Millisecond {
		t.Errorf("longest latency %v: the wait for a worker is not in it", longest)
	}
	if l.Late == 0 || l.MaxLate < 400*time.Millisecond || l.Dropped < 10 || l.PeakInFlight != 2 || l.MaxWorkers != 2 {
		t.Errorf("late %d (by %v), dropped %d, %d of %d workers busy", l.Late, l.MaxLate, l.Dropped, l.PeakInFlight, l.MaxWorkers)
	}
}

func TestStallIsFound(t *testing.T) {
	t.Parallel()
	var began atomic.Pointer[time.Time]
	server := fake.New(set, "pod-a", "1", nil)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		began.CompareAndSwap(nil, &now)
		// From 300 to 800 ms after the first request nobody is answered.
		if at := now.Sub(*began.Load()); at > 300*time.Millisecond && at < 800*time.Millisecond {
			time.Sleep(800*time.Millisecond - at)
		}
		server.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	l, _ := send(t, config(s.URL), attack.NewVersions("1"), 1200*time.Millisecond)
	if _, length := l.Stall(); length < 450*time.Millisecond || length > 1100*time.Millisecond {
		t.Errorf("stall %v, want about 500ms", length)
	}
	if l.LostTotal() != 0 {
		t.Errorf("lost %v", l.EarliestLosses())
	}
}

// A server that is out for a known time, counted in the requests that were due in
// it: the lane finds its start and its length to within one interval of its rate,
// however late the requests came.
func TestAKnownOutageIsFound(t *testing.T) {
	t.Parallel()
	const interval = 5 * time.Millisecond
	const from, to = 60, 100
	var n atomic.Int64
	server := fake.New(set, "pod-a", "1", nil)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seq, err := strconv.Atoi(r.Header.Get("X-Vegeta-Seq"))
		if err == nil && seq >= from && seq < to {
			n.Add(1)
			panic(http.ErrAbortHandler)
		}
		server.ServeHTTP(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	cfg := config(s.URL)
	cfg.Rate = float64(time.Second / interval)
	l, _ := sendUntil(t, cfg, set, 160)
	outages := l.Outages()
	if len(outages) != 1 || n.Load() != to-from || l.LostTotal() != to-from {
		t.Fatalf("outages %v, %d requests met it, %d were lost", outages, n.Load(), l.LostTotal())
	}
	began := l.Began.Sub(l.Origin)
	if late := outages[0].From - began - from*interval; late < -interval || late > interval {
		t.Errorf("it began at %v, want %v", outages[0].From-began, from*interval)
	}
	if off := outages[0].To - outages[0].From - (to-from)*interval; off < -interval || off > interval {
		t.Errorf("it lasted %v, want %v", outages[0].To-outages[0].From, (to-from)*interval)
	}
}
