package attack

import "time"

// clock tells moments as the run's start by the wall clock and the time since
// then by the monotonic one. The wall clock may be set during a run; and a
// moment that is written down loses its monotonic reading: told like this it
// comes back the same, so that what is computed from kept results is what was
// computed during the run.
type clock struct {
	origin time.Time
}

// at returns the moment t by this clock.
func (c clock) at(t time.Time) time.Time {
	if c.origin.IsZero() {
		return t.Round(0)
	}
	return c.origin.Round(0).Add(t.Sub(c.origin))
}
