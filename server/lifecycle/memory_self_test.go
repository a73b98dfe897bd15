package lifecycle

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestMemoryNetwork holds the network to what it stands for.
func TestMemoryNetwork(t *testing.T) {
	t.Parallel()
	read := func(c net.Conn) (string, error) {
		b := make([]byte, 16)
		n, err := c.Read(b)
		return string(b[:n]), err
	}
	connect := func(t *testing.T) (client, server *end) {
		l := newMemoryListener()
		client, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return client, accepted.(*end)
	}
	for name, test := range map[string]func(*testing.T){
		"bytes take their time, in order": func(t *testing.T) {
			client, server := connect(t)
			begin := time.Now()
			write(t, client, "a")
			write(t, client, "b")
			if n, err := server.Look(make([]byte, 1)); n != 0 || err != nil {
				t.Errorf("at once: %d bytes, %v", n, err)
			}
			time.Sleep(latency)
			synctest.Wait()
			if got, err := read(server); got != "ab" || err != nil || time.Since(begin) != latency {
				t.Errorf("read %q, %v after %s", got, err, time.Since(begin))
			}
		},
		"the end comes after what was sent": func(t *testing.T) {
			client, server := connect(t)
			write(t, server, "a")
			_ = server.Close()
			if got, err := read(client); got != "a" || err != nil {
				t.Errorf("read %q, %v", got, err)
			}
			if _, err := read(client); !errors.Is(err, io.EOF) {
				t.Errorf("then %v, want EOF", err)
			}
		},
		"bytes for a closed connection reset it": func(t *testing.T) {
			client, server := connect(t)
			_ = server.Close()
			write(t, client, "a")
			time.Sleep(3 * latency)
			if _, err := read(client); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read: %v, want a reset", err)
			}
		},
		"closing with bytes unread loses the answer": func(t *testing.T) {
			client, server := connect(t)
			write(t, client, "a")
			time.Sleep(2 * latency)
			write(t, server, "b")
			_ = server.Close()
			time.Sleep(2 * latency)
			if _, err := read(client); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read: %v, want a reset", err)
			}
		},
		"a deadline wakes, and comes before bytes": func(t *testing.T) {
			client, server := connect(t)
			begin := time.Now()
			_ = server.SetReadDeadline(begin.Add(time.Second))
			if _, err := read(server); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Second {
				t.Errorf("%v after %s", err, time.Since(begin))
			}
			write(t, client, "a")
			time.Sleep(2 * latency)
			if _, err := read(server); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%v, want the deadline's", err)
			}
			if n, err := server.Look(make([]byte, 1)); n != 1 || err != nil {
				t.Errorf("look: %d, %v", n, err)
			}
		},
		"a closed listener resets and refuses": func(t *testing.T) {
			l := newMemoryListener()
			waits, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * latency)
			if !l.Waiting() {
				t.Error("nobody waits")
			}
			_ = l.SetDeadline(time.Now().Add(-1))
			if _, err := l.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("accept: %v, want the deadline's", err)
			}
			_ = l.Close()
			if _, err := read(waits); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the one that waited: %v, want a reset", err)
			}
			if _, err := l.Dial(); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("a new one: %v, want refused", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, test)
		})
	}
}
