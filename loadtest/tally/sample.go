// Package tally holds what was seen of the requests: one Sample a request,
// counted into one Lane a lane. Counts, histograms and coverage are built so
// that the order of the samples does not matter and that merging the tallies
// of any split of the samples gives the tally of the whole. It knows nothing
// of HTTP, of Kubernetes or of what is good enough.
package tally

import "time"

// Class says what became of a request. OK is the only one that is not a loss.
type Class string

// The classes of a request's end. The first group is the transport's, the
// second is an answer that was not the right one.
const (
	OK Class = "ok"

	Refused Class = "refused" // no connection: refused or unreachable
	Reset   Class = "reset"   // connection reset or broken pipe
	EOF     Class = "eof"     // connection closed before an answer's end
	Timeout Class = "timeout" // no full answer in the time allowed
	DNS     Class = "dns"     // the host's name did not resolve
	Other   Class = "other"   // any other transport error

	WrongStatus  Class = "wrong_status"  // a status other than 200
	WrongVersion Class = "wrong_version" // a version that may not answer now, or two that differ
	WrongAnswer  Class = "wrong_answer"  // a shape, label or probability that is not the golden one
	ShortBody    Class = "short_body"    // an answer that ends before its end
)

// Classes lists every class of loss in the order in which reports show them.
func Classes() []Class {
	return []Class{Refused, Reset, EOF, Timeout, DNS, Other, WrongStatus, WrongVersion, WrongAnswer, ShortBody}
}

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
}

// End returns when the sample was answered or lost.
func (s Sample) End() time.Time { return s.Intended.Add(s.Latency) }

// Loss returns the sample as a loss; only meaningful when its class is not OK.
func (s Sample) Loss() Loss {
	return Loss{
		At: s.Intended, Lane: s.Lane, Seq: s.Seq, Class: s.Class, Detail: s.Detail, Status: s.Status,
		Pod: s.Pod, Version: s.Version, Remote: s.Remote, Reused: s.Reused, Attempts: s.Attempts,
		LatencySeconds: s.Latency.Seconds(),
	}
}

// Loss is a request that did not get the right answer from the right version.
type Loss struct {
	At             time.Time `json:"at"` // when it was due
	Lane           string    `json:"lane"`
	Seq            uint64    `json:"seq"`
	Class          Class     `json:"class"`
	Detail         string    `json:"detail"`
	Status         int       `json:"status,omitempty"`
	Pod            string    `json:"pod,omitempty"`
	Version        string    `json:"version,omitempty"`
	Remote         string    `json:"remote,omitempty"`
	Reused         bool      `json:"reused_connection"`
	Attempts       int       `json:"connections"`
	LatencySeconds float64   `json:"latency_seconds"`
}
