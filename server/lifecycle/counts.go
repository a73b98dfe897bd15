package lifecycle

import "sync/atomic"

// Reason is why a connection was closed.
type Reason int32

// The reasons.
const (
	// Other: its client closed it, or it broke.
	Other Reason = iota
	// Idle: nothing came for too long.
	Idle
	// Requests and Age: its limit was reached.
	Requests
	Age
	// Full: it was one too many.
	Full
	// Drain: the server ends.
	Drain
	// Cut: the server's time to end was over.
	Cut
	reasons = iota
)

// ReasonNames returns the names of all reasons, in order.
func ReasonNames() []string {
	return []string{"other", "idle", "requests", "age", "full", "drain", "cut"}
}

// String names the reason as metrics do.
func (r Reason) String() string { return ReasonNames()[r] }

// counts are a Drainer's.
type counts struct {
	accepted atomic.Int64
	closed   [reasons]atomic.Int64
	cut      atomic.Int64
}

// Accepted is how many connections were accepted.
func (d *Drainer) Accepted() int64 { return d.counts.accepted.Load() }

// Closed is how many connections were closed for the reason.
func (d *Drainer) Closed(r Reason) int64 { return d.counts.closed[r].Load() }

// Open is how many connections are open.
func (d *Drainer) Open() int64 {
	// Closed ones first: one that closes between must not make it negative.
	var closed int64
	for r := range d.counts.closed {
		closed += d.counts.closed[r].Load()
	}
	return d.counts.accepted.Load() - closed
}

// WereCut is how many requests had begun and were not answered when the server's time
// to end was over.
func (d *Drainer) WereCut() int64 { return d.counts.cut.Load() }
