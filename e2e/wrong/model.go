package main

import (
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"

	"rollproof/loadtest/cases"
	"rollproof/loadtest/fake"
)

// Paths of the probes, those of the Open Inference Protocol.
const (
	ReadyPath = "/v2/health/ready"
	LivePath  = "/v2/health/live"
)

// faultyShare: of the faults that are in answers, every such answer has one.
const faultyShare = 10

// model answers requests and probes. Make it with newModel.
type model struct {
	fault  Fault
	answer *fake.Server // as its version
	old    *fake.Server // the other version's body under this one's header
	asked  atomic.Uint64
	ending atomic.Bool // after SIGTERM
}

func newModel(s Settings, set *cases.Set) (*model, error) {
	versions := set.Versions()
	if !slices.Contains(versions, s.Version) || len(versions) != 2 {
		return nil, fmt.Errorf("version %q: the goldens must have it and another, and have %v", s.Version, versions)
	}
	other := versions[0]
	if other == s.Version {
		other = versions[1]
	}
	m := &model{fault: s.Fault}
	m.answer = fake.New(set, s.Pod, s.Version, func(n uint64) fake.Fault {
		every := n%faultyShare == faultyShare-1
		switch {
		case s.Fault == ModelClosed && m.ending.Load():
			return fake.Status500
		case s.Fault == OldNumbers && every:
			return fake.WrongBody
		case s.Fault == CutShort && every:
			return fake.Short
		}
		return fake.None
	})
	m.old = fake.New(set, s.Pod, other, func(uint64) fake.Fault { return fake.WrongHeader })
	return m, nil
}

// ServeHTTP implements http.Handler.
func (m *model) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ending := m.ending.Load()
	switch r.URL.Path {
	case LivePath:
		return
	case ReadyPath:
		if ending && m.fault != AlwaysReady {
			http.Error(w, "ending", http.StatusServiceUnavailable)
		}
		return
	}
	// net/http says so by itself where keep-alives are off.
	if ending && m.fault != NoClose && m.fault != KeepAlivesOff {
		w.Header().Set("Connection", "close")
	}
	if m.fault == OldBody && m.asked.Add(1)%faultyShare == 0 {
		m.old.ServeHTTP(w, r)
		return
	}
	m.answer.ServeHTTP(w, r)
}
