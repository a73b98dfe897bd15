package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"rollproof/loadtest/attack"
	"rollproof/loadtest/cases"
)

// probeEvery and probeTimeout bound one look at the URL before the load starts.
const (
	probeEvery   = 500 * time.Millisecond
	probeTimeout = 5 * time.Second
)

// probe posts one row and returns the version that answered it right.
func probe(ctx context.Context, base string, set *cases.Set) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	batches, err := set.Batches(1, 1)
	if err != nil {
		return "", err
	}
	url := strings.TrimSuffix(base, "/") + set.Path()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(batches[0].Body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return "", fmt.Errorf("POST %s: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("POST %s: status %d: %.200s", url, resp.StatusCode, body)
	}
	version := resp.Header.Get(attack.VersionHeader)
	if err := cases.NewChecker(set).Check(batches[0], version, body); err != nil {
		return "", fmt.Errorf("POST %s: %w", url, err)
	}
	return version, nil
}

// preflight waits until the URL answers as FromVersion (any version, if that is
// empty) and ready agrees, and returns the version that answered. It gives up
// after PreflightTimeout, with what was last in the way.
func (s *session) preflight(ctx context.Context, ready func() error) (string, error) {
	s.console.Phase("preflight")
	wait := s.cfg.PreflightTimeout.D()
	deadline := time.Now().Add(wait)
	for {
		version, err := probe(ctx, s.cfg.URL, s.cfg.Cases)
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
