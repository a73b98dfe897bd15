package repository

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollproof/model"
)

// content is a predictor that remembers what file it was made of.
type content string

func (content) Predict(context.Context, []model.Value, []model.Value) error { return nil }

// readContent takes files that begin with "good", and has a bug with some others.
func readContent(data []byte) (*model.Artifact, error) {
	switch text := string(data); {
	case strings.HasPrefix(text, "good"):
		return &model.Artifact{Predictor: content(text)}, nil
	case strings.HasPrefix(text, "panic"):
		panic("index out of range")
	}
	return nil, errors.New("not a model")
}

const poll = time.Second

// fataler is what testing and rapid have in common as far as it is needed here.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

// put writes a file in place.
func put(t fataler, folder, name, text string) {
	t.Helper()
	path := filepath.Join(folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t fataler, folder, name string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(folder, filepath.FromSlash(name))); err != nil {
		t.Fatal(err)
	}
}

// open opens a folder with one model in it.
func open(t testing.TB, o Options) (*Repository, string) {
	t.Helper()
	o.Folder, o.Poll = t.TempDir(), poll
	if o.Read == nil {
		o.Read = readContent
	}
	put(t, o.Folder, "m/1/model.onnx", "good 1")
	r, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(poll / 2) // what follows happens between two looks
	return r, o.Folder
}

func closeNow(t testing.TB, r *Repository) {
	t.Helper()
	if err := r.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// text is what serves now; the error's text if nothing does.
func text(r *Repository, name, version string) string {
	e, err := r.Acquire(name, version)
	if err != nil {
		return err.Error()
	}
	defer e.Release()
	c, _ := e.Predictor.(content)
	return e.Version + ": " + string(c)
}

func wantText(t *testing.T, r *Repository, version, want string) {
	t.Helper()
	if got := text(r, "m", version); got != want {
		t.Errorf("m version %q: %q, want %q", version, got, want)
	}
}

// states is Status in short.
func states(r *Repository) []string {
	short := []string{}
	for _, s := range r.Status() {
		short = append(short, s.Name+"/"+s.Version+" "+string(s.State))
	}
	return short
}

func wantStates(t *testing.T, r *Repository, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, states(r)); d != "" {
		t.Errorf("status (-want +got):\n%s", d)
	}
}

func TestFollowsTheFolder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var attempts []Attempt
		r, folder := open(t, Options{OnLoad: func(a Attempt) { attempts = append(attempts, a) }})
		defer closeNow(t, r)

		put(t, folder, "m/2/model.json", "good 2")
		time.Sleep(poll)
		wantText(t, r, "", "1: good 1") // it has to be still for a poll
		time.Sleep(poll)
		wantText(t, r, "", "2: good 2")
		wantText(t, r, "1", "1: good 1")

		put(t, folder, "m/2/model.json", "bad") // in place
		put(t, folder, "m/3/model.json", "panic")
		time.Sleep(2 * poll)
		wantText(t, r, "", "2: good 2")
		wantStates(t, r, "m/1 ready", "m/2 failed", "m/2 ready", "m/3 failed")
		wantText(t, r, "3", `version "3" of model "m": not ready: failed: model m version 3: `+
			filepath.Join(folder, "m", "3", "model.json")+": the reader of this format failed on it: index out of range")
		before := len(attempts)
		time.Sleep(100 * poll)
		if n := len(attempts); n != before {
			t.Errorf("%d more attempts at the same files", n-before)
		}

		put(t, folder, "m/2/model.json", "good 2 again")
		remove(t, folder, "m/3")
		time.Sleep(2 * poll)
		wantText(t, r, "", "2: good 2 again")
		wantStates(t, r, "m/1 ready", "m/2 ready")

		held, err := r.Acquire("m", "2")
		if err != nil {
			t.Fatal(err)
		}
		remove(t, folder, "m/2")
		time.Sleep(2 * poll)
		wantStates(t, r, "m/1 ready", "m/2 unloading")
		wantText(t, r, "", "1: good 1")
		held.Release()
		wantStates(t, r, "m/1 ready")

		put(t, folder, "my model/1/model.onnx", "good")
		time.Sleep(2 * poll)
		wantStates(t, r, "m/1 ready", "my model/ failed")
	})
}

// TestWholeFolderGone loses the volume: nothing follows from that for what is loaded.
func TestWholeFolderGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, folder := open(t, Options{})
		defer closeNow(t, r)
		for _, lost := range []string{"m", "."} { // an empty mount point, and none
			remove(t, folder, lost)
			time.Sleep(5 * poll)
			wantText(t, r, "", "1: good 1")
			if err := r.Trouble(); err == nil || !strings.Contains(err.Error(), folder) {
				t.Errorf("trouble: %v, want the folder's", err)
			}
		}
		put(t, folder, "m/1/model.onnx", "good again")
		time.Sleep(3 * poll)
		wantText(t, r, "", "1: good again")
		if err := r.Trouble(); err != nil {
			t.Error(err)
		}
	})
}

