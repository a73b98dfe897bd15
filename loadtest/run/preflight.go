package run

import (
	"context"
	"fmt"
	"time"

	"rollproof/loadtest/attack"
)

// probeEvery and probeTimeout bound one look at the URL before the load starts.
const (
	probeEvery   = 500 * time.Millisecond
	probeTimeout = 5 * time.Second
)

// preflight waits until the URL answers as FromVersion (any version, if that is
// empty) and ready agrees, and returns the version that answered. It gives up
// after PreflightTimeout, with what was last in the way.
func (s *session) preflight(ctx context.Context, ready func() error) (string, error) {
	s.console.Phase("preflight")
	wait := s.cfg.PreflightTimeout.D()
	deadline := time.Now().Add(wait)
	look := s.cfg.base()
	look.Timeout = min(look.Timeout, probeTimeout)
	for {
		version, _, err := attack.Probe(ctx, look, s.cfg.Service)
		if err == nil && s.cfg.FromVersion != "" && version != s.cfg.FromVersion {
			err = fmt.Errorf("%s answers as version %s, want %s", s.cfg.URL, version, s.cfg.FromVersion)
		}
		if err == nil {
			if err = ready(); err == nil {
				return version, nil
			}
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if time.Now().After(deadline) {
			return "", fmt.Errorf("not ready for a load after %s: %w", wait, err)
		}
		s.console.Wait(err.Error())
		select {
		case <-ctx.Done():
		case <-time.After(probeEvery):
		}
	}
}
