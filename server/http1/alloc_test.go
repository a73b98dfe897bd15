//go:build !race

// The race detector makes sync.Pool forget, so that there would be allocations.

package http1

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"
)

// replay is a connection on which the same request comes again and again.
type replay struct {
	nowhere
	text     string
	requests int
}

func (r *replay) Read(b []byte) (int, error) {
	if r.requests == 0 {
		return 0, io.EOF
	}
	r.requests--
	return copy(b, r.text), nil
}

func (*replay) Write(b []byte) (int, error)     { return len(b), nil }
func (*replay) SetReadDeadline(time.Time) error { return nil }
func (*replay) Idle(time.Time)                  {}

// answerConstant returns a handler that reads the body and answers the same each time.
func answerConstant() http.HandlerFunc {
	buffer := make([]byte, 512)
	return func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := r.Body.Read(buffer); err != nil {
				break
			}
		}
		_, _ = w.Write(buffer[:200]) // kept in memory
	}
}

// TestServingAllocatesNothing holds that a request which is like the one before needs
// no memory of its own.
func TestServingAllocatesNothing(t *testing.T) {
	s := &Server{Handler: answerConstant(), IdleTimeout: time.Minute}
	few, many := 10, 1010
	allocated := func(requests int) float64 {
		return testing.AllocsPerRun(20, func() { s.Serve(context.Background(), &replay{text: plainText, requests: requests}) })
	}
	if n := (allocated(many) - allocated(few)) / float64(many-few); n > 0.01 {
		t.Errorf("%v allocations a request, want none", n)
	}
}

func BenchmarkServe(b *testing.B) {
	s := &Server{Handler: answerConstant(), IdleTimeout: time.Minute}
	b.ReportAllocs()
	s.Serve(context.Background(), &replay{text: plainText, requests: b.N})
}
