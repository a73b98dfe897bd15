package lifecycle

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"
)

// pair is a listener's connection and the client's end of it.
func pair(t *testing.T) (*listener, *conn, net.Conn) {
	t.Helper()
	l, server, client := pairOf(t, nil)
	return l, tracked(server), client
}

// pairOf is pair with TLS, if it is not nil.
func pairOf(t *testing.T, secure *tls.Config) (*listener, net.Conn, net.Conn) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newListener(inner, &Limits{}, &counts{}, slog.New(slog.DiscardHandler))
	l.secure = secure
	client, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.Close() // the test may have closed any of them
		_ = server.Close()
		_ = l.Close()
	})
	return l, server, client
}

func write(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// arrived waits until the kernel holds bytes for the connection, without reading them.
func arrived(t *testing.T, c *conn) {
	t.Helper()
	raw, err := c.wire.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
		t.Fatal(err)
	}
	one := make([]byte, 1)
	err = raw.Read(func(fd uintptr) bool { // called again when the kernel has something
		n, _, err := syscall.Recvfrom(int(fd), one, syscall.MSG_PEEK)
		return err == nil && n == 1
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRetiredConnection(t *testing.T) {
	t.Parallel()
	t.Run("gives what has arrived", func(t *testing.T) {
		t.Parallel()
		_, c, client := pair(t)
		write(t, client, "POST")
		arrived(t, c)
		c.retire()
		buffer := make([]byte, 16)
		n, err := c.Read(buffer)
		if err != nil || string(buffer[:n]) != "POST" {
			t.Errorf("first read: %q, %v, want the request's first bytes", buffer[:n], err)
		}
		write(t, client, " / ")
		n, err = c.Read(buffer)
		if err != nil || string(buffer[:n]) != " / " {
			t.Errorf("second read: %q, %v, want it to wait for the rest", buffer[:n], err)
		}
	})
	t.Run("ends a read that waits", func(t *testing.T) {
		t.Parallel()
		_, c, _ := pair(t)
		read := make(chan error, 1)
		go func() {
			_, err := c.Read(make([]byte, 1))
			read <- err
		}()
		time.Sleep(10 * time.Millisecond) // either order is to give the same
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
	t.Run("leaves a request alone", func(t *testing.T) {
		t.Parallel()
		_, c, client := pair(t)
		write(t, client, "P")
		one := make([]byte, 1)
		if _, err := c.Read(one); err != nil {
			t.Fatal(err)
		}
		c.retire()
		write(t, client, "O")
		if n, err := c.Read(one); err != nil || n != 1 || one[0] != 'O' {
			t.Errorf("read %q, %v, want the body to go on", one[:n], err)
		}
	})
	t.Run("keeps the server's own deadlines", func(t *testing.T) {
		t.Parallel()
		_, c, _ := pair(t)
		if err := c.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("error %v, want the deadline's", err)
		}
	})
}

// crossing is a network on which something arrives in the very moment in which its
// connection is retired.
type crossing struct {
	net.Conn
	retire   func()
	deadline time.Time
}

func (c *crossing) Read(b []byte) (int, error) {
	c.retire()
	return copy(b, "POST"), nil
}

func (c *crossing) SetReadDeadline(t time.Time) error {
	c.deadline = t
	return nil
}

// TestRetiredWhileReading holds that a retirement which crosses with a request is taken
// back whole: its deadline, left in place, would end the request or cancel its context.
func TestRetiredWhileReading(t *testing.T) {
	t.Parallel()
	network := &crossing{}
	l := newListener(nil, &Limits{}, &counts{}, slog.New(slog.DiscardHandler))
	c := tracked(l.add(network))
	network.retire = c.retire
	own := time.Now().Add(time.Hour)
	if err := c.SetReadDeadline(own); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 4)); n != 4 || err != nil {
		t.Fatalf("read %d, %v", n, err)
	}
	if got := c.phase.Load(); got != busy {
		t.Errorf("phase %d, want busy", got)
	}
	if !network.deadline.Equal(own) {
		t.Errorf("deadline %s, want the server's own %s", network.deadline, own)
	}
}

// TestReadAhead holds that a connection does not wait for a request of which net/http
// has read the first byte while it answered the one before.
func TestReadAhead(t *testing.T) {
	t.Parallel()
	l, c, client := pair(t)
	write(t, client, "P")
	if _, err := c.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	write(t, client, "O")
	if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Fatalf("read %d, %v", n, err)
	}
	l.state(c, http.StateIdle)
	if l.retire(0); c.phase.Load() != busy {
		t.Error("retired with a byte of the next request read")
	}
	l.state(c, http.StateIdle) // that one has been answered
	if l.retire(0); c.phase.Load() != retired {
		t.Error("not retired after it was answered")
	}
}

func TestGraceRunsFromTheLastAnswer(t *testing.T) {
	t.Parallel()
	l, c, client := pair(t)
	if left := l.retire(time.Hour); left != 1 || c.phase.Load() == retired {
		t.Errorf("within the grace: %d left, retired %t", left, c.phase.Load() == retired)
	}
	write(t, client, "x")
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if l.retire(0); c.phase.Load() == retired {
		t.Error("retired during a request")
	}
	l.state(c, http.StateIdle)
	if l.retire(time.Hour); c.phase.Load() == retired {
		t.Error("retired right after an answer")
	}
	if l.retire(0); c.phase.Load() != retired {
		t.Error("not retired after the grace")
	}
	l.state(c, http.StateClosed)
	if left := l.retire(0); left != 0 {
		t.Errorf("%d left after the last was closed", left)
	}
}

// TestListenerClosesOnce closes a listener as Accept and http.Server.Shutdown both do
// at the end of a drain: that is no error, and no reason to exit with 1.
func TestListenerClosesOnce(t *testing.T) {
	t.Parallel()
	l, _, _ := pair(t)
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept: %v, want net.ErrClosed", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

// TestListenerTakesWhatWaits connects before the stop: the connection is in the
// kernel's queue and must be accepted, not reset.
func TestListenerTakesWhatWaits(t *testing.T) {
	t.Parallel()
	l, _, _ := pair(t)
	for range 3 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
	}
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * quiet) // a deadline that is set only once has passed now
	for i := range 3 {
		c, err := l.Accept()
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		_ = c.Close() // only its acceptance is of interest
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v, want net.ErrClosed", err)
	}
}
