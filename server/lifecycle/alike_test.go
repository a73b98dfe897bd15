package lifecycle

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// tell answers with all that a handler may know of its request.
func tell(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "the body", http.StatusBadRequest)
		return
	}
	var header []string
	for key, values := range r.Header {
		header = append(header, fmt.Sprintf("%s=%q", key, values))
	}
	sort.Strings(header)
	w.Header().Set("X-Told", "yes")
	_, _ = fmt.Fprintf(w, "%s %s %s %s %s %d %q %v", r.Method, r.RequestURI, r.URL.Path, r.Proto, r.Host, r.ContentLength, body, header) //nolint:gosec // a test's client asks
}

// stream is a client's side of a connection, as it may be: requests, and what may end it.
func stream(t *rapid.T) (requests, end string) {
	var b strings.Builder
	body := func() string {
		return strings.Repeat("b", rapid.SampledFrom([]int{0, 1, 5, 3000, 16000, 20000}).Draw(t, "body"))
	}
	plain := func() {
		text := body()
		fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\n", rapid.SampledFrom([]string{"/", "/v2/a:b", "/x/../y"}).Draw(t, "path"),
			rapid.SampledFrom([]string{"x", "10.0.0.1:80"}).Draw(t, "host"))
		for range rapid.IntRange(0, 3).Draw(t, "fields") {
			fmt.Fprintf(&b, "%s: %s\r\n", rapid.SampledFrom([]string{"Accept", "x-api-key", "X-A", "Connection"}).Draw(t, "field"),
				rapid.SampledFrom([]string{"keep-alive", "a b", ""}).Draw(t, "value"))
		}
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(text), text)
	}
	for range rapid.IntRange(0, 4).Draw(t, "requests") {
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			b.WriteString("GET /?q=1 HTTP/1.1\r\nHost: x\r\n\r\n")
		case 1:
			b.WriteString("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
		case 2:
			b.WriteString("GET /%41 HTTP/1.1\r\nHost: x\r\nX-A: \xff\r\n\r\n")
		case 3:
			b.WriteString("GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
		default:
			plain()
		}
	}
	return b.String(), rapid.SampledFrom([]string{
		"", "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "nonsense\r\n\r\n", "POST / HT",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab", "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	}).Draw(t, "end")
}

// answers sends requests in parts, and the end at once: bytes that come when a connection
// has ended reset it, and what of the answers is then lost is chance. It returns all that
// is answered, but for the date.
func answers(address, requests, end string, size int) (string, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }() // all is read, or it failed
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	go func() {
		for rest := requests; rest != ""; {
			n := min(size, len(rest))
			if _, err := io.WriteString(c, rest[:n]); err != nil {
				return // the server has ended it, which the answers tell
			}
			rest = rest[n:]
		}
		_, _ = io.WriteString(c, end)
		_ = c.(*net.TCPConn).CloseWrite() // as above
	}()
	var b strings.Builder
	for from := bufio.NewReader(c); ; {
		if _, err := from.Peek(1); errors.Is(err, io.EOF) {
			return b.String(), nil
		}
		r, err := http.ReadResponse(from, nil)
		if err != nil {
			return b.String(), err
		}
		body, err := io.ReadAll(r.Body)
		_ = r.Body.Close() // read to its end
		if err != nil {
			return b.String(), err
		}
		delete(r.Header, "Date")
		delete(r.Header, "Content-Length") // a large answer may come in chunks instead
		fmt.Fprintf(&b, "%s %s close=%t %v %s\n", r.Proto, r.Status, r.Close, r.Header, body)
	}
}

// TestBothWaysAnswerAlike holds that a client cannot tell, from whatever it sends and
// however it comes, whether a connection is answered directly.
func TestBothWaysAnswerAlike(t *testing.T) {
	t.Parallel()
	address := map[bool]string{}
	for _, isDirect := range []bool{true, false} {
		s := listen(t, Config{Drain: true, Direct: isDirect, Delay: time.Millisecond, Timeout: time.Second})
		s.serve(t, &http.Server{Handler: http.HandlerFunc(tell), ReadHeaderTimeout: time.Second, IdleTimeout: time.Minute})
		t.Cleanup(func() {
			s.signals <- syscall.SIGTERM
			if err := s.end(t); err != nil {
				t.Error(err)
			}
		})
		address[isDirect] = s.address
	}
	rapid.Check(t, func(t *rapid.T) {
		requests, end := stream(t)
		size := rapid.SampledFrom([]int{1 << 20, 4096, 1000, 50, 7}).Draw(t, "size")
		direct, err := answers(address[true], requests, end, size)
		if err != nil {
			t.Fatalf("direct: %v after\n%s", err, direct)
		}
		other, err := answers(address[false], requests, end, size)
		if err != nil {
			t.Fatalf("net/http: %v after\n%s", err, other)
		}
		if direct != other {
			t.Fatalf("direct:\n%.600s\nnet/http:\n%.600s", direct, other)
		}
	})
}
