package run

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollproof/loadtest/tally"
	"rollproof/loadtest/timeline"
	"rollproof/loadtest/verdict"
)

func TestStages(t *testing.T) {
	t.Parallel()
	var s stages
	begin := time.Now()
	if got := s.at(begin); got != "" {
		t.Errorf("stage %q before any", got)
	}
	s.enter("steady", begin)
	s.enter("rollout", begin.Add(time.Second))
	for after, want := range map[time.Duration]string{
		-time.Second: "steady", 0: "steady", 999 * time.Millisecond: "steady", time.Second: "rollout", time.Hour: "rollout",
	} {
		if got := s.at(begin.Add(after)); got != want {
			t.Errorf("%v after the start: %q, want %q", after, got, want)
		}
	}
}

func TestTheControlLane(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	dir := t.TempDir()
	c, err := startControl(dir, 5*time.Second, time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.run(ctx); err != nil {
		t.Fatal(err)
	}
	if got := c.seen(); got.Lost != 0 || got.Requests == 0 || got.P99 <= 0 {
		t.Errorf("control lane: %+v", got)
	}
	if info, err := os.Stat(filepath.Join(dir, ControlFile)); err != nil || info.Size() == 0 {
		t.Errorf("its results: %v", err)
	}
}

// The control lane's outages are its losses and its stalls, once each.
func TestOutagesOfTheControlLane(t *testing.T) {
	t.Parallel()
	origin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	l := tally.NewLane("control", origin, true, 50)
	l.Began, l.Ended = origin, origin.Add(4*time.Second)
	for i := range 200 {
		at := origin.Add(time.Duration(i) * 20 * time.Millisecond)
		s := tally.Sample{Lane: "control", Seq: uint64(i), Intended: at, Sent: at, Latency: time.Millisecond, Class: tally.OK, Attempts: 1}
		switch {
		case i >= 50 && i < 60:
			s.Class = tally.Refused // from 1 s on for 200 ms
		case i >= 100 && i < 150:
			s.Latency = origin.Add(3 * time.Second).Sub(at) // all of them at 3 s
		}
		l.Add(s)
	}
	got := verdict.NewControl(l)
	if got.Lost != 10 || got.Classes[tally.Refused] != 10 || len(got.Outages) != 2 {
		t.Fatalf("%+v", got)
	}
	for i, want := range []struct{ from, length time.Duration }{{time.Second, 200 * time.Millisecond}, {1981 * time.Millisecond, 1019 * time.Millisecond}} {
		o := got.Outages[i]
		if off := o.From.Sub(origin) - want.from; off < -20*time.Millisecond || off > 20*time.Millisecond {
			t.Errorf("outage %d begins at %v, want %v", i, o.From.Sub(origin), want.from)
		}
		if off := o.Length.D() - want.length; off < -40*time.Millisecond || off > 40*time.Millisecond {
			t.Errorf("outage %d lasts %v, want %v", i, o.Length, want.length)
		}
	}
	if own := got.Own(time.Minute); len(own) != 2 {
		t.Errorf("after losses all outages count: %v", own)
	}
	got.Lost = 0
	if own := got.Own(500 * time.Millisecond); len(own) != 1 {
		t.Errorf("without losses those that are long enough: %v", own)
	}
}

func TestHeartCountsEveryBeat(t *testing.T) {
	t.Parallel()
	h := newHeart()
	at := time.Now()
	for range 98 {
		h.take(at, time.Millisecond)
	}
	h.take(at, -time.Millisecond)
	h.take(at, 400*time.Millisecond)
	p99, most := h.late()
	if p99.D() > 2*time.Millisecond || most.D() < 390*time.Millisecond || len(h.seen()) != 1 {
		t.Errorf("p99 %v, most %v, lags %v", p99, most, h.seen())
	}
}

func TestMeter(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
	defer cancel()
	held, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close() //nolint:errcheck // only held open
	var m meter
	go func() { // something to see
		for n := 0; ctx.Err() == nil; n++ {
			_ = fmt.Sprint(n)
		}
	}()
	m.watch(ctx)
	s := m.sampler()
	if s.Files < 4 || s.FileLimit < s.Files || s.PortLimit == 0 || s.CPU <= 0 || s.CPUPeak <= 0 || s.CPULimit < 1 {
		t.Errorf("%+v", s)
	}
}

func TestSockets(t *testing.T) {
	t.Parallel()
	stat := "sockets: used 300\nTCP: inuse 27 orphan 0 tw 3 alloc 30 mem 2\nUDP: inuse 1 mem 0\n"
	if inUse, waiting := sockets([]byte(stat)); inUse != 27 || waiting != 3 {
		t.Errorf("%d sockets and %d that wait, want 27 and 3", inUse, waiting)
	}
	for _, odd := range []string{"", "TCP:", "TCP: inuse", "TCP: inuse many tw 1x"} {
		if inUse, waiting := sockets([]byte(odd)); inUse != 0 || waiting != 0 {
			t.Errorf("%q: %d and %d", odd, inUse, waiting)
		}
	}
}

// forwarderPort tells the process that the test starts where to listen.
const forwarderPort = "ROLLPROOF_TEST_FORWARDER"

// TestForwarder is no test: it is what TestAForwardedPortIsTold starts under
// kubectl's name.
func TestForwarder(t *testing.T) {
	if os.Getenv(forwarderPort) == "" {
		t.Skip("only a helper")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("listening", l.Addr())
	time.Sleep(time.Minute)
}

func TestAForwardedPortIsTold(t *testing.T) {
	t.Parallel()
	cmd := &exec.Cmd{Path: os.Args[0], Args: []string{"kubectl", "-test.run=^TestForwarder$", "port-forward", "service/web"}}
	cmd.Env = append(os.Environ(), forwarderPort+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line := make([]byte, 100)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimSpace(strings.TrimPrefix(string(line[:n]), "listening "))
	if got := forwarded("http://" + address); !strings.HasPrefix(got, "kubectl ") || !strings.Contains(got, "port-forward service/web") {
		t.Errorf("forwarded by %q", got)
	}
	own, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close() //nolint:errcheck // only held open
	for _, address := range []string{"http://" + own.Addr().String(), "http://192.0.2.1:80", "http://127.0.0.1:1", "http://localhost", "::"} {
		if got := forwarded(address); got != "" {
			t.Errorf("%s: forwarded by %q", address, got)
		}
	}
}

func TestOnePodOfSeveral(t *testing.T) {
	t.Parallel()
	origin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	answered := func(pods ...string) []*tally.Lane {
		l := tally.NewLane("new", origin, true, 10)
		for i, p := range pods {
			l.Add(tally.Sample{Seq: uint64(i), Intended: origin, Sent: origin, Class: tally.OK, Attempts: 1, Pod: p, Version: "1"})
		}
		return []*tally.Lane{l}
	}
	two := &timeline.Timeline{Pods: []timeline.Pod{{Name: "a", Ready: origin}, {Name: "b", Ready: origin}}}
	end := origin.Add(10 * time.Second)
	if got := onePod(answered("a"), two, origin, end); !strings.Contains(got, "pod a, while 2 pods were ready") {
		t.Errorf("warning %q", got)
	}
	for name, got := range map[string]string{
		"both answered":    onePod(answered("a", "b"), two, origin, end),
		"no names":         onePod(answered(""), two, origin, end),
		"no cluster":       onePod(answered("a"), nil, origin, end),
		"one pod":          onePod(answered("a"), &timeline.Timeline{Pods: two.Pods[:1]}, origin, end),
		"ready for a time": onePod(answered("a"), two, origin, origin.Add(time.Second)),
	} {
		if got != "" {
			t.Errorf("%s: warning %q", name, got)
		}
	}
}

func TestSlowLanes(t *testing.T) {
	t.Parallel()
	cfg := DefaultLoad()
	cfg.Service, cfg.URL = echo{}, "http://127.0.0.1:1"
	cfg.Header, cfg.SlowHeader = map[string][]string{"X-A": {"1"}, "X-B": {"1"}}, map[string][]string{"X-B": {"2"}}
	got := map[string][]string{}
	for _, l := range cfg.lanes() {
		if !verdict.IsSlow(l.Name) {
			if l.BatchRows != 1 || l.Header.Get("X-B") != "1" {
				t.Errorf("lane %s: %d rows, header %v", l.Name, l.BatchRows, l.Header)
			}
			continue
		}
		got[l.Name] = []string{fmt.Sprint(l.Rate), fmt.Sprint(l.BatchRows), fmt.Sprint(l.KeepAlive), l.Header.Get("X-A"), l.Header.Get("X-B")}
	}
	want := map[string][]string{LaneSlowNew: {"5", "500", "false", "1", "2"}, LaneSlowReused: {"5", "500", "true", "1", "2"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	cfg.SlowNewRate, cfg.SlowReusedRate = 0, 0
	if n := len(cfg.lanes()); n != 3 {
		t.Errorf("%d lanes without slow ones, want 3", n)
	}
	cfg.SlowNewRate = -1
	if err := cfg.Check(); err == nil || !strings.Contains(err.Error(), LaneSlowNew) {
		t.Errorf("error %v", err)
	}
}
