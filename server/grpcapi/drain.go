package grpcapi

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrCut says that calls were still in flight when their time to end was over.
var ErrCut = errors.New("calls cut")

// Drain ends the server so that no call is lost: Announce, DrainDelay, Stop. The end of
// ctx ends the delay and the stop at once.
func (s *Server) Drain(ctx context.Context) error {
	s.Announce()
	delay := time.NewTimer(s.config.DrainDelay)
	defer delay.Stop()
	select {
	case <-delay.C:
	case <-ctx.Done():
	}
	return s.Stop(ctx)
}

// Announce makes the server not ready, and so its health, and those who watch it are
// told. It serves on: whoever routes needs time to send new callers elsewhere, and those
// that it sends meanwhile are answered.
func (s *Server) Announce() { s.announceOnce.Do(func() { close(s.draining) }) }

// Stop ends the server and returns when it is over. Connections in their handshake are
// let through it; then each is told (GOAWAY) to begin no call, those that crossed with
// that are answered, and it is closed when its calls have ended. Streams end at once.
// After ShutdownTimeout or with ctx the rest is cut: the error is ErrCut and says how
// many calls that were.
//
// How grpc-go does it, in server.go and internal/transport/http2_server.go: it closes
// the listeners, waits for the handshakes, and sends GOAWAY twice, first without and
// then with the last call that it will answer, a round trip apart.
func (s *Server) Stop(ctx context.Context) error {
	s.Announce()
	s.stopOnce.Do(func() { close(s.stopping) })
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.grpc.GracefulStop()
	}()
	timer := time.NewTimer(s.config.ShutdownTimeout)
	defer timer.Stop()
	why := fmt.Sprintf("after the shutdown timeout of %s", s.config.ShutdownTimeout)
	select {
	case <-done:
		return nil
	case <-timer.C:
	case <-ctx.Done():
		why = "when the drain itself was ended"
	}
	calls, open := s.InFlight(), s.connections.open()
	s.connections.cut()
	s.grpc.Stop()
	if calls == 0 {
		// What held it up was no call but a connection that does not answer.
		s.config.Log.Warn("connections cut", "connections", open)
		return nil
	}
	return fmt.Errorf("gRPC: %d calls in flight on %d connections %s: %w", calls, open, why, ErrCut)
}
