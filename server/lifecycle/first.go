package lifecycle

import "time"

// first gives a connection's first request its time from its first byte on. net/http
// begins it when the connection is accepted, and clients open connections that they do
// not use at once: Go's dials for a request that is then sent on another one, and keeps
// the new one. Closed after the time for a header, it was lost if it was used in that
// moment. So a connection may be idle before its first request as before a later one.
//
// Only the goroutine that serves the connection uses it.
type first struct {
	stage firstStage
	// asked is when net/http set the deadline for the first request's header, which is
	// header. late is how long after it the first byte came.
	asked, header time.Time
	late          time.Duration
}

type firstStage int

const (
	unasked  firstStage = iota // net/http has not begun to wait for a request
	awaited                    // nothing of it has come
	begun                      // it is read or answered
	answered                   // what follows has an idle time-out of net/http's own
)

// deadline is the deadline for reading in the place of net/http's own, t.
func (f *first) deadline(t time.Time, idle time.Duration) time.Time {
	if f.stage == answered {
		return t // asked several times a request: not even the clock is read
	}
	now := time.Now()
	if idle <= 0 || !t.After(now) && f.stage != begun || t.IsZero() || t.Unix() <= 1 {
		return t // none, or one that interrupts a Read
	}
	switch f.stage {
	case unasked:
		f.stage, f.asked, f.header = awaited, now, t
		return now.Add(idle)
	case begun:
		return t.Add(f.late)
	}
	return t
}

// arrived says that something has come, and gives the deadline for the first request's
// header if that was the first.
func (f *first) arrived() (time.Time, bool) {
	if f.stage != awaited {
		return time.Time{}, false
	}
	f.stage, f.late = begun, time.Since(f.asked)
	return f.header.Add(f.late), true
}
