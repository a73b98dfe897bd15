package lifecycle

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

// TestFirstRequestMayComeLate holds that a connection may be idle before its first
// request as before a later one, and that a request which has begun is bounded all the
// same. Clients open connections that they use later: Go's dials for a request that is
// then sent on another one.
func TestFirstRequestMayComeLate(t *testing.T) { bothWays(t, testFirstRequestMayComeLate) }

func testFirstRequestMayComeLate(t *testing.T) {
	t.Parallel()
	const header, whole, idle = 100 * time.Millisecond, 200 * time.Millisecond, 900 * time.Millisecond
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				w.WriteHeader(http.StatusRequestTimeout)
				return
			}
			_, _ = w.Write(body) // a client that is gone needs no answer
		}),
		ReadHeaderTimeout: header, ReadTimeout: whole, IdleTimeout: idle,
	}
	go func() {
		ended <- New(Config{Drain: true, Direct: isDirect(t), Timeout: time.Second, Log: slog.New(slog.DiscardHandler)}).Run(ctx, server, listener, make(chan os.Signal))
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	type step struct {
		wait time.Duration
		send string
	}
	for _, test := range []struct {
		name  string
		steps []step
		want  int           // the answer's status; 0 is none, or one that it came too late
		ends  time.Duration // without an answer, when the server must have ended it
	}{
		{"after the header's and the whole request's time", []step{{3 * whole, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok"}}, 200, 0},
		{"its body a little later", []step{{3 * whole, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"}, {whole / 2, "ok"}}, 200, 0},
		{"its body too late", []step{{whole, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"}, {whole * 3 / 2, "ok"}}, 408, 0},
		{"its header too late", []step{{whole, "POST / HT"}}, 0, whole + header},
		{"never", nil, 0, idle},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			c, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			for _, s := range test.steps {
				time.Sleep(s.wait)
				if _, err := io.WriteString(c, s.send); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
				t.Fatal(err)
			}
			answer, err := http.ReadResponse(bufio.NewReader(c), nil)
			took := time.Since(start)
			if test.want == 0 {
				if err == nil && answer.StatusCode < 400 || took < test.ends-header/2 || took > test.ends+2*time.Second {
					t.Errorf("ended after %s with %v, %v, want the end at %s", took, answer, err, test.ends)
				}
				if err == nil {
					_ = answer.Body.Close()
				}
				return
			}
			if err != nil {
				t.Fatalf("after %s: %v", took, err)
			}
			defer func() { _ = answer.Body.Close() }()
			if got := fmt.Sprint(answer.StatusCode); got != fmt.Sprint(test.want) {
				t.Errorf("status %s, want %d", got, test.want)
			}
		})
	}
}
