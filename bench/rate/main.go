// Command rate measures what the harness's own work costs: the highest rate of its
// four lanes on one core, as a ratio of the highest of plain Vegeta with the same
// requests on the same kinds of connection, against the same server on another
// core; and its memory over a long load. `make rate` runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"rollproof/bench/machine"
	"rollproof/bench/pair"
)

// goal is the least ratio that is good enough.
const goal = 0.9

type settings struct {
	server, loadtest, model, cases, out string
	pairs                               int
	at                                  float64
	step                                time.Duration
	memory, settle                      time.Duration
	memoryRate                          float64
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "plain" {
		return plain(ctx, args[1:], stdout)
	}
	s := settings{}
	f := flag.NewFlagSet("rate", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&s.server, "server", "bin/server", "the server's `binary`")
	f.StringVar(&s.loadtest, "loadtest", "bin/loadtest", "the harness's `binary`")
	f.StringVar(&s.model, "model", "model/breastcancer/v1/model.onnx", "`file` of the model to serve")
	f.StringVar(&s.cases, "cases", "model/breastcancer/goldens.json", "`file` of its rows and answers")
	f.StringVar(&s.out, "out", "out/rate", "`folder` for what the runs write")
	f.IntVar(&s.pairs, "pairs", 5, "how `many` pairs of highest rates; 0: none")
	f.Float64Var(&s.at, "at", 0, "measure the processor time a request at this `rate` instead, which a busy machine disturbs less; 0: the highest rate")
	f.DurationVar(&s.step, "step", 4*time.Second, "how long each rate is tried")
	f.DurationVar(&s.memory, "memory", 0, "for how long to watch the harness's memory, once it has settled; 0s: not at all")
	// Buffers and histograms are made at first, and what is kept of a run's time grows
	// for 17 minutes (tally.Coverage).
	f.DurationVar(&s.settle, "settle", 18*time.Minute, "how long the harness runs before its memory's slope is taken")
	f.Float64Var(&s.memoryRate, "memory-rate", 500, "requests a second meanwhile")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return s.measure(ctx, stdout, stderr)
}

// measure does what the flags ask for.
func (s settings) measure(ctx context.Context, stdout, stderr io.Writer) error {
	if err := os.MkdirAll(s.out, 0o755); err != nil {
		return err
	}
	serverCore, clientCore, err := machine.Cores()
	if err != nil {
		return err
	}
	b := &bench{settings: s, client: clientCore, stderr: stderr}
	if err := b.serve(ctx, serverCore); err != nil {
		return err
	}
	defer b.stop()
	report := func(format string, args ...any) {
		_, _ = fmt.Fprintf(stdout, format+"\n", args...) // nothing is left to tell if it is not taken
	}
	report("%s; server on core %d, client on core %d", machine.Look(), serverCore, clientCore)
	if s.pairs > 0 {
		if err := b.rates(ctx, report); err != nil {
			return err
		}
	}
	if s.memory > 0 {
		return b.watch(ctx, report)
	}
	return nil
}

