package grpcapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"rollproof/model"
	pb "rollproof/server/inferencepb"
)

// route is a Service as its callers see it: where new connections go changes, and
// those that are open stay where they are.
type route struct {
	to          atomic.Pointer[running]
	connections atomic.Int64
}

func (r *route) dial(ctx context.Context, _ string) (net.Conn, error) {
	r.connections.Add(1)
	var d net.Dialer
	return d.DialContext(ctx, "tcp", r.to.Load().address)
}

// load is callers, several on each of several connections, each at its next call as
// soon as the last is answered.
type load struct {
	stopped chan struct{}
	stop    func()
	group   sync.WaitGroup
	calls   atomic.Int64
	mutex   sync.Mutex
	pods    map[string]int
	problem error
}

func startLoad(t *testing.T, by *route, connections, callers int) *load {
	t.Helper()
	l := &load{stopped: make(chan struct{}), pods: map[string]int{}}
	l.stop = sync.OnceFunc(func() { close(l.stopped) })
	t.Cleanup(l.stop)
	for range connections {
		client := pb.NewGRPCInferenceServiceClient(dial(t, "service", grpc.WithContextDialer(by.dial)))
		for range callers {
			l.group.Go(func() {
				for {
					select {
					case <-l.stopped:
						return
					default:
						l.call(t, client)
					}
				}
			})
		}
	}
	return l
}

func (l *load) call(t *testing.T, client pb.GRPCInferenceServiceClient) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var header metadata.MD
	answer, err := client.ModelInfer(ctx, floats(1, -2), grpc.Header(&header))
	l.calls.Add(1)
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if err == nil && len(answer.GetOutputs()) != 2 {
		err = fmt.Errorf("an answer of %d outputs, want 2", len(answer.GetOutputs()))
	}
	if err != nil {
		l.problem = errors.Join(l.problem, err)
		return
	}
	for _, pod := range header.Get("x-rollproof-pod") {
		l.pods[pod]++
	}
}

// end stops the callers and fails if a call was lost.
func (l *load) end(t *testing.T, atLeast int64) {
	t.Helper()
	l.stop()
	l.group.Wait()
	if l.problem != nil {
		t.Errorf("of %d calls there were lost:\n%.2000s", l.calls.Load(), l.problem)
	}
	if n := l.calls.Load(); n < atLeast {
		t.Errorf("%d calls, want %d or more for this to prove something", n, atLeast)
	}
}

// slowly is sums that takes its time, so that calls are in flight whenever one looks.
func slowly(took time.Duration) *model.Model {
	m := sums("1")
	plain := m.Predictor
	m.Predictor = predictor(func(ctx context.Context, in, out []model.Value) error {
		time.Sleep(took)
		return plain.Predict(ctx, in, out)
	})
	return m
}

// TestDrainUnderLoadLosesNoCall replaces a server several times while callers reuse
// their connections without a pause.
func TestDrainUnderLoadLosesNoCall(t *testing.T) {
	t.Parallel()
	const pods = 6
	var all []*running
	for i := range pods {
		all = append(all, start(t, func(c *Config) {
			c.Pod, c.Service = fmt.Sprint("pod-", i), serviceOf(slowly(time.Millisecond))
		}))
	}
	var by route
	by.to.Store(all[0])
	l := startLoad(t, &by, 8, 8)
	for i := range pods - 1 {
		time.Sleep(100 * time.Millisecond)
		all[i].Announce()
		by.to.Store(all[i+1])
		time.Sleep(all[i].config.DrainDelay)
		if err := all[i].Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if n, c := all[i].InFlight(), all[i].Connections(); n != 0 || c != 0 {
			t.Errorf("%d calls and %d connections after the end", n, c)
		}
	}
	time.Sleep(100 * time.Millisecond)
	l.end(t, 1000)
	for i := range pods {
		if l.pods[fmt.Sprint("pod-", i)] == 0 {
			t.Errorf("pod-%d answered nothing: %v", i, l.pods)
		}
	}
}

