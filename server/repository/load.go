package repository

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"rollproof/model"
)

// errRead says that a file could not be read just now, which may pass by itself.
var errRead = errors.New("not read")

// bring loads a version if what was seen of it is not what serves or was refused
// already. The error says why what was seen does not serve.
func (r *Repository) bring(key slotKey) error {
	s := r.slots[key]
	if s == nil || !s.seen.there() || s.seen.same(&s.acted) || !r.wanted(key) || time.Now().Before(s.retryAt) {
		return nil
	}
	if s.seen.err != nil {
		r.refuse(key, s, s.seen.err, [sha256.Size]byte{})
		return s.seen.err
	}
	r.mu.Lock()
	s.loading = true
	r.mu.Unlock()
	start := time.Now()
	data, err := readFile(s.seen.path, s.seen.info)
	if errors.Is(err, errChanged) {
		// It is being written again. What it becomes has to be still first.
		r.mu.Lock()
		s.loading, s.seen.info = false, nil
		r.mu.Unlock()
		return fmt.Errorf("model %s version %s: %w", key.name, key.version, err)
	}
	var digest [sha256.Size]byte
	if err == nil {
		digest = sha256.Sum256(data)
		if known := r.known(s, digest); known {
			return nil
		}
	}
	var artifact *model.Artifact
	if err == nil {
		if artifact, err = r.compile(data); err != nil {
			err = fmt.Errorf("%s: %w", s.seen.path, err)
		}
	}
	if err != nil {
		err = fmt.Errorf("model %s version %s: %w", key.name, key.version, err)
	}
	// Told before it is served: whoever finds the model finds its metrics.
	r.options.OnLoad(Attempt{Name: key.name, Version: key.version, Took: time.Since(start), Err: err})
	if err != nil {
		r.refuse(key, s, err, digest)
		return err
	}
	r.serve(key, s, artifact, digest)
	r.options.Log.Info("model loaded", "name", key.name, "model_version", key.version,
		"format", artifact.Format, "bytes", len(data), "took", time.Since(start).String())
	return nil
}

// known says whether a file that looks changed holds what serves or was refused last:
// volumes are written anew without anything in them having changed.
func (r *Repository) known(s *slot, digest [sha256.Size]byte) bool {
	serves := s.entry != nil && digest == s.loaded
	if !serves && (s.failure == "" || digest != s.refused) {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s.acted, s.loading = s.seen, false
	if serves {
		s.failure = ""
	}
	return true
}

// refuse keeps what serves and remembers why what was seen, with that digest as far as
// it could be read, does not.
func (r *Repository) refuse(key slotKey, s *slot, err error, digest [sha256.Size]byte) {
	r.options.Log.Error("model refused", "name", key.name, "model_version", key.version,
		"error", err.Error(), "still_serving", s.entry != nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	s.failure, s.loading, s.refused = err.Error(), false, digest
	if errors.Is(err, errRead) { // the same file may well be readable later
		s.retryAge = min(max(2*s.retryAge, r.options.Poll), maxRetry)
		s.retryAt = time.Now().Add(s.retryAge)
		return
	}
	s.acted = s.seen
}

// serve switches a version to what was loaded.
func (r *Repository) serve(key slotKey, s *slot, artifact *model.Artifact, digest [sha256.Size]byte) {
	in := newEntry(model.Model{Name: key.name, Version: key.version, Artifact: *artifact}, r.unloaded)
	r.publish(in, s.entry)
	r.mu.Lock()
	defer r.mu.Unlock()
	*s = slot{seen: s.seen, acted: s.seen, entry: in, loaded: digest}
}

// compile makes a model of a file's bytes. A reader's bug must cost the model, not the
// server that has others.
func (r *Repository) compile(data []byte) (artifact *model.Artifact, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.options.Log.Error("panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("the reader of this format failed on it: %v", p)
		}
	}()
	return r.options.Read(data)
}

// errChanged says that a file changed while it was read.
var errChanged = errors.New("changed while it was read")

// readFile reads a file that was seen as info.
func readFile(path string, info os.FileInfo) ([]byte, error) {
	if info.Size() > MaxBytes {
		return nil, fmt.Errorf("%s: %d bytes, want at most %d", path, info.Size(), MaxBytes)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRead, err) // names the path
	}
	defer func() { _ = f.Close() }() // only read from: nothing can be lost
	var data bytes.Buffer
	data.Grow(int(info.Size()) + bytes.MinRead) // the disk holds that much: one allocation
	if _, err := data.ReadFrom(io.LimitReader(f, info.Size()+1)); err != nil {
		return nil, fmt.Errorf("%w: %w", errRead, err)
	}
	now, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRead, err)
	}
	if !sameFile(now, info) || int64(data.Len()) != info.Size() {
		return nil, fmt.Errorf("%s: %w", path, errChanged)
	}
	return data.Bytes(), nil
}
