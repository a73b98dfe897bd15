// Package accesslog writes a structured line for requests: for every one that the
// server failed, and for a sample of the others. It counts nothing: that is the metrics'
// work.
package accesslog

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Log writes access lines. Make one with New.
type Log struct {
	log  *slog.Logger
	rate float64
}

// New returns a log that writes the given fraction, 0 to 1, of the requests that the
// server did not fail. Where the logger takes debug lines it writes all.
func New(log *slog.Logger, rate float64) *Log { return &Log{log: log, rate: rate} }

// Request is what a line says.
type Request struct {
	// Protocol is "http" or "grpc"; Method and Path are the protocol's own.
	Protocol, Method, Path string
	Remote                 string
	// Model and Version that answered; empty if none did.
	Model, Version string
	// ID that the caller gave; empty if none.
	ID string
	// Code is the status as the protocol names it, for example "200" or "NotFound".
	Code string
	Rows int
	Took time.Duration
	// Answer is the error that the caller was told; empty if it got what it asked for.
	Answer string
	// Err is what went wrong while the answer was written.
	Err error
}

// level is the level of a line, and whether it is to be written. failed says that the
// server is to blame.
func (l *Log) level(ctx context.Context, failed bool) (slog.Level, bool) {
	switch {
	case failed:
		return slog.LevelWarn, l.log.Enabled(ctx, slog.LevelWarn)
	case l.log.Enabled(ctx, slog.LevelDebug):
		return slog.LevelDebug, true
	case l.rate > 0 && rand.Float64() < l.rate:
		return slog.LevelInfo, l.log.Enabled(ctx, slog.LevelInfo)
	}
	return 0, false
}

// Write writes a request's line, if it is one to be written. describe is called only
// then: most requests need no description.
func (l *Log) Write(ctx context.Context, failed bool, describe func() Request) {
	level, ok := l.level(ctx, failed)
	if !ok {
		return
	}
	ctx = context.WithoutCancel(ctx)
	r := describe()
	attributes := []slog.Attr{
		slog.String("protocol", r.Protocol),
		slog.String("method", r.Method),
		slog.String("path", r.Path),
		slog.String("remote", r.Remote),
		slog.String("code", r.Code),
		slog.Duration("took", r.Took),
	}
	optional := func(key, value string) {
		if value != "" {
			attributes = append(attributes, slog.String(key, value))
		}
	}
	optional("model", r.Model)
	optional("version", r.Version)
	optional("id", r.ID)
	optional("answer", r.Answer)
	if r.Rows > 0 {
		attributes = append(attributes, slog.Int("rows", r.Rows))
	}
	if r.Err != nil {
		attributes = append(attributes, slog.String("write_error", r.Err.Error()))
	}
	l.log.LogAttrs(ctx, level, "request", attributes...)
}
