// Package repository loads models from a folder laid out as NAME/VERSION/FILE, keeps
// what it serves in step with the folder, and finds models by name and version. All
// versions are served side by side unless Options.Keep says otherwise; the highest that
// is ready is the default. It knows no format (model/format does) and no protocol.
//
// Two things hold whatever happens to the folder: what was acquired stays whole until
// it is released, and finding a model waits for nothing, least of all for a file.
package repository

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"rollproof/model"
)

// Repository holds loaded models. Make one with Open, OpenFile, Load or Of.
type Repository struct {
	options Options
	// served is what Acquire sees: never changed, only replaced.
	served atomic.Pointer[catalog]

	// mu guards the rest. It is held for moments, never while a file is read.
	mu        sync.Mutex
	slots     map[slotKey]*slot
	unloading map[*Entry]struct{}
	trouble   error

	stop func()
	done chan struct{} // closed when nothing watches any more
}

// catalog is everything that is served at one moment.
type catalog struct{ families map[string]*family }

// family is the versions of one model, one or more.
type family struct {
	latest    *Entry
	byVersion map[string]*Entry
	ascending []*Entry
}

// ErrNotFound says that no such model or version is there.
var ErrNotFound = errors.New("not found")

// ErrNotReady says that the model or version is there and cannot answer: it is being
// loaded for the first time, or its file was refused.
var ErrNotReady = errors.New("not ready")

func newRepository(o Options) *Repository {
	r := &Repository{
		options: o.withDefaults(), slots: map[slotKey]*slot{}, unloading: map[*Entry]struct{}{},
		stop: func() {}, done: make(chan struct{}),
	}
	r.served.Store(&catalog{families: map[string]*family{}})
	return r
}

// Of returns a repository of these models, which it does not load or change.
func Of(models ...*model.Model) *Repository {
	r := newRepository(Options{})
	close(r.done)
	for _, m := range models {
		r.publish(newEntry(*m, nil), nil)
	}
	return r
}

// Acquire returns the model of that name and version, of the highest version that is
// ready if version is empty, and keeps it loaded until it is released. The error is
// ErrNotFound and names what there is instead, or ErrNotReady and says why. It takes no
// lock: whatever is being loaded or unloaded, it returns at once.
func (r *Repository) Acquire(name, version string) (*Entry, error) {
	for {
		f := r.served.Load().families[name]
		if f == nil {
			return nil, r.missing(name, version)
		}
		e := f.latest
		if version != "" {
			if e = f.byVersion[version]; e == nil {
				return nil, r.missing(name, version)
			}
		}
		if e.take() {
			return e, nil
		}
		// It was freed since the catalog was read: the catalog is another one by now.
	}
}

// missing is the error of Acquire.
func (r *Repository) missing(name, version string) error {
	for _, s := range r.Status() {
		if s.Name == name && (version == "" || s.Version == version) && (s.State == Loading || s.State == Failed) {
			return fmt.Errorf("version %q of model %q: %w: %s: %s", s.Version, name, ErrNotReady, s.State, s.Reason)
		}
	}
	if r.served.Load().families[name] == nil {
		return fmt.Errorf("model %q: %w: the models are %q", name, ErrNotFound, r.Names())
	}
	return fmt.Errorf("version %q of model %q: %w: the versions are %q", version, name, ErrNotFound, r.Versions(name))
}

// Names returns the names of the models that are ready in some version, in order.
func (r *Repository) Names() []string {
	return slices.Sorted(maps.Keys(r.served.Load().families))
}

// Versions returns a model's ready versions, ascending.
func (r *Repository) Versions(name string) []string {
	f := r.served.Load().families[name]
	if f == nil {
		return []string{}
	}
	versions := make([]string, len(f.ascending))
	for i, e := range f.ascending {
		versions[i] = e.Version
	}
	return versions
}

// publish puts one entry in and takes another of the same model out, in one step;
// either may be nil. What is taken out is freed when the last request on it ends.
func (r *Repository) publish(in, out *Entry) {
	r.mu.Lock()
	was := r.served.Load()
	now := &catalog{families: maps.Clone(was.families)}
	name := cmp.Or(in, out).Name
	var entries []*Entry
	if f := was.families[name]; f != nil {
		entries = slices.DeleteFunc(slices.Clone(f.ascending), func(e *Entry) bool { return e == out })
	}
	if in != nil {
		entries = append(entries, in)
	}
	if len(entries) == 0 {
		delete(now.families, name)
	} else {
		now.families[name] = newFamily(entries)
	}
	if out != nil {
		r.unloading[out] = struct{}{}
	}
	r.served.Store(now)
	r.mu.Unlock()
	if out != nil {
		out.Release() // after the store: who finds it freed finds another catalog
	}
}

func newFamily(entries []*Entry) *family {
	slices.SortStableFunc(entries, func(a, b *Entry) int { return cmp.Compare(number(a.Version), number(b.Version)) })
	f := &family{latest: entries[len(entries)-1], byVersion: map[string]*Entry{}, ascending: entries}
	for _, e := range entries {
		f.byVersion[e.Version] = e
	}
	return f
}

// unloaded forgets an entry that was freed.
func (r *Repository) unloaded(e *Entry) {
	r.mu.Lock()
	delete(r.unloading, e)
	r.mu.Unlock()
	r.options.Log.Info("model unloaded", "name", e.Name, "model_version", e.Version)
}

// number is the value of a version, which versionPattern has made sure is one.
func number(version string) int {
	n, _ := strconv.Atoi(version)
	return n
}
