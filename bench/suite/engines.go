package suite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"rollproof/bench/goal"
	"rollproof/bench/pair"
	"rollproof/bench/peer"
	"rollproof/bench/result"
)

// engines times the evaluator against ONNX Runtime, both in a process of their own
// without a server, with the same file and the same rows.
func (r *run) engines(ctx context.Context) error {
	for _, m := range r.models {
		r.say("==> ONNX Runtime in its process, %s: %d pairs of %s each", titles[m.name], r.pairs, r.engine)
		if err := r.engineOf(ctx, m.name); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) engineOf(ctx context.Context, name string) error {
	path := filepath.Join("models", name, "1", "model.onnx")
	ours, err := peer.Converse(ctx, peer.Command{
		Name: "probe-" + name, Env: oneCore, Core: r.ServerCore, Log: r.log("probe-" + name),
		Args: []string{r.Self, "probe", filepath.Join(r.work, path), filepath.Join(r.work, "rows.json")},
	})
	if err != nil {
		return err
	}
	return with(ours, func() error {
		theirs, err := peer.Converse(ctx, peer.Command{
			Name: "onnxruntime-" + name, Env: []string{"OUT=" + r.work}, Core: r.ServerCore, Log: r.log("onnxruntime-" + name),
			Wrap: []string{filepath.Join(r.Root, "scripts", "python.sh"), "trixie"},
			Args: []string{"python3", "bench/peers/onnxruntime_probe.py", "/out/" + path, "/out/rows.json"},
		})
		if err != nil {
			return err
		}
		return with(theirs, func() error { return r.duel(ctx, name, ours, theirs) })
	})
}

// duel asks both in turns.
func (r *run) duel(ctx context.Context, name string, ours, theirs *peer.Process) error {
	for _, n := range []struct {
		rows  int
		title string
		bound float64
	}{{1, "one row", 0.333}, {100, "100 rows", 0.7}} {
		side := func(p *peer.Process) pair.Side {
			return func(ctx context.Context) (float64, error) { return ask(ctx, p, n.rows, r.engine) }
		}
		for _, p := range []*peer.Process{ours, theirs} { // warm up
			if _, err := ask(ctx, p, n.rows, r.engine); err != nil {
				return err
			}
		}
		pairs, err := pair.Measure(ctx, r.pairs, side(ours), side(theirs))
		if err != nil {
			return err
		}
		row := result.Row{
			ID: fmt.Sprintf("onnxruntime-%s-%d", name, n.rows), Against: "ONNX Runtime in its process (1 thread)",
			Of: titles[name] + ", " + n.title, What: "time of a call", Unit: result.Microseconds,
			Goal: goal.Goal{Bound: goal.AtMost, Value: n.bound},
		}
		row, err = row.Paired(pairs)
		if err := r.add(row, err); err != nil {
			return err
		}
	}
	return nil
}

// askTimeout is what a program that begins may need beside what it is asked to measure:
// Python loads ONNX Runtime.
const askTimeout = 30 * time.Second

// ask asks a probe for the microseconds of a call.
func ask(ctx context.Context, p *peer.Process, rows int, over time.Duration) (float64, error) {
	answer, err := p.Ask(ctx, fmt.Sprintf("%d %d", rows, over.Milliseconds()), over+askTimeout)
	if err != nil {
		return 0, err
	}
	nanoseconds, err := strconv.ParseFloat(answer, 64)
	if err != nil {
		return 0, errors.Join(fmt.Errorf("it answered %q, want a time: %w", answer, err), p.Stop())
	}
	return nanoseconds / 1e3, nil
}