// TestMountedVolume swaps a link as the kubelet does with a ConfigMap or a Secret.
func TestMountedVolume(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var reads int
		r, folder := open(t, Options{Read: func(data []byte) (*model.Artifact, error) {
			reads++
			return readContent(data)
		}})
		defer closeNow(t, r)
		version := filepath.Join(folder, "m", "2")
		swap := func(to, text string) {
			put(t, version, to+"/weights", text)
			link := filepath.Join(version, "..data_tmp")
			if err := os.Symlink(to, link); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(link, filepath.Join(version, "..data")); err != nil {
				t.Fatal(err)
			}
		}
		swap("..2026_1", "good a")
		if err := os.Symlink(filepath.Join("..data", "weights"), filepath.Join(version, "weights")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * poll)
		wantText(t, r, "", "2: good a")
		swap("..2026_2", "good b")
		time.Sleep(3 * poll)
		wantText(t, r, "", "2: good b")
		before := reads
		swap("..2026_3", "good b") // written anew, the same
		time.Sleep(3 * poll)
		wantText(t, r, "", "2: good b")
		if reads != before {
			t.Error("compiled again although the content is the same")
		}
	})
}

// TestFileBeingWritten grows a file over many polls: no part of it is ever read.
func TestFileBeingWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		failures := 0
		r, folder := open(t, Options{OnLoad: func(a Attempt) {
			if a.Err != nil {
				failures++
			}
		}})
		defer closeNow(t, r)
		whole := "bad until it is whole"
		for i := range whole {
			put(t, folder, "m/2/model.onnx", whole[:i+1])
			time.Sleep(poll)
			wantText(t, r, "", "1: good 1")
		}
		put(t, folder, "m/2/model.onnx", "good now")
		time.Sleep(3 * poll)
		wantText(t, r, "", "2: good now")
		if failures > 0 {
			t.Errorf("%d attempts at an unfinished file", failures)
		}
	})
}

func TestKeep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, folder := open(t, Options{Keep: 1})
		defer closeNow(t, r)
		put(t, folder, "m/2/model.onnx", "bad")
		time.Sleep(3 * poll)
		wantText(t, r, "", "1: good 1") // kept while the newer does not serve
		wantStates(t, r, "m/1 ready", "m/2 failed")
		put(t, folder, "m/3/model.onnx", "good 3")
		time.Sleep(3 * poll)
		wantText(t, r, "", "3: good 3")
		wantStates(t, r, "m/3 ready")
		remove(t, folder, "m/2")
		remove(t, folder, "m/3")
		for range 8 { // never without any version meanwhile
			time.Sleep(poll / 2)
			if _, err := os.Stat(folder); err != nil {
				t.Fatal(err)
			}
			if got := text(r, "m", ""); got != "1: good 1" && got != "3: good 3" {
				t.Fatalf("while the highest goes: %q", got)
			}
		}
		wantText(t, r, "", "1: good 1")
		wantStates(t, r, "m/1 ready")
	})
}

// TestLoadBlocksNobody holds a load: whoever acquires meanwhile waits for nothing, or
// the bubble would be deadlocked.
func TestLoadBlocksNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		r, folder := open(t, Options{Read: func(data []byte) (*model.Artifact, error) {
			if strings.Contains(string(data), "slow") {
				<-hold
			}
			return readContent(data)
		}})
		put(t, folder, "m/1/model.onnx", "good slow")
		put(t, folder, "n/1/model.onnx", "good slow")
		time.Sleep(3 * poll)
		wantText(t, r, "", "1: good 1")
		wantStates(t, r, "m/1 loading", "m/1 ready")
		ended, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := r.Close(ended); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v, want that it waits for the load", err)
		}
		close(hold)
		closeNow(t, r)
		wantText(t, r, "", "1: good slow")
		if _, err := r.Acquire("n", ""); !errors.Is(err, ErrNotFound) {
			t.Errorf("n: %v: loaded after the end", err)
		}
	})
}

func TestTolerantStart(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	put(t, folder, "m/1/model.onnx", "bad")
	o := Options{Folder: folder, Read: readContent, Tolerant: true}
	if _, err := Open(context.Background(), o); err == nil || !strings.Contains(err.Error(), "no model loads: model m version 1") {
		t.Errorf("error %v, want that nothing loads", err)
	}
	put(t, folder, "m/2/model.onnx", "good")
	r, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	wantStates(t, r, "m/1 failed", "m/2 ready")
	if c := r.Counts(); c != (Counts{Ready: 1, Failed: 1}) {
		t.Errorf("counts %+v", c)
	}
}

func TestOpenFile(t *testing.T) {
	t.Parallel()
	folder := write(t, map[string][]byte{"iris.model.v3": artifact(t), "bad.onnx": []byte("x")})
	r, err := OpenFile(filepath.Join(folder, "iris.model.v3"), "")
	if err != nil {
		t.Fatal(err)
	}
	wantStates(t, r, "iris/1 ready")
	for path, want := range map[string]string{"none.onnx": "no such file", "bad.onnx": "bad.onnx: "} {
		if _, err := OpenFile(filepath.Join(folder, path), "m"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if _, err := OpenFile(filepath.Join(folder, "bad.onnx"), "a b"); err == nil || !strings.Contains(err.Error(), `model name "a b"`) {
		t.Errorf("error %v", err)
	}
}
