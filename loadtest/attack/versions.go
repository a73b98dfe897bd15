package attack

import (
	"slices"
	"sync/atomic"
)

// Versions says which model versions may answer at the moment. Before an
// upgrade that is the old one, while both have pods both, and when the last old
// pod is gone the new one alone.
type Versions struct {
	allowed atomic.Pointer[[]string]
}

// NewVersions returns a Versions that allows the given ones; with none, any
// version is allowed.
func NewVersions(allowed ...string) *Versions {
	v := &Versions{}
	v.Allow(allowed...)
	return v
}

// Allow replaces the versions that may answer.
func (v *Versions) Allow(allowed ...string) {
	allowed = slices.Clone(allowed)
	v.allowed.Store(&allowed)
}

// snapshot returns what is allowed now; it is never changed afterwards.
func (v *Versions) snapshot() []string { return *v.allowed.Load() }

// right tells whether version may answer a request during which the allowed
// versions went from atSend to atEnd: one that was right at either end is.
func right(version string, atSend, atEnd []string) bool {
	if len(atSend) == 0 || len(atEnd) == 0 {
		return true
	}
	return slices.Contains(atSend, version) || slices.Contains(atEnd, version)
}
