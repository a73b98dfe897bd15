package repository

import (
	"cmp"
	"slices"
)

// State of a version.
type State string

// The states of a version.
const (
	// Loading: its file is being read; what served before goes on serving.
	Loading State = "loading"
	// Ready: it answers.
	Ready State = "ready"
	// Failed: its file was refused, and is tried again when it changes.
	Failed State = "failed"
	// Unloading: it is found no more; requests that hold it end.
	Unloading State = "unloading"
)

// Status is what there is to say of a version. While the file of a version changes in
// place there are several for the same version: of what serves, of what comes or was
// refused, and of what is being unloaded.
type Status struct {
	Name, Version string
	State         State
	// Reason says why it is not ready; empty if it is.
	Reason string
}

// Counts is how many there are of each state.
type Counts struct {
	Loading, Ready, Failed, Unloading int
}

// Status says of every version how it is: by name, then by version, then by state.
func (r *Repository) Status() []Status {
	var all []Status
	r.mu.Lock()
	for _, f := range r.served.Load().families {
		for _, e := range f.ascending {
			all = append(all, Status{Name: e.Name, Version: e.Version, State: Ready})
		}
	}
	for key, s := range r.slots {
		row := Status{Name: key.name, Version: key.version}
		switch {
		case s.loading:
			row.State, row.Reason = Loading, "its file is being read"
		case s.failure != "":
			row.State, row.Reason = Failed, s.failure
		default:
			continue
		}
		all = append(all, row)
	}
	for e := range r.unloading {
		all = append(all, Status{Name: e.Name, Version: e.Version, State: Unloading, Reason: "requests still use it"})
	}
	r.mu.Unlock()
	slices.SortFunc(all, func(a, b Status) int {
		return cmp.Or(
			cmp.Compare(a.Name, b.Name), cmp.Compare(number(a.Version), number(b.Version)),
			cmp.Compare(a.Version, b.Version), cmp.Compare(a.State, b.State))
	})
	return all
}

// Counts returns the numbers of Status.
func (r *Repository) Counts() Counts {
	var c Counts
	for _, s := range r.Status() {
		switch s.State {
		case Loading:
			c.Loading++
		case Ready:
			c.Ready++
		case Failed:
			c.Failed++
		case Unloading:
			c.Unloading++
		}
	}
	return c
}
