package explain_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollproof/loadtest/attack"
	"rollproof/loadtest/explain"
	"rollproof/loadtest/fake"
	"rollproof/loadtest/tally"
	"rollproof/loadtest/timeline"
	"rollproof/loadtest/verdict"
)

// load runs lanes against url for d, with something in the middle, and returns
// their tallies and losses.
func load(t *testing.T, url string, lanes []attack.Config, d time.Duration, middle func()) ([]*tally.Lane, []tally.Loss) {
	t.Helper()
	set := fake.Set(7)
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var files []*bytes.Buffer
	var running []*attack.Lane
	var wait sync.WaitGroup
	for _, cfg := range lanes {
		file := &bytes.Buffer{}
		cfg.URL, cfg.Timeout, cfg.BatchRows, cfg.Batches, cfg.Losses = url, 5*time.Second, 1, len(set.Rows), file
		lane, err := attack.NewLane(cfg, set, attack.NewVersions("1"), time.Now(), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		files, running = append(files, file), append(running, lane)
		wait.Go(func() {
			if err := lane.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(d / 2)
	middle()
	wait.Wait()
	var tallies []*tally.Lane
	var losses []tally.Loss
	for i, lane := range running {
		tallies = append(tallies, lane.Tally())
		for loss, err := range tally.ReadLosses(files[i]) {
			if err != nil {
				t.Fatal(err)
			}
			losses = append(losses, loss)
		}
	}
	return tallies, losses
}

// ending is the timeline of one pod that was told to end at that moment.
func ending(began, told time.Time) *timeline.Timeline {
	return &timeline.Timeline{
		Pods: []timeline.Pod{{
			Name: "pod-a", Template: "a", Seen: began, Started: began, Ready: began, Terminating: told, AtStart: true, Grace: ptr(30.0),
			Readiness: []timeline.Turn{{At: began, Ready: true}},
		}},
		Endpoints: []timeline.Endpoint{
			{At: began, Slice: "s", Pod: "pod-a", Ready: true}, {At: told.Add(1300 * time.Millisecond), Slice: "s", Pod: "pod-a", Withdrawn: true},
		},
		Templates: []timeline.Template{{Name: "a", Grace: 30, Containers: []timeline.Container{{Name: "c"}}}},
	}
}

func explained(t *testing.T, tallies []*tally.Lane, losses []tally.Loss, tl *timeline.Timeline, began time.Time) map[explain.Cause]explain.Explanation {
	t.Helper()
	e := explain.New(explain.Input{Timeline: tl, Pods: tally.Pods(tallies), Run: verdict.Run{Start: began, End: time.Now()}})
	var lost, count uint64
	for _, l := range tallies {
		lost += l.LostTotal() + l.Masked
	}
	for _, l := range losses {
		e.Add(l)
	}
	out := map[explain.Cause]explain.Explanation{}
	for _, x := range e.Explanations() {
		out[x.Cause] = x
		count += x.Count
	}
	if count != lost {
		t.Errorf("%d losses explained of %d", count, lost)
	}
	return out
}

// A server that exits at SIGTERM, seen by real lanes: new connections are refused
// from then on, and that is what the explanation says.
func TestAServerThatExits(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(fake.New(fake.Set(7), "pod-a", "1", nil))
	t.Cleanup(s.Close)
	began := time.Now()
	var told time.Time
	tallies, losses := load(t, s.URL, []attack.Config{
		{Name: "new", Rate: 100, Workers: 50}, {Name: "reused", Rate: 100, Workers: 50, KeepAlive: true},
	}, 800*time.Millisecond, func() {
		told = time.Now()
		if err := s.Config.Close(); err != nil {
			t.Error(err)
		}
	})
	got := explained(t, tallies, losses, ending(began, told), began)
	refused := got[explain.RefusedAfterSigterm]
	if refused.Count < 10 || len(refused.Lanes) != 2 || len(refused.Pods) != 1 || refused.Pods[0] != "pod-a" {
		t.Errorf("refused: %+v", refused)
	}
	if !strings.Contains(refused.Advice, "set a drain of 3 s") {
		t.Errorf("advice: %s", refused.Advice)
	}
	for cause := range got {
		switch cause {
		case explain.RefusedAfterSigterm, explain.ClosedAtShutdown, explain.CutAtShutdown:
		default:
			t.Errorf("%s: %s", cause, got[cause].Sentence)
		}
	}
}

// A server that closes kept connections as they are used again, without a word
// before: the pod is known by the answers that the connection carried earlier.
func TestAServerThatClosesHotConnections(t *testing.T) {
	t.Parallel()
	var shut atomic.Bool
	server := fake.New(fake.Set(7), "pod-a", "1", nil)
	var first sync.Map // connections that were told once
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, told := first.LoadOrStore(r.RemoteAddr, true); told && shut.Load() {
			if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
				_ = conn.Close() // the loss under test
			}
			return
		}
		server.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	began := time.Now()
	var told time.Time
	tallies, losses := load(t, s.URL, []attack.Config{
		{Name: "hot", Workers: 8, KeepAlive: true, ClosedLoop: true, Hold: 20 * time.Millisecond},
	}, 600*time.Millisecond, func() {
		told = time.Now()
		shut.Store(true)
	})
	got := explained(t, tallies, losses, ending(began, told), began)
	closed := got[explain.ClosedAtShutdown]
	if closed.Count < 8 || len(got) != 1 || len(closed.Pods) != 1 || closed.Pods[0] != "pod-a" {
		t.Fatalf("explanations: %+v", got)
	}
	if x := closed.Examples[0]; x.Pod != "pod-a" || !strings.Contains(x.Sentence, "by the connection's last answer") {
		t.Errorf("example: %+v", x)
	}
}
