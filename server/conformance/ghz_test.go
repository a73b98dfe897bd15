package conformance

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// report is what ghz says of a run.
type report struct {
	Count  int            `json:"count"`
	Codes  map[string]int `json:"statusCodeDistribution"`
	Errors map[string]int `json:"errorDistribution"`
	RPS    float64        `json:"rps"`
}

// ghz is a command for so many calls of ModelInfer.
func ghz(t *testing.T, address string, calls int, flags ...string) *exec.Cmd {
	t.Helper()
	data := filepath.Join(t.TempDir(), "request.json")
	if err := os.WriteFile(data, []byte(inferRequest(t, "2", readGoldens(t).Rows[:1], false)), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{
		"--insecure", "--call", service + ".ModelInfer", "--data-file", data, "--total", strconv.Itoa(calls),
		"--connections", "8", "--concurrency", "32", "--format", "json",
	}
	return exec.CommandContext(t.Context(), program(t, clientsFolder, "ghz"), append(append(args, flags...), address)...)
}

// allOK fails unless each call was answered.
func allOK(t *testing.T, out []byte, calls int) {
	t.Helper()
	var r report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v\n%.1000s", err, out)
	}
	if r.Count != calls || r.Codes["OK"] != calls || len(r.Errors) > 0 {
		t.Errorf("%d calls: %v, %v; want %d, all OK", r.Count, r.Codes, r.Errors, calls)
	}
	t.Logf("%d calls OK, %.0f a second", r.Codes["OK"], r.RPS)
}

func TestGhzBurst(t *testing.T) {
	t.Parallel()
	const calls = 10000
	s := startGRPC(t)
	out, err := ghz(t, s.grpc, calls).Output()
	if err != nil {
		t.Fatal(err)
	}
	allOK(t, out, calls)
	s.terminate(t)
	s.drained(t, 20*time.Second)
}

// forwarder is a Service in miniature: it takes connections to where it is told just
// now, and leaves those that are open where they are.
type forwarder struct {
	to    atomic.Pointer[string]
	taken sync.Map // how many connections went where: string to *atomic.Int64
}

// start listens until the test ends, and returns where.
func (f *forwarder) start(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		_ = listener.Close() // nobody is left to use it
	})
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			go f.forward(ctx, from)
		}
	}()
	return listener.Addr().String()
}

func (f *forwarder) forward(ctx context.Context, from net.Conn) {
	defer func() { _ = from.Close() }()
	address := *f.to.Load()
	var d net.Dialer
	to, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return // its end is what the client sees
	}
	defer func() { _ = to.Close() }()
	counter, _ := f.taken.LoadOrStore(address, &atomic.Int64{})
	counter.(*atomic.Int64).Add(1)
	end := context.AfterFunc(ctx, func() { _, _ = from.Close(), to.Close() }) // the test is over
	defer end()
	var group sync.WaitGroup
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		group.Go(func() {
			_, _ = io.Copy(way[1], way[0]) // whatever ends it, the end is passed on
			if half, ok := way[1].(*net.TCPConn); ok {
				_ = half.CloseWrite()
			}
		})
	}
	group.Wait()
}

func (f *forwarder) connections(to string) int64 {
	if counter, ok := f.taken.Load(to); ok {
		return counter.(*atomic.Int64).Load()
	}
	return 0
}

// TestGhzThroughADrain replaces the server by another while ghz calls it, as a rollout
// does. Not one call may fail, though every connection to the first server ends.
func TestGhzThroughADrain(t *testing.T) {
	t.Parallel()
	const calls, perSecond = 8000, 2000
	first := startGRPC(t, "--drain-delay", "700ms")
	next := startGRPC(t)
	var f forwarder
	f.to.Store(&first.grpc)
	address := f.start(t)
	command := ghz(t, address, calls, "--rps", strconv.Itoa(perSecond))
	type result struct {
		out []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		out, err := command.Output()
		done <- result{out, err}
	}()
	for end := time.Now().Add(20 * time.Second); f.connections(first.grpc) < 8; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d connections of ghz, want 8", f.connections(first.grpc))
		}
	}
	time.Sleep(500 * time.Millisecond)
	first.terminate(t)
	time.Sleep(100 * time.Millisecond) // as long as endpoints may take to be told
	f.to.Store(&next.grpc)
	first.drained(t, 20*time.Second)
	select {
	case r := <-done:
		t.Errorf("ghz ended before the server did, which proves nothing: %v", r.err)
		done <- r
	default:
	}
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	allOK(t, r.out, calls)
	if n := f.connections(next.grpc); n < 8 {
		t.Errorf("%d connections to the next server, want 8 or more", n)
	}
}
