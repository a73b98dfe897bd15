// Package tally holds what was seen of the requests: one Sample a request,
// counted into one Lane a lane. Counts, histograms and coverage are built so
// that the order of the samples does not matter and that merging the tallies
// of any split of the samples gives the tally of the whole. It knows nothing
// of HTTP, of Kubernetes or of what is good enough.
//
// A run's phases are called stages here: a Phase is how far a request came.
package tally

import "time"

// Class says what became of a request. OK is the only one that is not a loss.
type Class string

// The classes of a request's end. The first group is the transport's, the
// second is an answer that was not the right one.
const (
	OK Class = "ok"

	Refused     Class = "refused"      // no connection: refused or unreachable
	ResetUnsent Class = "reset_unsent" // connection reset before a byte of the request was written
	Reset       Class = "reset"        // connection reset or broken pipe, or an HTTP/2 stream reset, after that
	EOF         Class = "eof"          // connection closed before an answer's end
	Timeout     Class = "timeout"      // no full answer in the time allowed
	TLS         Class = "tls"          // no TLS: a certificate, a protocol or an alert
	DNS         Class = "dns"          // the host's name did not resolve
	Other       Class = "other"        // any other transport error

	WrongStatus  Class = "wrong_status"  // a status other than 200; over gRPC other than OK
	WrongVersion Class = "wrong_version" // a version that may not answer now, or two that differ
	WrongAnswer  Class = "wrong_answer"  // a shape, label or probability that is not the golden one
	ShortBody    Class = "short_body"    // an answer that ends before its end
)

// Classes lists every class of loss in the order in which reports show them.
func Classes() []Class {
	return []Class{Refused, ResetUnsent, Reset, EOF, Timeout, TLS, DNS, Other, WrongStatus, WrongVersion, WrongAnswer, ShortBody}
}

// IsReset tells whether a connection was reset, before or after a byte was written.
func (c Class) IsReset() bool { return c == Reset || c == ResetUnsent }

// Phase says how far a request came on the connection that it was lost on.
type Phase string

// The phases of a request, in order. An empty Phase is a request that asked for
// no connection.
const (
	Connect   Phase = "connect"   // no connection yet: the name, or the dial
	Handshake Phase = "handshake" // connected, TLS not yet agreed
	Write     Phase = "write"     // on a connection, the request not wholly written
	Wait      Phase = "wait"      // written, no byte of an answer
	Answer    Phase = "answer"    // an answer had begun
)

// Sample is one request and what became of it.
type Sample struct {
	Lane     string
	Seq      uint64        // number of the request in its lane, from 0
	Intended time.Time     // when it was due
	Sent     time.Time     // when a worker picked it up
	Latency  time.Duration // from Intended to the answer's last byte, or to the error
	Class    Class
	Detail   string // the error or what was wrong; empty when OK
	Status   int    // 0 without an answer
	Pod      string // who answered, by its header; empty without an answer
	Version  string // the version that the answer claims
	Remote   string // the address that the request went to
	Reused   bool   // the connection had carried a request before
	Attempts int    // connections that the transport used: more than one is a retry that it hid
	Rows     int
	Stage    string // the run's phase in which it was due; empty where a run has none

	// The connection: the last one of a loss, and the first one of a right answer
	// that took more than one, since it is the first that went wrong.
	Conn    uint64        // its number in the lane, from 1 in the order of dialing; 0 if there was none
	Local   string        // our address on it
	Idle    time.Duration // how long it had carried nothing before this request
	Written uint64        // bytes that went out on it during this request
	LastPod string        // the pod that had last answered on it before; empty if none did
	Phase   Phase         // how far the request came on it
}

// End returns when the sample was answered or lost.
func (s Sample) End() time.Time { return s.Intended.Add(s.Latency) }

// Troubled tells whether the sample is a loss or a masked one: a right answer
// that took more than one connection.
func (s Sample) Troubled() bool { return s.Class != OK || s.Attempts > 1 }

// Loss returns the sample as a loss; only meaningful when it is Troubled.
func (s Sample) Loss() Loss {
	return Loss{
		At: s.Intended, Lane: s.Lane, Seq: s.Seq, Class: s.Class, Detail: s.Detail, Status: s.Status,
		Pod: s.Pod, Version: s.Version, Remote: s.Remote, Reused: s.Reused, Attempts: s.Attempts,
		LatencySeconds: s.Latency.Seconds(),
		Conn:           s.Conn, Local: s.Local, IdleSeconds: s.Idle.Seconds(), Written: s.Written,
		LastPod: s.LastPod, Phase: s.Phase, Stage: s.Stage,
	}
}