// TestOldConnectionsEndWithoutLosingACall: connections end by their age, so that new
// pods get traffic.
func TestOldConnectionsEndWithoutLosingACall(t *testing.T) {
	t.Parallel()
	const connections = 4
	r := start(t, func(c *Config) {
		c.Service, c.MaxConnectionAge = serviceOf(slowly(time.Millisecond)), 100*time.Millisecond
	})
	var by route
	by.to.Store(r)
	l := startLoad(t, &by, connections, 4)
	for end := time.Now().Add(10 * time.Second); by.connections.Load() < 4*connections; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d connections so far: none ends by its age", by.connections.Load())
		}
	}
	l.end(t, 100)
}

func TestDrainWaitsForCalls(t *testing.T) {
	t.Parallel()
	h := newHeld()
	r := start(t, func(c *Config) { c.Service = serviceOf(h.Model) })
	first := r.hold(t, h)
	drained := make(chan error, 1)
	go func() { drained <- r.Drain(t.Context()) }()
	time.Sleep(50 * time.Millisecond)
	select {
	case err := <-drained:
		t.Fatalf("drained with a call in flight: %v", err)
	default:
	}
	if n := r.InFlight(); n != 1 {
		t.Errorf("%d in flight, want 1", n)
	}
	if _, err := net.Dial("tcp", r.address); err == nil {
		t.Error("a new connection is taken while the server ends")
	}
	close(h.letGo)
	if err := <-first; err != nil {
		t.Errorf("the call in flight: %v", err)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func TestDrainServesOnForItsDelay(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) { c.DrainDelay = 300 * time.Millisecond })
	drained := make(chan error, 1)
	begin := time.Now()
	go func() { drained <- r.Drain(t.Context()) }()
	for end := time.Now().Add(time.Second); r.ready(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("ready a second after the drain began")
		}
	}
	fresh := pb.NewGRPCInferenceServiceClient(dial(t, r.address))
	for name, client := range map[string]pb.GRPCInferenceServiceClient{"an open": r.client, "a new": fresh} {
		if _, err := client.ModelInfer(t.Context(), floats(1, 2)); err != nil {
			t.Errorf("on %s connection: %v", name, err)
		}
	}
	if err := <-drained; err != nil || time.Since(begin) < 300*time.Millisecond {
		t.Errorf("drained after %s: %v", time.Since(begin), err)
	}
}

func TestDrainCutsWhatTakesTooLong(t *testing.T) {
	t.Parallel()
	h := newHeld()
	r := start(t, func(c *Config) {
		c.Service, c.ShutdownTimeout = serviceOf(h.Model), 50*time.Millisecond
	})
	first := r.hold(t, h)
	err := r.Stop(t.Context())
	if !errors.Is(err, ErrCut) || !strings.Contains(err.Error(), "1 calls in flight on 1 connections after the shutdown timeout of 50ms") {
		t.Errorf("%v, want that one call was cut", err)
	}
	if err := <-first; err == nil {
		t.Error("the call that was cut is answered")
	}
}

func TestDrainEndsWithItsContext(t *testing.T) {
	t.Parallel()
	h := newHeld()
	r := start(t, func(c *Config) {
		c.Service, c.DrainDelay, c.ShutdownTimeout = serviceOf(h.Model), time.Hour, time.Hour
	})
	first := r.hold(t, h)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := r.Drain(ctx); !errors.Is(err, ErrCut) || !strings.Contains(err.Error(), "when the drain itself was ended") {
		t.Errorf("%v, want that a call was cut", err)
	}
	t.Logf("the call that was cut: %v", <-first)
}

// TestSilentConnectionsDoNotHoldUpTheEnd: nobody waits for who says nothing, be it in
// the middle of the handshake, and that is no lost call.
func TestSilentConnectionsDoNotHoldUpTheEnd(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) { c.HandshakeTimeout = 100 * time.Millisecond })
	if _, err := r.client.ModelInfer(t.Context(), floats(1, 2)); err != nil { // from now on it is idle
		t.Fatal(err)
	}
	silent, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	for end := time.Now().Add(time.Second); r.Connections() < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d connections, want 2", r.Connections())
		}
	}
	begin := time.Now()
	if err := r.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("the end took %s", took)
	}
}
