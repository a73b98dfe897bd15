package main

import (
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollproof/loadtest/objectives"
	harness "rollproof/loadtest/run"
	"rollproof/loadtest/tally"
	"rollproof/loadtest/verdict"
)

// service forwards each new connection to the pod that it routes to, as a Service
// does: connections stay where they are.
type service struct {
	net.Listener
	to atomic.Pointer[string]
}

func newService(t *testing.T, to string) *service {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &service{Listener: l}
	s.to.Store(&to)
	t.Cleanup(func() { _ = l.Close() }) // it ends accept
	go s.accept()
	return s
}

func (s *service) accept() {
	for {
		client, err := s.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = client.Close() }()
			pod, err := net.Dial("tcp", *s.to.Load())
			if err != nil {
				return // as a port mapping does
			}
			defer func() { _ = pod.Close() }()
			var both sync.WaitGroup
			for _, way := range [][2]net.Conn{{pod, client}, {client, pod}} {
				both.Go(func() {
					_, _ = io.Copy(way[0], way[1]) // either end may go at any time
					_ = way[0].(*net.TCPConn).CloseWrite()
				})
			}
			both.Wait()
		}()
	}
}

type silent struct{}

func (silent) Phase(string)              {}
func (silent) Wait(string)               {}
func (silent) CommandLine(string)        {}
func (silent) Progress(harness.Progress) {}

// What the harness says of each fault, without a cluster: a pod is replaced by
// another of the same version while a load runs. Its endpoint is withdrawn half a
// second after it was told to end, and a service stands before both.
func TestTheHarnessSees(t *testing.T) {
	tests := []struct {
		fault   Fault
		want    verdict.Outcome
		classes []tally.Class // of what is lost: one of them at least
	}{
		{Right, verdict.Pass, nil},
		{AlwaysReady, verdict.Pass, nil},
		{Shutdown, verdict.Fail, []tally.Class{tally.EOF, tally.Reset}},
		{Exit, verdict.Fail, []tally.Class{tally.EOF, tally.Reset}},
		{KeepAlivesOff, verdict.Fail, []tally.Class{tally.EOF, tally.Reset}},
		{NoClose, verdict.Fail, []tally.Class{tally.EOF, tally.Reset}},
		{ModelClosed, verdict.Fail, []tally.Class{tally.WrongStatus}},
		{OldBody, verdict.Fail, []tally.Class{tally.WrongVersion}},
		{OldNumbers, verdict.Fail, []tally.Class{tally.WrongAnswer}},
		{CutShort, verdict.Fail, []tally.Class{tally.ShortBody}},
		{Outage, verdict.Fail, []tally.Class{tally.EOF, tally.Reset}},
		{Crash, verdict.Fail, []tally.Class{tally.EOF, tally.Reset}},
	}
	for _, tt := range tests {
		// In turns: side by side they would measure the machine.
		t.Run(string(tt.fault), func(t *testing.T) {
			if testing.Short() && !slices.Contains([]Fault{Right, NoClose, KeepAlivesOff}, tt.fault) {
				t.Skip("a few are enough")
			}
			r := replaceUnderLoad(t, tt.fault)
			for tries := 1; stoodStill(r); tries++ {
				if tries == 3 {
					t.Skip("this machine has no time for it: the harness stood still three times")
				}
				r = replaceUnderLoad(t, tt.fault)
			}
			v := verdict.Judge(r.Input)
			lost := map[tally.Class]uint64{}
			for _, l := range r.Input.Lanes {
				for c, n := range l.Lost {
					lost[c] += n
				}
			}
			if v.Outcome != tt.want {
				t.Errorf("%s, want %s: %v", v.Outcome, tt.want, v.Reasons)
			}
			if len(tt.classes) > 0 && !slices.ContainsFunc(tt.classes, func(c tally.Class) bool { return lost[c] > 0 }) {
				t.Errorf("lost %v, want some of %v", lost, tt.classes)
			}
		})
	}
}

// replaceUnderLoad replaces a pod by a right one while the harness sends.
func replaceUnderLoad(t *testing.T, fault Fault) *harness.Result {
	t.Helper()
	old := start(t, fault, EnvAfter+"=1500ms", EnvDrain+"=1200ms")
	fresh := start(t, Right)
	s := newService(t, old.addr)
	cfg := harness.DefaultLoad()
	cfg.URL, cfg.Out, cfg.Service = "http://"+s.Addr().String(), t.TempDir(), old.set
	cfg.Objectives = objectives.Default()
	cfg.Objectives.Evidence = objectives.Evidence{Requests: 50, Achieved: 0.5, Late: 1, SamplerLag: objectives.Duration(5 * time.Second), WatchGap: objectives.Duration(5 * time.Second)}
	cfg.NewRate, cfg.ReusedRate, cfg.HotConnections = 50, 50, 16
	cfg.SlowNewRate, cfg.SlowReusedRate = 0, 0
	cfg.Duration, cfg.Timeout = objectives.Duration(2500*time.Millisecond), objectives.Duration(5*time.Second)
	if fault == Crash || fault == Outage { // of a pod that is to live
		time.AfterFunc(1700*time.Millisecond, func() { s.to.Store(&fresh.addr) })
	} else {
		time.AfterFunc(700*time.Millisecond, old.terminate)
		time.AfterFunc(1200*time.Millisecond, func() { s.to.Store(&fresh.addr) })
	}
	r, err := harness.Load(t.Context(), cfg, silent{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// stoodStill tells whether the harness had no time for so long that a right
// server's drain may have been over before its clients had their turn.
func stoodStill(r *harness.Result) bool {
	return slices.ContainsFunc(r.Input.Run.Lags, func(l verdict.Lag) bool { return l.Length.D() > 400*time.Millisecond })
}
