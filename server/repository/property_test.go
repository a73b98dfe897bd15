package repository

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// machine changes a folder at random and knows what must serve in the end.
type machine struct {
	r      *Repository
	folder string
	serial int
	files  map[slotKey]string   // what is in the folder; empty: a folder without a file
	serves map[slotKey]string   // what served after the last time that all was settled
	since  map[slotKey][]string // what was good since then, if only for a moment
	held   map[*Entry]string    // what was acquired, and its content then
}

var machineKeys = rapid.Custom(func(t *rapid.T) slotKey {
	return slotKey{rapid.SampledFrom([]string{"m", "n"}).Draw(t, "model"), rapid.SampledFrom([]string{"1", "2", "9", "10"}).Draw(t, "version")}
})

func (m *machine) path(key slotKey) string { return filepath.Join(m.folder, key.name, key.version) }

func (m *machine) check(t *rapid.T) {
	for e, text := range m.held {
		if e.uses.Load() <= 0 || string(e.Predictor.(content)) != text {
			t.Fatalf("%s/%s was freed while it was held", e.Name, e.Version)
		}
	}
	for _, name := range m.r.Names() {
		e, err := m.r.Acquire(name, "")
		if err != nil {
			t.Fatal(err)
		}
		if versions := m.r.Versions(name); e.Version != versions[len(versions)-1] {
			t.Fatalf("the default of %s is %s, want the highest of %q", name, e.Version, versions)
		}
		e.Release()
	}
}

// settle lets every change be seen twice, and compares with what must serve then: what
// is good; where it is bad, what served before.
func (m *machine) settle(t *rapid.T) {
	time.Sleep(3 * poll)
	now := map[slotKey]string{}
	failed := map[slotKey]bool{}
	for key, content := range m.files {
		if content != "" && content[0] == 'g' {
			now[key] = content
			continue
		}
		failed[key] = true
		if was, ok := m.serves[key]; ok {
			now[key] = was
		}
		for _, good := range m.since[key] { // whether it was still for long enough is not known here
			if text(m.r, key.name, key.version) == key.version+": "+good {
				now[key] = good
			}
		}
	}
	m.serves, m.since = now, map[slotKey][]string{}
	for key, want := range now {
		if got := text(m.r, key.name, key.version); got != key.version+": "+want {
			t.Fatalf("%v: %q, want %q", key, got, want)
		}
	}
	for _, s := range m.r.Status() {
		key := slotKey{s.Name, s.Version}
		switch _, serves := now[key]; {
		case s.State == Ready && !serves:
			t.Fatalf("%v serves, want it gone", key)
		case s.State == Failed && key.version != "" && !failed[key]:
			t.Fatalf("%v failed: %s", key, s.Reason)
		case s.State == Failed:
			delete(failed, key)
		}
	}
	if len(failed) > 0 {
		t.Fatalf("not shown as failed: %v", failed)
	}
}

// TestAnyChanges is a state machine in virtual time, on real files.
func TestAnyChanges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { rapid.SyncTest(t, anyChanges) })
}

func anyChanges(t *rapid.T) {
	folder, err := os.MkdirTemp("", "models")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(folder) }() // a temporary folder
	o := Options{Folder: folder, Poll: poll, Read: readContent}
	put(t, folder, "always/1/model.onnx", "good")
	r, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{
		r: r, folder: folder, held: map[*Entry]string{}, since: map[slotKey][]string{},
		files: map[slotKey]string{{"always", "1"}: "good"}, serves: map[slotKey]string{{"always", "1"}: "good"},
	}
	t.Repeat(map[string]func(*rapid.T){
		"": m.check,
		"write": func(t *rapid.T) {
			key := machineKeys.Draw(t, "key")
			m.serial++
			text := fmt.Sprintf("%s %d", rapid.SampledFrom([]string{"good", "bad", "panic"}).Draw(t, "content"), m.serial)
			place, name := m.path(key), "model.onnx"
			atomically := rapid.Bool().Draw(t, "by renaming")
			if atomically {
				name = ".new"
			}
			put(t, place, name, text)
			if atomically {
				if err := os.Rename(filepath.Join(place, name), filepath.Join(place, "model.onnx")); err != nil {
					t.Fatal(err)
				}
			}
			m.files[key] = text
			if text[0] == 'g' {
				m.since[key] = append(m.since[key], text)
			}
		},
		"remove file": func(t *rapid.T) {
			if key := machineKeys.Draw(t, "key"); m.files[key] != "" {
				remove(t, m.path(key), "model.onnx")
				m.files[key] = ""
			}
		},
		"remove version": func(t *rapid.T) {
			key := machineKeys.Draw(t, "key")
			if _, ok := m.files[key]; ok {
				remove(t, m.path(key), ".")
				delete(m.files, key)
				m.settle(t) // else it might be written again before anybody looked
			}
		},
		"acquire": func(t *rapid.T) {
			key := machineKeys.Draw(t, "key")
			if rapid.Bool().Draw(t, "default") {
				key.version = ""
			}
			e, err := r.Acquire(key.name, key.version)
			if err != nil {
				if !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrNotReady) {
					t.Fatal(err)
				}
				return
			}
			if _, twice := m.held[e]; twice {
				e.Release()
				return
			}
			m.held[e] = string(e.Predictor.(content))
		},
		"release": func(*rapid.T) {
			for e := range m.held {
				e.Release()
				delete(m.held, e)
				return
			}
		},
		"wait":   func(t *rapid.T) { time.Sleep(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond) },
		"settle": m.settle,
	})
	m.settle(t)
	for e := range m.held {
		e.Release()
	}
	if c := r.Counts(); c.Unloading+c.Loading > 0 {
		t.Fatalf("%+v after everything was released", c)
	}
	if err := r.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// TestUseWhileItChanges lets many acquire while versions come and go as fast as they
// can: for the race detector.
func TestUseWhileItChanges(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	put(t, folder, "m/1/model.onnx", "good 1")
	r, err := Open(context.Background(), Options{Folder: folder, Poll: time.Millisecond, Read: readContent})
	if err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var acquired atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for !stop.Load() {
				e, err := r.Acquire("m", "")
				if err != nil {
					t.Error(err)
					return
				}
				e.Attach("key", func() any { return e.Version })
				if e.uses.Load() <= 0 {
					t.Error("freed while it was held")
				}
				e.Release()
				if n := acquired.Add(1); n%64 == 0 {
					_ = r.Status()
				}
			}
		})
	}
	switches := 0
	last := ""
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		put(t, folder, "m/2/model.onnx", fmt.Sprintf("good %d", switches))
		time.Sleep(4 * time.Millisecond)
		if switches%3 == 0 {
			remove(t, folder, "m/2")
			time.Sleep(3 * time.Millisecond)
		}
		if now := text(r, "m", ""); now != last {
			switches, last = switches+1, now
		}
	}
	stop.Store(true)
	wg.Wait()
	closeNow(t, r)
	if slices.Contains(states(r), "m/1 failed") || acquired.Load() < 100 || switches < 2 {
		t.Errorf("%d acquired over %d switches: too few to say anything; %q", acquired.Load(), switches, states(r))
	}
	if c := r.Counts(); c.Unloading > 0 {
		t.Errorf("%+v after everything was released", c)
	}
}

func BenchmarkAcquire(b *testing.B) {
	folder := b.TempDir()
	put(b, folder, "m/1/model.onnx", "good 1")
	r, err := Open(context.Background(), Options{Folder: folder, Read: readContent})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		e, err := r.Acquire("m", "")
		if err != nil {
			b.Fatal(err)
		}
		e.Release()
	}
}
