package suite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"rollproof/bench/load"
)

// profileTimeout is longer than a profile takes to be written.
const profileTimeout = 20 * time.Second

// Profile puts the server, built with the tag profile, under the loads that are
// measured, and leaves its CPU profile at the path: what profile-guided optimization
// (https://go.dev/doc/pgo) is made from.
func Profile(ctx context.Context, c Config, path string) error {
	r, err := newRun(c)
	if err != nil {
		return err
	}
	if err := r.prepare(ctx); err != nil {
		return err
	}
	written := filepath.Join(r.work, "cpu.pprof")
	s := r.ours("profiled", r.Server, "127.0.0.1:0")
	s.env = append([]string{"CPU_PROFILE=" + written}, s.env...)
	up, err := r.start(ctx, s)
	if err != nil {
		return err
	}
	return with(up.Process, func() error {
		if err := r.profiled(ctx, up); err != nil {
			return err
		}
		text, err := await(ctx, written, profileTimeout)
		if err != nil {
			return fmt.Errorf("the server's profile (was it built with -tags profile?): %w", err)
		}
		return os.WriteFile(path, text, 0o644)
	})
}

// profiled sends the loads between two signals.
func (r *run) profiled(ctx context.Context, up *started) error {
	folder := filepath.Join(r.work, "batches")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	batch, err := inferBody(r.rows[:batchRows]...)
	if err != nil {
		return err
	}
	batches, err := load.NewWrk(folder, [][]byte{batch}, r.ClientCore, connections)
	if err != nil {
		return err
	}
	if _, err := r.wrk.Run(ctx, up.url(boosting), warmUp); err != nil {
		return err
	}
	if err := up.Signal(syscall.SIGUSR2); err != nil {
		return err
	}
	for _, l := range []struct {
		wrk   *load.Wrk
		model string
		times int
	}{{r.wrk, boosting, 5}, {r.wrk, forest, 2}, {batches, boosting, 1}} {
		r.say("    %s for %s", titles[l.model], time.Duration(l.times)*r.sample)
		if _, err := l.wrk.Run(ctx, up.url(l.model), time.Duration(l.times)*r.sample); err != nil {
			return err
		}
	}
	return up.Signal(syscall.SIGUSR2)
}

// batchRows of a request for many.
const batchRows = 100

// await reads a file as soon as it is there.
func await(ctx context.Context, path string, timeout time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		text, err := os.ReadFile(path)
		if !errors.Is(err, os.ErrNotExist) {
			return text, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(err, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
