package setup

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func testCache(t *testing.T) *Cache {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"locks", "tmp", "made"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return &Cache{Dir: dir}
}

func left(t *testing.T, c *Cache, folder string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(c.Dir, folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestMakeLeavesNothingHalfMade(t *testing.T) {
	t.Parallel()
	c := testCache(t)
	broken := errors.New("the compiler died")
	_, err := c.Make(t.Context(), "tool", "key", func(_ context.Context, dir string) error {
		if err := os.WriteFile(filepath.Join(dir, "half"), nil, 0o600); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Fatalf("error %v, want %v", err, broken)
	}
	if names := append(left(t, c, "made"), left(t, c, "tmp")...); len(names) > 0 {
		t.Errorf("left over: %v", names)
	}
	dir, err := c.Make(t.Context(), "tool", "key", func(_ context.Context, dir string) error {
		return os.WriteFile(filepath.Join(dir, "whole"), nil, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "whole")); err != nil {
		t.Error(err)
	}
}

func TestMakeOnceForAll(t *testing.T) {
	t.Parallel()
	c := testCache(t)
	var made atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := c.Make(t.Context(), "tool", "key", func(context.Context, string) error {
				made.Add(1)
				time.Sleep(10 * time.Millisecond)
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := made.Load(); n != 1 {
		t.Errorf("made %d times", n)
	}
}

func TestLockEndsWithItsContext(t *testing.T) {
	t.Parallel()
	c := testCache(t)
	unlock, err := c.Lock(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Lock(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the context's", err)
	}
}

func TestKeyTellsContentsNotTexts(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	key := func() string {
		t.Helper()
		k := (&Key{}).Text("a")
		if err := k.Files(root, "src"); err != nil {
			t.Fatal(err)
		}
		return k.String()
	}
	write("src/main.go", "package main")
	first := key()
	write("src/README.md", "a text")
	write("src/main_test.go", "package main")
	write("src/testdata/x", "x")
	if got := key(); got != first {
		t.Errorf("the key changed with a text or a test")
	}
	write("src/main.go", "package main // other")
	second := key()
	if second == first {
		t.Errorf("the key did not change with a source")
	}
	write("src/other.go", "package main")
	if got := key(); got == second {
		t.Errorf("the key did not change with a new source")
	}
}

func TestSweepKeepsWhatIsInUse(t *testing.T) {
	t.Parallel()
	c := testCache(t)
	for _, n := range []string{"old", "new"} {
		if err := os.Mkdir(filepath.Join(c.Dir, "tmp", n), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	past := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(filepath.Join(c.Dir, "tmp", "old"), past, past); err != nil {
		t.Fatal(err)
	}
	if err := c.Sweep(24 * time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := left(t, c, "tmp"); len(got) != 1 || filepath.Base(got[0]) != "new" {
		t.Errorf("left %v, want new", got)
	}
}
