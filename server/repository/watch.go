package repository

import (
	"cmp"
	"context"
	"crypto/sha256"
	"maps"
	"slices"
	"time"
)

// maxRetry bounds the wait between attempts at a file that could not be read.
const maxRetry = time.Minute

// slot is a version's place: what is known of its file and what serves from it. The
// goroutine that makes the rounds owns it; what Status shows is written under mu.
type slot struct {
	seen  sight // at the last look
	acted sight // what was last loaded or refused

	entry    *Entry            // what serves; nil if nothing does
	loaded   [sha256.Size]byte // of what serves
	refused  [sha256.Size]byte // of what was last refused
	loading  bool
	failure  string // why what was last seen does not serve; empty if it does
	retryAt  time.Time
	retryAge time.Duration
}

// watch makes a round with every tick until ctx ends.
func (r *Repository) watch(ctx context.Context) {
	defer close(r.done)
	tick := time.NewTicker(r.options.Poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		seen, err := look(r.options.Folder)
		r.note(err)
		if err != nil {
			continue // what is loaded serves on
		}
		// Nothing that a file does ends a running server.
		_ = r.round(ctx, seen, false, func(error) error { return nil })
	}
}

// note keeps the folder's error for Trouble and logs it when it comes and goes.
func (r *Repository) note(err error) {
	r.mu.Lock()
	was := r.trouble
	r.trouble = err
	r.mu.Unlock()
	switch {
	case err != nil && (was == nil || was.Error() != err.Error()):
		r.options.Log.Error("models folder", "error", err.Error())
	case err == nil && was != nil:
		r.options.Log.Info("models folder is there again")
	}
}

// round brings what is served in step with what was seen. With atOnce nothing has to be
// still first. It ends early with ctx or when failed, which is told why a version is
// not served, returns an error.
//
// What is gone is unloaded first, so that its memory is free for what comes, unless the
// model would be left without any version meanwhile.
func (r *Repository) round(ctx context.Context, seen map[slotKey]sight, atOnce bool, failed func(error) error) error {
	settled := r.settle(seen, atOnce)
	r.drop(settled, false)
	for _, key := range settled {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := r.bring(key); err != nil {
			if err := failed(err); err != nil {
				return err
			}
		}
		r.trim(key.name)
	}
	r.drop(settled, true)
	return nil
}

// settle notes what was seen, and returns what has not changed since the look before:
// by name, higher versions first, so that the newest of a model is the first to serve.
func (r *Repository) settle(seen map[slotKey]sight, atOnce bool) []slotKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range seen {
		if r.slots[key] == nil {
			r.slots[key] = &slot{}
		}
	}
	var settled []slotKey
	for key, s := range r.slots {
		now := seen[key]
		if atOnce || now.same(&s.seen) {
			settled = append(settled, key)
		}
		s.seen = now
	}
	slices.SortFunc(settled, func(a, b slotKey) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(number(b.version), number(a.version)),
			cmp.Compare(a.version, b.version))
	})
	return settled
}

// drop unloads versions that are gone, the last of a model only if all.
func (r *Repository) drop(settled []slotKey, all bool) {
	for _, key := range settled {
		s := r.slots[key]
		if s == nil || s.seen.there() {
			continue
		}
		if f := r.served.Load().families[key.name]; s.entry != nil && !all && len(f.ascending) == 1 {
			continue
		}
		r.mu.Lock()
		delete(r.slots, key)
		r.mu.Unlock()
		if s.entry != nil {
			r.options.Log.Info("model removed", "name", key.name, "model_version", key.version)
			r.publish(nil, s.entry)
		}
	}
}

// wanted says whether a version belongs to what is served by Options.Keep: fewer than
// that many higher versions, which are not gone, are ready.
func (r *Repository) wanted(key slotKey) bool {
	if r.options.Keep <= 0 {
		return true
	}
	higher := 0
	if f := r.served.Load().families[key.name]; f != nil {
		for _, e := range f.ascending {
			s := r.slots[slotKey{e.Name, e.Version}]
			if number(e.Version) > number(key.version) && s != nil && s.seen.there() {
				higher++
			}
		}
	}
	return higher < r.options.Keep
}

// trim unloads the versions of a model that Options.Keep no longer wants.
func (r *Repository) trim(name string) {
	if r.options.Keep <= 0 {
		return
	}
	for _, key := range slices.Collect(maps.Keys(r.slots)) {
		s := r.slots[key]
		if key.name != name || !s.seen.there() || r.wanted(key) {
			continue
		}
		r.mu.Lock()
		out := s.entry
		*s = slot{seen: s.seen} // it may be wanted again when a higher one goes
		r.mu.Unlock()
		if out != nil {
			r.options.Log.Info("model superseded", "name", key.name, "model_version", key.version)
			r.publish(nil, out)
		}
	}
}
