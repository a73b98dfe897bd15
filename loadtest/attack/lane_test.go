package attack_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"rollproof/loadtest/attack"
	"rollproof/loadtest/fake"
	"rollproof/loadtest/tally"
)

var set = fake.Set(7)

func TestRightAnswers(t *testing.T) {
	t.Parallel()
	for _, keepAlive := range []bool{false, true} {
		cfg := config(serve(t, nil).URL)
		cfg.KeepAlive, cfg.BatchRows = keepAlive, 3
		l, results := send(t, cfg, attack.NewVersions("1"), time.Second)
		if l.LostTotal() != 0 || l.Masked != 0 || l.OK < 50 || l.OK > 110 {
			t.Errorf("keep-alive %t: ok %d of %d, masked %d, lost %v", keepAlive, l.OK, l.Requests, l.Masked, l.EarliestLosses())
		}
		if l.Rows != 3*l.Requests {
			t.Errorf("%d rows in %d requests", l.Rows, l.Requests)
		}
		if diff := cmp.Diff(map[string]uint64{"1": l.OK}, l.Versions()); diff != "" {
			t.Error(diff)
		}
		var m vegeta.Metrics
		for _, r := range results {
			m.Add(&r)
			if len(r.Body) != 0 || r.Method != http.MethodPost || r.BytesOut == 0 || r.BytesIn == 0 {
				t.Fatalf("result of a right answer: %+v", r)
			}
		}
		m.Close()
		if m.Success != 1 || len(m.Errors) != 0 {
			t.Errorf("vegeta report: success %v, errors %v", m.Success, m.Errors)
		}
	}
}

func TestFaultsAreLosses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fault fake.Fault
		want  tally.Class
	}{
		{fake.Close, tally.EOF},
		{fake.Reset, tally.Reset},
		{fake.Status500, tally.WrongStatus},
		{fake.WrongHeader, tally.WrongVersion},
		{fake.WrongVersion, tally.WrongVersion},
		{fake.WrongBody, tally.WrongAnswer},
		{fake.Short, tally.ShortBody},
		{fake.CutJSON, tally.ShortBody},
		{fake.Hang, tally.Timeout},
		{fake.HangInBody, tally.Timeout},
	}
	for _, tt := range tests {
		for _, keepAlive := range []bool{false, true} {
			t.Run(string(tt.fault), func(t *testing.T) {
				t.Parallel()
				cfg := config(serve(t, func(n uint64) fake.Fault {
					if n == 5 {
						return tt.fault
					}
					return fake.None
				}).URL)
				// Long enough for a busy machine, so that nothing else times out.
				cfg.KeepAlive, cfg.Rate, cfg.Timeout = keepAlive, 40, 10*time.Second
				if tt.want == tally.Timeout {
					cfg.Timeout = 2 * time.Second
				}
				l, results := send(t, cfg, attack.NewVersions("1"), 500*time.Millisecond)
				if diff := cmp.Diff(map[tally.Class]uint64{tt.want: 1}, l.Lost); diff != "" {
					t.Fatalf("%s\n%v", diff, l.EarliestLosses())
				}
				if loss := l.EarliestLosses()[0]; loss.Detail == "" || loss.Attempts != 1 || loss.Remote == "" {
					t.Errorf("loss without what is known of it: %+v", loss)
				}
				wrong := 0
				for _, r := range results {
					if r.Error != "" {
						wrong++
					}
				}
				if wrong != 1 {
					t.Errorf("vegeta report would show %d errors, want 1", wrong)
				}
			})
		}
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.Close()
	hot := config(s.URL)
	hot.ClosedLoop, hot.KeepAlive, hot.Workers, hot.Hold = true, true, 4, 20*time.Millisecond
	for _, cfg := range []attack.Config{config(s.URL), hot} {
		l, _ := send(t, cfg, attack.NewVersions(), 300*time.Millisecond)
		if l.Lost[tally.Refused] != l.Requests || l.Requests == 0 {
			t.Errorf("lost %v of %d", l.Lost, l.Requests)
		}
		if l.Requests > 4*300/20+8 {
			t.Errorf("%d requests in 300 ms: a closed loop must not spin on a refused port", l.Requests)
		}
	}
}

func TestUnknownHost(t *testing.T) {
	t.Parallel()
	cfg := config("http://no-such-host.invalid")
	cfg.Rate = 10
	l, _ := send(t, cfg, attack.NewVersions(), 300*time.Millisecond)
	if l.Lost[tally.DNS]+l.Lost[tally.Timeout] != l.Requests || l.Requests == 0 {
		t.Errorf("lost %v of %d", l.Lost, l.Requests)
	}
}

func TestVersionsThatMayAnswer(t *testing.T) {
	t.Parallel()
	server := fake.New(set, "pod-a", "1", nil)
	s := httptest.NewServer(server)
	t.Cleanup(s.Close)
	versions := attack.NewVersions("1")
	lane, err := attack.NewLane(config(s.URL), set, versions, time.Now(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- lane.Run(ctx) }()
	time.Sleep(200 * time.Millisecond)
	versions.Allow("1", "2")
	server.SetVersion("2")
	time.Sleep(200 * time.Millisecond)
	_, lost, _ := lane.Counts()
	if lost != 0 {
		t.Errorf("lost %d while both versions might answer", lost)
	}
	versions.Allow("2")
	time.Sleep(100 * time.Millisecond)
	server.SetVersion("1")
	time.Sleep(200 * time.Millisecond)
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	l := lane.Tally()
	if l.Lost[tally.WrongVersion] == 0 || l.Lost[tally.WrongVersion] != l.LostTotal() {
		t.Errorf("the old version answered after its end: lost %v", l.Lost)
	}
	if v := l.Versions(); v["1"] == 0 || v["2"] == 0 {
		t.Errorf("versions %v", v)
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriteErrorIsNotSwallowed(t *testing.T) {
	t.Parallel()
	lane, err := attack.NewLane(config(serve(t, nil).URL), set, attack.NewVersions("1"), time.Now(), failingWriter{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := lane.Run(ctx); err == nil {
		t.Error("no error")
	}
	if l := lane.Tally(); l.OK == 0 {
		t.Error("the lane did not go on")
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*attack.Config){
		"rate":    func(c *attack.Config) { c.Rate = 0 },
		"workers": func(c *attack.Config) { c.Workers = 0 },
		"timeout": func(c *attack.Config) { c.Timeout = 0 },
		"hold":    func(c *attack.Config) { c.Hold = time.Second },
		"rows":    func(c *attack.Config) { c.BatchRows = 0 },
	} {
		cfg := config("http://127.0.0.1:1")
		change(&cfg)
		if _, err := attack.NewLane(cfg, set, attack.NewVersions(), time.Now(), io.Discard); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
