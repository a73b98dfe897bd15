package access

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// look is how often files are looked at, at most, while there are requests. A mounted
// Secret takes a minute or so to change anyway.
const look = time.Second

// watched is a value made from files, made again when the files change. It has no
// goroutine: whoever asks looks, at most once a while.
type watched[T any] struct {
	paths []string
	read  func() (T, error)
	log   *slog.Logger
	now   func() time.Time

	value atomic.Pointer[T]
	next  atomic.Int64 // Unix nanoseconds of the next look
	mu    sync.Mutex   // held while looking
	seen  string
}

// watch reads the files once, which must succeed.
func watch[T any](paths []string, log *slog.Logger, read func() (T, error)) (*watched[T], error) {
	w := &watched[T]{paths: paths, read: read, log: log, now: time.Now}
	w.seen = w.look()
	v, err := read()
	if err != nil {
		return nil, err
	}
	w.value.Store(&v)
	w.next.Store(w.now().Add(look).UnixNano())
	return w, nil
}

// get returns the value of the files as they are, or as they were when they last could
// be read: a half-written file must not take the server out of service.
func (w *watched[T]) get() T {
	now := w.now().UnixNano()
	if now < w.next.Load() || !w.mu.TryLock() {
		return *w.value.Load()
	}
	defer w.mu.Unlock()
	w.next.Store(now + int64(look))
	seen := w.look()
	if seen == w.seen {
		return *w.value.Load()
	}
	v, err := w.read()
	if err != nil {
		w.log.Error("changed files cannot be read, what they held before stays", "files", w.paths, "error", err.Error())
		return *w.value.Load()
	}
	w.seen = seen
	w.value.Store(&v)
	w.log.Info("read again", "files", w.paths)
	return v
}

// look says what the files are like now: any change of content shows in it. A mounted
// Secret is changed by pointing a link elsewhere.
func (w *watched[T]) look() string {
	var b strings.Builder
	one := func(path string) {
		info, err := os.Stat(path)
		if err != nil {
			fmt.Fprintf(&b, "%s: %v\n", path, err)
			return
		}
		target, err := filepath.EvalSymlinks(path)
		fmt.Fprintf(&b, "%s: %s %v %d %d\n", path, target, err, info.Size(), info.ModTime().UnixNano())
	}
	for _, path := range w.paths {
		one(path)
		entries, err := os.ReadDir(path)
		if err != nil {
			continue // a file, not a folder
		}
		for _, e := range entries {
			one(filepath.Join(path, e.Name()))
		}
	}
	return b.String()
}
