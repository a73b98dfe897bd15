package attack_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"rollproof/loadtest/attack"
	"rollproof/loadtest/cases"
	"rollproof/loadtest/fake"
	"rollproof/loadtest/tally"
)

var set = fake.Set(7)

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
				if tt.fault == fake.Hang {
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

// connections counts the connections that a server accepts.
type connections struct {
	net.Listener
	accepted atomic.Int64
}

func (c *connections) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.accepted.Add(1)
	}
	return conn, err
}

func counted(t *testing.T, handler http.Handler) (string, *connections) {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	c := &connections{Listener: s.Listener}
	s.Listener = c
	s.Start()
	t.Cleanup(s.Close)
	return s.URL, c
}

func TestHotLaneKeepsExactlyItsConnections(t *testing.T) {
	t.Parallel()
	// Each request is under way for its hold, so that this much is always open.
	var open, peak atomic.Int64
	server := fake.New(set, "pod-a", "1", nil)
	url, conns := counted(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := open.Add(1)
		defer open.Add(-1)
		for p := peak.Load(); now > p && !peak.CompareAndSwap(p, now); p = peak.Load() {
		}
		server.ServeHTTP(w, r)
	}))
	cfg := config(url)
	cfg.Name, cfg.ClosedLoop, cfg.KeepAlive, cfg.Workers, cfg.Hold = "hot", true, true, 64, 40*time.Millisecond
	l, _ := sendUntil(t, cfg, set, 640)
	if l.LostTotal() != 0 || l.Masked != 0 {
		t.Fatalf("lost %v, masked %d", l.EarliestLosses(), l.Masked)
	}
	// On a busy machine Go's transport may dial for a request that then takes another's.
	if got := conns.accepted.Load(); got < 64 || got > 66 {
		t.Errorf("%d connections, want 64", got)
	}
	// Half of them wait in the header, of which the handler does not know.
	if got := peak.Load(); got < 25 {
		t.Errorf("at most %d requests under way at once, want about 32: the header is not sent before the hold", got)
	}
	// 64 connections / 40 ms; a slow machine does fewer.
	if l.Rate() > 1700 {
		t.Errorf("%.0f requests a second, want up to 1600", l.Rate())
	}
	if fastest := time.Duration(l.Latency.Min()) * time.Microsecond; fastest < 35*time.Millisecond {
		t.Errorf("a request took %v: it was not held", fastest)
	}
}

// A server that only calls Shutdown closes each kept connection on which it has not
// read a header to its end. The hot lane must be there with some of them, whenever
// that is, and not only in the moment between an answer and the next request.
func TestHotLaneSeesKeptConnectionsClosed(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	cfg := config(s.URL)
	cfg.Name, cfg.ClosedLoop, cfg.KeepAlive, cfg.Workers, cfg.Hold = "hot", true, true, 32, 100*time.Millisecond
	time.AfterFunc(550*time.Millisecond, func() { _ = s.Config.Shutdown(context.Background()) }) // what it returns comes after the test
	kept := 0
	for _, loss := range lossesOf(t, cfg, 800*time.Millisecond) {
		if loss.Reused && loss.LastPod == "pod-a" {
			kept++
		}
	}
	if kept == 0 {
		t.Error("no kept connection was seen to close")
	}
}

func TestNewLaneUsesAConnectionARequest(t *testing.T) {
	t.Parallel()
	url, conns := counted(t, fake.New(set, "pod-a", "1", nil))
	l, _ := send(t, config(url), attack.NewVersions("1"), 500*time.Millisecond)
	if got := uint64(conns.accepted.Load()); got != l.Requests {
		t.Errorf("%d connections for %d requests", got, l.Requests)
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

// BenchmarkHotLane measures what a request costs the sender.
func BenchmarkHotLane(b *testing.B) {
	s := httptest.NewServer(fake.New(set, "pod-a", "1", nil))
	defer s.Close()
	cfg := config(s.URL)
	cfg.ClosedLoop, cfg.KeepAlive, cfg.Workers = true, true, 8
	lane, err := attack.NewLane(cfg, set, attack.NewVersions("1"), time.Now(), io.Discard)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for {
			if n, _, _ := lane.Counts(); n >= uint64(b.N) {
				cancel()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	b.ResetTimer()
	if err := lane.Run(ctx); err != nil {
		b.Fatal(err)
	}
}
