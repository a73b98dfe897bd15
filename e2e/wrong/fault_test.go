package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"rollproof/loadtest/cases"
)

// idle opens a connection, has one answer on it, and keeps it.
func (p *process) idle() *kept {
	p.t.Helper()
	k := p.client()
	if a := k.ask(); a.status != 200 || a.err != nil || a.closes {
		p.t.Fatalf("before SIGTERM: %+v", a)
	}
	return k
}

// What the faults of the end do, from SIGTERM on.
func TestEnd(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fault Fault
		// In the drain: whether it is ready, and what a kept and a new connection get.
		ready     bool
		keptDials int // 2: the kept one had been closed, 1: it still served
		closes    bool
		status    int
	}{
		{Right, false, 1, true, 200},
		{AlwaysReady, true, 1, true, 200},
		{KeepAlivesOff, false, 2, true, 200},
		{NoClose, false, 1, false, 200},
		{ModelClosed, false, 1, true, 500},
	}
	for _, tt := range tests {
		t.Run(string(tt.fault), func(t *testing.T) {
			t.Parallel()
			p := start(t, tt.fault, EnvDrain+"=2s")
			k := p.idle()
			if !p.ready() {
				t.Error("not ready before SIGTERM")
			}
			p.terminate()
			within(t, "the drain", 10*time.Second, func() bool { return !p.ready() || p.client().ask().closes })
			if got := p.ready(); got != tt.ready {
				t.Errorf("ready %t in the drain, want %t", got, tt.ready)
			}
			if a := k.ask(); a.status != tt.status || a.err != nil || a.closes != tt.closes || k.dials != tt.keptDials {
				t.Errorf("kept: %+v after %d connections, want status %d, closes %t, %d connections", a, k.dials, tt.status, tt.closes, tt.keptDials)
			}
			if a := p.client().ask(); a.status != tt.status || a.err != nil || a.closes != tt.closes {
				t.Errorf("new: %+v", a)
			}
			if code := p.exitCode(20 * time.Second); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
	for _, fault := range []Fault{Shutdown, Exit} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			p := start(t, fault)
			p.idle()
			p.terminate()
			within(t, "refused", 10*time.Second, p.refused)
			if code := p.exitCode(10 * time.Second); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
	t.Run(string(IgnoreTerm), func(t *testing.T) {
		t.Parallel()
		p := start(t, IgnoreTerm)
		k := p.idle()
		p.terminate()
		time.Sleep(time.Second) // twice its drain
		if a := k.ask(); a.status != 200 || a.closes || k.dials != 1 || !p.ready() {
			t.Errorf("%+v after %d connections, ready %t", a, k.dials, p.ready())
		}
	})
}

// A request that is under way at SIGTERM: Shutdown answers it, Exit does not.
func TestUnderWay(t *testing.T) {
	t.Parallel()
	for fault, want := range map[Fault]string{Right: "HTTP/1.1 200", Shutdown: "HTTP/1.1 200", Exit: ""} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			p := start(t, fault)
			c, err := net.Dial("tcp", p.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			write := func(text string) {
				t.Helper()
				if _, err := io.WriteString(c, text); err != nil && fault != Exit {
					t.Fatal(err)
				}
			}
			batches, err := p.set.Batches(1, 1)
			if err != nil {
				t.Fatal(err)
			}
			body := string(batches[0].Body)
			last := len(body) - 1
			write(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", p.set.Path(), len(body), body[:last]))
			time.Sleep(50 * time.Millisecond) // its handler waits for the body
			p.terminate()
			within(t, "the end's beginning", 10*time.Second, func() bool { return !p.ready() })
			if fault == Exit {
				p.exitCode(10 * time.Second)
			}
			write(body[last:])
			got := make([]byte, len("HTTP/1.1 200"))
			n, _ := io.ReadFull(c, got) // nothing is what one of them wants
			if string(got[:n]) != want {
				t.Errorf("answer %q, want %q", got[:n], want)
			}
		})
	}
}

// One answer in ten is wrong.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for fault, want := range map[Fault]error{OldBody: cases.ErrWrongVersion, OldNumbers: cases.ErrWrongAnswer, CutShort: io.ErrUnexpectedEOF, Right: nil} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			k := start(t, fault, EnvVersion+"=2").client()
			wrong := 0
			for range 20 {
				a := k.ask()
				if a.status != 200 || a.header != "2" {
					t.Fatalf("%+v", a)
				}
				if a.err != nil {
					wrong++
					if !errors.Is(a.err, want) {
						t.Errorf("%v, want %v", a.err, want)
					}
				}
			}
			if expect := 2; wrong != expect && want != nil || want == nil && wrong != 0 {
				t.Errorf("%d of 20 wrong", wrong)
			}
		})
	}
}

func TestOutage(t *testing.T) {
	t.Parallel()
	p := start(t, Outage, EnvAfter+"=300ms")
	k := p.idle()
	within(t, "the outage", 5*time.Second, p.refused)
	if length := within(t, "its end", 5*time.Second, func() bool { return !p.refused() }); length < OutageLength/2 {
		t.Errorf("it lasted %s, want about %s", length, OutageLength)
	}
	if a := k.ask(); a.status != 200 || a.err != nil || k.dials != 2 {
		t.Errorf("after it: %+v on connection %d, want a new one", a, k.dials)
	}
	p.terminate()
	if code := p.exitCode(20 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestCrash(t *testing.T) {
	t.Parallel()
	p := start(t, Crash, EnvAfter+"=300ms")
	p.idle()
	if code := p.exitCode(20 * time.Second); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
}

func TestSlowStart(t *testing.T) {
	t.Parallel()
	began := time.Now()
	start(t, SlowStart, EnvStart+"=400ms").idle()
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("it listened after %s", took)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		env  map[string]string
		says string
	}{
		{"no pod", nil, EnvPod},
		{"no such fault", map[string]string{EnvPod: "p", EnvFault: "wronger"}, `no fault "wronger": there are [right`},
		{"no time", map[string]string{EnvPod: "p", EnvDrain: "5"}, EnvDrain},
		{"all there", map[string]string{EnvPod: "p"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := ReadSettings(func(name string) string { return tt.env[name] })
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want one with %q", err, tt.says)
			}
		})
	}
}
