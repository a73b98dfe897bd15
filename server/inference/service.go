// Package inference is the way from decoded inputs to outputs that all protocols share:
// a model is looked up, a place to compute is waited for, and the prediction ends
// within its time. It encodes and decodes nothing.
package inference

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rollproof/model"
	"rollproof/server/gate"
	"rollproof/server/repository"
)

// ErrTime says that a prediction took longer than the server lets it.
var ErrTime = errors.New("the prediction took too long")

// Service predicts.
type Service struct {
	Models *repository.Repository
	// Gate bounds what is computed at once. A protocol enters it when a request has been
	// read whole and before it is decoded, and leaves it when its answer is encoded:
	// decoding is most of a small request's work, and a slow client must hold no place.
	Gate *gate.Gate
	// Bodies bounds the bytes of requests that are held at once. A protocol reserves a
	// request's size before it reads it, and releases it when its answer is encoded.
	Bodies *gate.Budget
	// Timeout of one prediction, more than 0.
	Timeout time.Duration
}

// Predict computes an entry's outputs. The inputs fit it already. The error is ErrTime,
// the context's, or the model's own.
func (s *Service) Predict(ctx context.Context, e *repository.Entry, in, out []model.Value) error {
	bounded := &deadline{Context: ctx, at: time.Now().Add(s.Timeout)}
	err := e.Predict(bounded, in, out) //nolint:contextcheck // bounded holds ctx
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("%w: more than %s", ErrTime, s.Timeout)
	}
	return err
}

// deadline is a context that ends at a time of its own too. It is for compute, which
// asks Err now and then and waits for nothing: so it needs no timer, which would cost
// more than a row's prediction does.
type deadline struct {
	context.Context
	at time.Time
}

// Deadline implements context.Context.
func (d *deadline) Deadline() (time.Time, bool) {
	if at, ok := d.Context.Deadline(); ok && at.Before(d.at) {
		return at, true
	}
	return d.at, true
}

// Err implements context.Context.
func (d *deadline) Err() error {
	if err := d.Context.Err(); err != nil {
		return err
	}
	if time.Now().After(d.at) {
		return context.DeadlineExceeded
	}
	return nil
}
