package main

import "slices"

// Fault is the one thing that a server does wrong.
type Fault string

// The faults. The first two servers lose nothing.
const (
	// Right: at SIGTERM not ready, serves on, closes each connection with its
	// answer, then ends.
	Right Fault = "right"
	// AlwaysReady: as Right, but its readiness never turns false. Harmless, since
	// the cluster withdraws a terminating pod's endpoint by itself.
	AlwaysReady Fault = "always-ready"

	// Shutdown: http.Server.Shutdown at SIGTERM.
	Shutdown Fault = "shutdown"
	// Exit: the process ends at SIGTERM.
	Exit Fault = "exit"
	// KeepAlivesOff: SetKeepAlivesEnabled(false) for the drain.
	KeepAlivesOff Fault = "keepalives-off"
	// NoClose: a drain without `Connection: close`.
	NoClose Fault = "no-close"
	// IgnoreTerm: SIGTERM is ignored; readiness stays.
	IgnoreTerm Fault = "ignore-term"
	// ModelClosed: as Right, but the model is closed at SIGTERM: status 500.
	ModelClosed Fault = "model-closed"

	// OldBody: one answer in ten is the old version's, under the new one's header.
	OldBody Fault = "old-body"
	// OldNumbers: one answer in ten has the old version's numbers, under the new
	// one's name in header and body.
	OldNumbers Fault = "old-numbers"
	// CutShort: one answer in ten ends in the middle of its body.
	CutShort Fault = "cut-short"

	// Outage: nothing listens for OutageLength, once, and each connection is closed.
	Outage Fault = "outage"
	// Crash: the process ends with code 1.
	Crash Fault = "crash"
	// SlowStart: the process runs for a while before it listens.
	SlowStart Fault = "slow-start"
)

// Faults returns all there are.
func Faults() []Fault {
	return []Fault{
		Right, AlwaysReady, Shutdown, Exit, KeepAlivesOff, NoClose, IgnoreTerm, ModelClosed,
		OldBody, OldNumbers, CutShort, Outage, Crash, SlowStart,
	}
}

func (f Fault) known() bool { return slices.Contains(Faults(), f) }
