package lifecycle

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// handled serves a handler directly until the test ends.
func handled(t *testing.T, h http.HandlerFunc) *running {
	t.Helper()
	s := listen(t, Config{Drain: true, Direct: true, Timeout: time.Second})
	s.serve(t, &http.Server{Handler: h, ReadHeaderTimeout: time.Second, IdleTimeout: time.Minute})
	t.Cleanup(func() {
		s.signals <- syscall.SIGTERM
		s.signals <- syscall.SIGTERM
		if err := s.end(t); err != nil && !errors.Is(err, ErrForced) {
			t.Error(err)
		}
	})
	return s
}

// way tells how a request was answered: a direct answer cannot be flushed.
func way(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := http.NewResponseController(w).Flush(); errors.Is(err, http.ErrNotSupported) {
		_, _ = io.WriteString(w, directly) // a client that is gone needs no answer
	}
}

// TestHandsOver holds that plain requests are answered directly, that all others are
// answered by net/http, and that a connection may change from one to the other.
func TestHandsOver(t *testing.T) {
	t.Parallel()
	s := handled(t, way)
	const plain = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok"
	tests := map[string]struct {
		parts  []string
		direct string // 1 or 0 for each answer
	}{
		"plain":           {[]string{plain, plain, plain}, "111"},
		"sent together":   {[]string{plain + plain + plain}, "111"},
		"HEAD":            {[]string{"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"}, "0"},
		"a query":         {[]string{plain, strings.Replace(plain, "/", "/?a=b", 1), plain}, "100"},
		"chunks":          {[]string{plain + "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "2\r\nok\r\n0\r\n\r\n" + plain}, "100"},
		"a large body":    {[]string{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", strings.Repeat("x", 100000), plain}, "00"},
		"a slow one":      {[]string{plain, plain[:30], plain[30:], plain}, "100"},
		"the last asked":  {[]string{plain, strings.Replace(plain, "\r\n", "\r\nConnection: close\r\n", 1)}, "10"},
		"an error's text": {[]string{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"}, "x"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, from := dial(t, s.address)
			if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
				t.Fatal(err)
			}
			for i, part := range test.parts {
				if i > 0 && len(part) != len(plain) {
					time.Sleep(patience + 100*time.Millisecond)
				}
				write(t, c, part)
			}
			method, _, _ := strings.Cut(test.parts[0], " ")
			for i, want := range test.direct {
				r, err := http.ReadResponse(from, &http.Request{Method: method})
				if err != nil {
					t.Fatalf("answer %d: %v", i+1, err)
				}
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Fatal(err)
				}
				_ = r.Body.Close() // read to its end
				switch got := string(body); {
				case want == 'x':
					if r.StatusCode != http.StatusBadRequest {
						t.Errorf("status %d, want net/http's 400", r.StatusCode)
					}
				case r.StatusCode != http.StatusOK || (got == directly) != (want == '1'):
					t.Errorf("answer %d: status %d, way %q, want %q", i+1, r.StatusCode, got, want)
				}
			}
		})
	}
	await(t, "counted", func() bool { return s.Open() == 0 && s.Accepted() == int64(len(tests)) })
}

// TestLeavingEndsTheContext holds that a request whose client has gone is told so.
func TestLeavingEndsTheContext(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*net.TCPConn) error{
		"closed": (*net.TCPConn).Close,
		"reset":  func(c *net.TCPConn) error { return errors.Join(c.SetLinger(0), c.Close()) },
		"half":   (*net.TCPConn).CloseWrite, // as net/http sees it
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun, told := make(chan struct{}), make(chan struct{})
			var stays atomic.Bool
			s := handled(t, func(_ http.ResponseWriter, r *http.Request) {
				select {
				case <-r.Context().Done():
					stays.Store(true)
				case <-time.After(3 * watched):
				}
				begun <- struct{}{}
				select {
				case <-r.Context().Done():
					close(told)
				case <-time.After(5 * time.Second):
				}
			})
			c, _ := dial(t, s.address)
			write(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			<-begun
			if stays.Load() {
				t.Error("ended although the client is there")
			}
			if err := leave(c.(*net.TCPConn)); err != nil {
				t.Fatal(err)
			}
			select {
			case <-told:
			case <-time.After(2 * time.Second):
				t.Error("the handler is not told within 2s")
			}
		})
	}
}

// TestHandedOverConnectionIsBounded holds that a request which is not plain has net/http's
// time for its header, and no more.
func TestHandedOverConnectionIsBounded(t *testing.T) {
	t.Parallel()
	c, from := dial(t, handled(t, way).address)
	if err := c.SetReadDeadline(time.Now().Add(3 * time.Second)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for _, part := range []string{"DELETE / HT", "TP/1", ".1\r\n"} {
		write(t, c, part)
		time.Sleep(100 * time.Millisecond)
	}
	if _, err := from.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v after %s, want the end after a second", err, time.Since(began))
	}
}

// BenchmarkAnswer is a plain request on a connection of the kernel's.
func BenchmarkAnswer(b *testing.B) {
	for name, isDirect := range map[string]bool{"direct": true, "net-http": false} {
		b.Run(name, func(b *testing.B) {
			s := listen(b, Config{Drain: true, Direct: isDirect, Timeout: time.Second})
			s.serve(b, &http.Server{Handler: http.HandlerFunc(way), ReadHeaderTimeout: time.Second})
			c, err := net.Dial("tcp", s.address)
			if err != nil {
				b.Fatal(err)
			}
			from := bufio.NewReader(c)
			for b.Loop() {
				if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok"); err != nil {
					b.Fatal(err)
				}
				r, err := http.ReadResponse(from, nil)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					b.Fatal(err)
				}
				_ = r.Body.Close() // read to its end
			}
			_ = c.Close() // answered
			s.signals <- syscall.SIGTERM
			if err := s.end(b); err != nil {
				b.Error(err)
			}
		})
	}
}
