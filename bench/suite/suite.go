// Package suite is the benchmark's measurements, in their order: what is compared with
// what, how it is started and which goal the ratio is held against. How to measure is
// in the packages beside it; how to show it is in table and plot.
package suite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"rollproof/bench/load"
	"rollproof/bench/machine"
	"rollproof/bench/peer"
	"rollproof/bench/result"
)

// Config is what a run is made with.
type Config struct {
	// Root is the checkout, Out the folder of the run, both absolute.
	Root, Out string
	// Server is the binary that is measured, Self this program's own.
	Server, Self string
	// Plain is the same server without profile-guided optimization; empty if there is
	// no profile to compare.
	Plain string
	// Leaves is the compiled test of model/tree/bench/leaves.
	Leaves string
	// ServerCore and ClientCore are two cores.
	ServerCore, ClientCore int
	// Quick takes fewer and shorter measurements.
	Quick bool
	// Progress is told what is done.
	Progress io.Writer
}

// lengths are how much is measured.
type lengths struct {
	pairs  int
	sample time.Duration // of the closed loop, and of an engine
	open   time.Duration // of the open loop
	engine time.Duration
}

var (
	full  = lengths{pairs: 9, sample: 3 * time.Second, open: 6 * time.Second, engine: 700 * time.Millisecond}
	quick = lengths{pairs: 3, sample: time.Second, open: 2 * time.Second, engine: 200 * time.Millisecond}
)

const (
	// connections of the closed loop, and the most of the open one.
	connections = 32
	// warmUp of a server before its first measurement.
	warmUp = time.Second
)

// run is a run under way.
type run struct {
	Config
	lengths
	work     string // what the peers see as /out
	models   []trained
	wrk      *load.Wrk
	rows     [][]float32
	bodies   [][]byte
	document *result.Document
}

// Run measures everything and returns what it found. It is an error if something could
// not be measured; a goal that is not reached is none.
func Run(ctx context.Context, c Config) (*result.Document, error) {
	r, err := newRun(c)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	for _, step := range []func(context.Context) error{r.prepare, r.servers, r.engines, r.leaves, r.starts} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	r.document.Took = result.Seconds(time.Since(began).Round(time.Second).Seconds())
	return r.document, nil
}

// newRun is a run with nothing measured yet.
func newRun(c Config) (*run, error) {
	r := &run{Config: c, lengths: full, work: filepath.Join(c.Out, "work")}
	if c.Quick {
		r.lengths = quick
	}
	r.document = &result.Document{
		Began: time.Now().UTC().Truncate(time.Second), Quick: c.Quick, Machine: machine.Look(), Versions: map[string]string{},
		Settings: result.Settings{
			Pairs: r.pairs, Sample: result.Seconds(r.sample.Seconds()), Open: result.Seconds(r.open.Seconds()),
			Connections: connections, ServerCore: c.ServerCore, ClientCore: c.ClientCore,
		},
	}
	return r, os.MkdirAll(r.work, 0o755)
}

// say tells what is done.
func (r *run) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.Progress, format+"\n", args...) // nobody to tell it if it fails
}

// add puts a row that has been measured into the document.
func (r *run) add(row result.Row, err error) error {
	if err != nil {
		return err
	}
	r.document.Rows = append(r.document.Rows, row)
	s := row.Judged()
	verdict := "no goal"
	switch {
	case row.Goal.IsZero():
	case row.Reached:
		verdict = "reached: " + row.Goal.String()
	default:
		verdict = "NOT reached: " + row.Goal.String()
	}
	r.say("    %s: %.4g (%.4g to %.4g), %s", row.ID, s.Median, s.Least, s.Most, verdict)
	return nil
}

// with runs what needs a process, and ends the process.
func with(p *peer.Process, use func() error) (err error) {
	defer func() { err = errors.Join(err, p.Stop()) }()
	return use()
}

// log is the file that a program's output goes to.
func (r *run) log(name string) string { return filepath.Join(r.Out, name+".log") }
