package attack_test

import (
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rollproof/loadtest/attack"
	"rollproof/loadtest/fake"
	"rollproof/loadtest/tally"
)

// lossesOf runs a lane for d and returns what it wrote of its losses.
func lossesOf(t *testing.T, cfg attack.Config, d time.Duration) []tally.Loss {
	t.Helper()
	var file bytes.Buffer
	cfg.Losses = &file
	l, _ := send(t, cfg, attack.NewVersions("1"), d)
	var out []tally.Loss
	for loss, err := range tally.ReadLosses(&file) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, loss)
	}
	if uint64(len(out)) != l.LostTotal()+l.Masked {
		t.Errorf("%d losses written, %d counted and %d masked", len(out), l.LostTotal(), l.Masked)
	}
	return out
}

// What is known of the connection of a loss, by what went wrong on it.
func TestTheConnectionOfALoss(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		fault     fake.Fault
		keepAlive bool
		phase     tally.Phase
		written   bool
		last      string
	}{
		{"closed, kept", fake.Close, true, tally.Wait, true, "pod-a"},
		{"reset, kept", fake.Reset, true, tally.Wait, true, "pod-a"},
		{"closed, new", fake.Close, false, tally.Wait, true, ""},
		{"cut short, kept", fake.Short, true, tally.Answer, true, "pod-a"},
		{"status, kept", fake.Status500, true, tally.Answer, true, "pod-a"},
		{"a hang, new", fake.Hang, false, tally.Wait, true, ""},
		{"a hang in the header, new", fake.HangInHeader, false, tally.Answer, true, ""},
		{"a hang in the body, new", fake.HangInBody, false, tally.Answer, true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := config(serve(t, func(n uint64) fake.Fault {
				if n == 9 {
					return tt.fault
				}
				return fake.None
			}).URL)
			// One worker: one connection, which has carried all before.
			cfg.KeepAlive, cfg.Rate, cfg.Workers, cfg.Timeout = tt.keepAlive, 40, 1, 10*time.Second
			hangs := tt.fault == fake.Hang || tt.fault == fake.HangInHeader || tt.fault == fake.HangInBody
			if hangs {
				cfg.Timeout = time.Second
			}
			losses := lossesOf(t, cfg, 500*time.Millisecond)
			if len(losses) != 1 {
				t.Fatalf("losses: %+v", losses)
			}
			l := losses[0]
			// Whose answer it was to be is known once its header is whole.
			if hangs && (l.Class != tally.Timeout || (l.Pod != "") != (tt.fault == fake.HangInBody)) {
				t.Errorf("%+v", l)
			}
			if l.Phase != tt.phase || (l.Written > 0) != tt.written || l.LastPod != tt.last || l.Reused != tt.keepAlive {
				t.Errorf("%+v", l)
			}
			if l.Conn == 0 || l.Local == "" || l.Remote == "" || (tt.keepAlive && l.Conn != 1) || (!tt.keepAlive && l.Conn != 10) {
				t.Errorf("connection: %+v", l)
			}
			if tt.keepAlive && (l.IdleSeconds <= 0 || l.IdleSeconds > 5) {
				t.Errorf("idle for %v s before it", l.IdleSeconds)
			}
		})
	}
}

func TestALossWithoutAConnection(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.Close()
	losses := lossesOf(t, config(s.URL), 200*time.Millisecond)
	if len(losses) == 0 {
		t.Fatal("nothing was lost")
	}
	for _, l := range losses {
		if l.Class != tally.Refused || l.Phase != tally.Connect || l.Conn != 0 || l.Written != 0 || l.Remote != s.Listener.Addr().String() {
			t.Fatalf("%+v", l)
		}
	}
}

// halfway takes connections and reads a part of the request, no more.
type halfway struct{ net.Listener }

func (h halfway) serve() {
	for {
		conn, err := h.Accept()
		if err != nil {
			return
		}
		go func() {
			_, _ = io.ReadFull(conn, make([]byte, 10)) // what comes is of no matter
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // so that the client's next write fails
			}
			_ = conn.Close()
		}()
	}
}

// A held request has its last byte still to come when the connection is reset.
func TestAResetInTheMiddleOfARequest(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() }) // it ends serve
	go halfway{listener}.serve()
	cfg := config("http://" + listener.Addr().String())
	cfg.Name, cfg.ClosedLoop, cfg.KeepAlive, cfg.Workers, cfg.Hold = "hot", true, true, 1, 100*time.Millisecond
	losses := lossesOf(t, cfg, 500*time.Millisecond)
	if len(losses) == 0 {
		t.Fatal("nothing was lost")
	}
	for _, l := range losses {
		if l.Phase != tally.Write || l.Written == 0 || l.Reused || l.LastPod != "" {
			t.Errorf("%+v", l)
		}
	}
}

// A certificate that nobody trusts: each request ends in the handshake.
func TestALossInTheHandshake(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(fake.New(set, "pod-a", "1", nil))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	losses := lossesOf(t, config(s.URL), 100*time.Millisecond)
	if len(losses) == 0 {
		t.Fatal("nothing was lost")
	}
	for _, l := range losses {
		if l.Phase != tally.Handshake || l.Conn != 0 {
			t.Fatalf("%+v", l)
		}
	}
}

func TestLossesThatCannotBeKept(t *testing.T) {
	t.Parallel()
	cfg := config(serve(t, func(uint64) fake.Fault { return fake.Status500 }).URL)
	cfg.Losses = failingWriter{}
	lane, err := attack.NewLane(cfg, set, attack.NewVersions("1"), time.Now(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := lane.Run(ctx); err == nil || !strings.Contains(err.Error(), "lane new: losses") {
		t.Errorf("error %v", err)
	}
	if l := lane.Tally(); l.LostTotal() < 2 {
		t.Errorf("the lane did not go on: %d lost", l.LostTotal())
	}
}
