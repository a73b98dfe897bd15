package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rollproof/loadtest/tally"
)

// Load sends a steady load for Duration. An error that is ErrCouldNotRun means
// that it did not begin; an interruption is not an error.
func Load(ctx context.Context, cfg Config, console Console) (*Result, error) {
	if err := cfg.Check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCouldNotRun, err)
	}
	s, err := newSession(ctx, cfg, console)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCouldNotRun, err)
	}
	defer s.close()
	version, err := s.preflight(ctx, func() error { return nil })
	switch {
	case errors.Is(err, context.Canceled):
		return s.finish(true), nil
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrCouldNotRun, err)
	}
	// Nothing is being rolled out: only what answered before may answer.
	s.run.From = version
	s.versions.Allow(version)
	s.stages.enter(tally.StageLoad, time.Now()) // before the first request is due
	if _, err := s.begin(ctx); err != nil {
		s.finish(false)
		return nil, fmt.Errorf("%w: %w", ErrCouldNotRun, err)
	}
	s.phase(tally.StageLoad)
	whole := sleep(ctx, cfg.Duration.D())
	return s.finish(!whole), nil
}
