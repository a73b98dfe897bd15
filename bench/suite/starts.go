package suite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rollproof/bench/goal"
	"rollproof/bench/pair"
	"rollproof/bench/result"
)

// starts measures both from their start to the first right answer, and what they hold
// in memory after a load.
func (r *run) starts(ctx context.Context) error {
	r.say("==> start and memory: %d pairs", r.pairs)
	type side struct {
		server
		model    string
		resident []float64
	}
	ours, theirs := &side{server: r.ours("rollproof-start", r.Server, "127.0.0.1:0"), model: boosting}, &side{server: r.flask(boosting), model: boosting}
	once := func(s *side) pair.Side {
		return func(ctx context.Context) (milliseconds float64, err error) {
			up, err := r.launch(ctx, s.server)
			if err != nil {
				return 0, err
			}
			err = with(up.Process, func() error {
				took, err := up.Ready(ctx, up.url(s.model), r.bodies[0], readyTimeout)
				if err != nil {
					return err
				}
				milliseconds = float64(took) / float64(time.Millisecond)
				if _, err := r.wrk.Run(ctx, up.url(s.model), warmUp); err != nil {
					return err
				}
				megabytes, err := up.Resident()
				s.resident = append(s.resident, megabytes)
				return err
			})
			return milliseconds, err
		}
	}
	for _, s := range []*side{ours, theirs} { // what is read from the disk the first time
		if _, err := once(s)(ctx); err != nil {
			return err
		}
		s.resident = nil
	}
	pairs, err := pair.Measure(ctx, r.pairs, once(ours), once(theirs))
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	memory := make([]pair.Pair, len(pairs))
	for i := range memory { // each side's are in the order of the pairs
		memory[i] = pair.Pair{Ours: ours.resident[i], Theirs: theirs.resident[i]}
	}
	row := func(id, what string, unit result.Unit, most float64) result.Row {
		return result.Row{
			ID: id, Against: flaskTitle, Of: titles[boosting], What: what, Unit: unit,
			Goal: goal.Goal{Bound: goal.AtMost, Value: most},
		}
	}
	start, err1 := row("start", "start to the first answer", result.Milliseconds, 0.1).Paired(pairs)
	resident, err2 := row("memory", "resident memory under load", result.Megabytes, 0.2).Paired(memory)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	return errors.Join(r.add(start, nil), r.add(resident, nil))
}