// rates measures pairs of highest rates, and reports their ratio.
func (b *bench) rates(ctx context.Context, report func(string, ...any)) error {
	var rates, costs []pair.Pair
	for i := range b.pairs {
		var p, c pair.Pair
		// The one that comes first changes: what a machine does changes, too.
		ours, theirs, err := b.pair(ctx, i%2 == 0)
		if err != nil {
			return err
		}
		p.Ours, p.Theirs, c.Ours, c.Theirs = ours.rate, theirs.rate, ours.cost, theirs.cost
		rates, costs = append(rates, p), append(costs, c)
		report("pair %d: harness %.0f/s, vegeta %.0f/s, ratio %.3f; processor time a request %.0f and %.0f us",
			i+1, p.Ours, p.Theirs, p.Ratio(), 1e6*c.Ours, 1e6*c.Theirs)
	}
	if b.at > 0 {
		summary, err := pair.Compare(costs)
		if err != nil {
			return err
		}
		report("processor time a request at %.0f/s, vegeta to harness: median %.3f, from %.3f to %.3f, of %d pairs",
			b.at, 1/summary.Ratio.Median, 1/summary.Ratio.Most, 1/summary.Ratio.Least, summary.Ratio.Count)
		return nil
	}
	summary, err := pair.Compare(rates)
	if err != nil {
		return err
	}
	verdict := "reached"
	if summary.Ratio.Median < goal {
		verdict = "missed"
	}
	report("highest rate, harness to vegeta: median %.3f, from %.3f to %.3f, of %d pairs; the goal of %.1f is %s",
		summary.Ratio.Median, summary.Ratio.Least, summary.Ratio.Most, summary.Ratio.Count, goal, verdict)
	if b.busiest > 0.95 {
		report("the server's core was used to %.0f %%: it may have been the limit, and the ratio be flattered", 100*b.busiest)
	}
	return nil
}

// pair is both sides' trials at their highest rates, or at the one that was asked for.
func (b *bench) pair(ctx context.Context, oursFirst bool) (ours, theirs trial, err error) {
	sides := []attempt{b.harness, b.plain}
	if !oursFirst {
		slices.Reverse(sides)
	}
	var best []trial
	if b.at > 0 {
		for _, try := range sides {
			t, err := try(ctx, b.at)
			if err != nil {
				return ours, theirs, err
			}
			best = append(best, t)
		}
	} else if best, err = highest(ctx, sides...); err != nil {
		return ours, theirs, err
	}
	if !oursFirst {
		slices.Reverse(best)
	}
	return best[0], best[1], nil
}

// bench is the server under way and how it is asked.
type bench struct {
	settings
	client  int
	stderr  io.Writer
	cmd     *exec.Cmd
	url     string
	tries   int
	busiest float64 // the largest share of its core that the server used in a trial
}

// port is where the server listens.
const port = 18473

// serve starts the server on its core, and waits until it answers.
func (b *bench) serve(ctx context.Context, core int) error {
	b.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	// Connections are not to be ended by age: that would be the server's rate.
	b.cmd = exec.CommandContext(ctx, "taskset", "-c", strconv.Itoa(core), b.server, "--model", b.model, "--name", "breastcancer",
		"--listen", fmt.Sprintf("127.0.0.1:%d", port), "--metrics-listen", fmt.Sprintf("127.0.0.1:%d", port+1),
		"--max-connection-requests", "0", "--max-connection-age", "0s", "--max-connections", "0", "--log-level", "error", "--drain-delay", "10ms", "--shutdown-timeout", "1s")
	b.cmd.Stdout, b.cmd.Stderr = b.stderr, b.stderr
	b.cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	if err := b.cmd.Start(); err != nil {
		return fmt.Errorf("server: %w", err)
	}
	return waitFor(ctx, b.url+"/v2/health/ready")
}

// stop ends the server.
func (b *bench) stop() {
	_ = b.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	_ = b.cmd.Wait()
}

// log is the file that the messages of the program under way go to.
func (b *bench) log() string { return filepath.Join(b.out, fmt.Sprintf("try-%d.log", b.tries)) }

// onCore runs a program of the client's side on its core and returns its output.
func (b *bench) onCore(ctx context.Context, environ []string, name string, args ...string) (*exec.Cmd, error) {
	cmd := exec.CommandContext(ctx, "taskset", append([]string{"-c", strconv.Itoa(b.client), name}, args...)...)
	cmd.Env = append(append(os.Environ(), "GOMAXPROCS=1"), environ...)
	log, err := os.Create(b.log())
	if err != nil {
		return nil, err
	}
	cmd.Stderr = log
	defer func() { _ = log.Close() }() // the program has its own
	return cmd, cmd.Start()
}

// exit returns an error unless a program has ended by itself, with whatever code.
func exit(err error) error {
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.ExitCode() >= 0 {
		return nil
	}
	return err
}
