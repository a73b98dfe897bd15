package lifecycle

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// securePair is a listener's connection with TLS, the client's end of it, and the
// client's network, on which records can be held up. The handshake is done.
func securePair(t *testing.T) (*secureConn, *tls.Conn, *holding) {
	t.Helper()
	server, client := certificate(t)
	_, c, plain := pairOf(t, server)
	held := &holding{Conn: plain}
	theirs := tls.Client(held, client)
	shaken := make(chan error, 1)
	go func() { shaken <- theirs.Handshake() }()
	ours, ok := c.(*secureConn)
	if !ok {
		t.Fatalf("a connection of type %T, want TLS", c)
	}
	if state := ours.ConnectionState(); !state.HandshakeComplete {
		t.Fatal("no handshake")
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	return ours, theirs, held
}

// holding is a connection that can keep back the end of what is written.
type holding struct {
	net.Conn
	keep int // how many bytes of the next Write
	kept []byte
}

func (h *holding) Write(b []byte) (int, error) {
	n := max(len(b)-h.keep, 0)
	h.kept = append(h.kept, b[n:]...)
	if _, err := h.Conn.Write(b[:n]); err != nil {
		return 0, err
	}
	h.keep = 0
	return len(b), nil
}

// release writes what was kept back.
func (h *holding) release(t *testing.T) {
	t.Helper()
	if _, err := h.Conn.Write(h.kept); err != nil {
		t.Fatal(err)
	}
	h.kept = nil
}

func TestRetiredSecureConnection(t *testing.T) {
	t.Parallel()
	t.Run("waits after the handshake", func(t *testing.T) {
		t.Parallel()
		c, _, _ := securePair(t)
		c.retire()
		if n, err := c.Read(make([]byte, 8)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("read %d, %v, want EOF", n, err)
		}
	})
	t.Run("gives what the kernel holds", func(t *testing.T) {
		t.Parallel()
		c, client, _ := securePair(t)
		write(t, client, "POST")
		arrived(t, c.conn)
		c.retire()
		buffer := make([]byte, 16)
		if n, err := c.Read(buffer); err != nil || string(buffer[:n]) != "POST" {
			t.Errorf("read %q, %v, want the request's first bytes", buffer[:n], err)
		}
	})
	t.Run("gives what TLS holds", func(t *testing.T) {
		t.Parallel()
		c, client, _ := securePair(t)
		// Two records in one segment: the first read takes both from the kernel, and a
		// byte of the first from TLS.
		write(t, client, "ab")
		write(t, client, "POST")
		arrived(t, c.conn)
		time.Sleep(10 * time.Millisecond) // for the second
		buffer := make([]byte, 16)
		for _, want := range []string{"a", "b", "POST"} {
			c.idle()
			c.retire()
			n, err := c.Read(buffer[:max(1, len(want))])
			if err != nil || string(buffer[:n]) != want {
				t.Fatalf("read %q, %v, want %q", buffer[:n], err, want)
			}
		}
	})
	t.Run("waits for the rest of a record", func(t *testing.T) {
		t.Parallel()
		c, client, network := securePair(t)
		network.keep = 3
		write(t, client, "POST")
		arrived(t, c.conn)
		c.retire()
		read := make(chan string, 1)
		go func() {
			buffer := make([]byte, 16)
			n, err := c.Read(buffer)
			read <- string(buffer[:n])
			if err != nil {
				t.Errorf("read: %v", err)
			}
		}()
		select {
		case got := <-read:
			t.Fatalf("read %q of half a record", got)
		case <-time.After(20 * time.Millisecond):
		}
		network.release(t)
		select {
		case got := <-read:
			if got != "POST" {
				t.Errorf("read %q, want POST", got)
			}
		case <-time.After(2 * time.Second):
			t.Error("still reading after 2s")
		}
	})
	t.Run("ends a read that waits", func(t *testing.T) {
		t.Parallel()
		c, _, _ := securePair(t)
		read := make(chan error, 1)
		go func() {
			_, err := c.Read(make([]byte, 1))
			read <- err
		}()
		time.Sleep(10 * time.Millisecond)
		c.retire()
		select {
		case err := <-read:
			if !errors.Is(err, io.EOF) {
				t.Errorf("error %v, want EOF", err)
			}
		case <-time.After(2 * time.Second):
			t.Error("still reading after 2s")
		}
	})
}

// TestSecureServer holds what handlers and clients see of TLS.
func TestSecureServer(t *testing.T) {
	t.Parallel()
	secure, config := certificate(t)
	s := start(t, Config{Drain: true, Delay: time.Millisecond, Timeout: 2 * time.Second}, secure)
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	r, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Post(s.url+"/tls", "", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || !strings.HasPrefix(string(body), "TLS 1.3 http/1.1") {
		t.Errorf("the handler saw %q, %v, want TLS 1.3 and http/1.1", body, err)
	}
	_ = r.Body.Close() // read to its end

	plain, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = plain.Close() }()
	write(t, plain, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	line, err := bufio.NewReader(plain).ReadString('\n')
	if err != nil || line != "HTTP/1.0 400 Bad Request\r\n" {
		t.Errorf("HTTP on a port for HTTPS: %q, %v, want 400", line, err)
	}

	// One that says nothing, and one that stops within the handshake: the first ends
	// with the grace, the second with its own time, and neither is a request.
	silent, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	half, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = half.Close() }()
	write(t, half, "\x16\x03\x01")
	s.signals <- syscall.SIGTERM
	if err := s.end(t); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	stream := []byte("\x17\x03\x03\x00\x02ab\x17\x03\x03\x01\x00" + strings.Repeat("c", 256) + "\x15\x03\x03\x00\x00")
	ends := map[int]bool{0: true, 7: true, 7 + 5 + 256: true, len(stream): true}
	for step := 1; step <= len(stream); step++ {
		var r record
		for at := 0; at < len(stream); at += step {
			if got := r.open(); got == ends[at] {
				t.Fatalf("in steps of %d, at byte %d: open %t", step, at, got)
			}
			r.pass(stream[at:min(at+step, len(stream))])
		}
		if r.open() {
			t.Fatalf("in steps of %d: open at the end", step)
		}
	}
}
