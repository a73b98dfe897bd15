package setup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"
)

// Cache is the folder outside the checkout that holds what was downloaded or
// built: one folder an artifact, named by what it was made from. An artifact
// is made beside its place and renamed into it, so that it is either whole or
// not there, and a lock a name keeps two checkouts from making it twice.
type Cache struct {
	Dir string
}

// OpenCache makes the cache's folder: $ROLLPROOF_CACHE, or rollproof in the
// user's cache folder.
func OpenCache() (*Cache, error) {
	dir := os.Getenv("ROLLPROOF_CACHE")
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("no place for the cache: %w: set ROLLPROOF_CACHE to a folder that you may write to", err)
		}
		dir = filepath.Join(user, "rollproof")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("cache folder %s: %w", dir, err)
	}
	for _, d := range []string{"locks", "tmp", "made"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, fmt.Errorf("cache folder: %w: set ROLLPROOF_CACHE to a folder that you may write to", err)
		}
	}
	return &Cache{Dir: dir}, nil
}

// Has says whether an artifact is there, and where it is or would be.
func (c *Cache) Has(name, key string) (string, bool) {
	dir := filepath.Join(c.Dir, "made", name+"-"+key)
	_, err := os.Stat(dir)
	return dir, err == nil
}

// Make returns the folder of an artifact, and calls into to fill a new one if
// it is not there.
func (c *Cache) Make(ctx context.Context, name, key string, into func(ctx context.Context, dir string) error) (string, error) {
	dir, ok := c.Has(name, key)
	if ok {
		return dir, nil
	}
	unlock, err := c.Lock(ctx, name)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, ok := c.Has(name, key); ok { // made while we waited
		return dir, nil
	}
	tmp, err := os.MkdirTemp(filepath.Join(c.Dir, "tmp"), name+"-")
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	defer func() { _ = os.RemoveAll(tmp) }() // gone already after the rename
	if err := os.Chmod(tmp, 0o755); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	if err := into(ctx, tmp); err != nil {
		if errors.Is(err, syscall.ENOSPC) {
			err = fmt.Errorf("the disk of %s is full: %w", c.Dir, err)
		}
		return "", err
	}
	if err := os.Rename(tmp, dir); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return dir, nil
}

// Lock waits until no other process holds the lock of that name.
func (c *Cache) Lock(ctx context.Context, name string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(c.Dir, "locks", name), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock of %s: %w", name, err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil // closing gives the lock up
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock of %s: %w", name, err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("waiting for another process that makes %s: %w", name, context.Cause(ctx)), f.Close())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Sweep removes what interrupted runs left in the cache's temporary folder.
func (c *Cache) Sweep(olderThan time.Duration) error {
	tmp := filepath.Join(c.Dir, "tmp")
	entries, err := os.ReadDir(tmp)
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	var errs []error
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < olderThan {
			continue // gone meanwhile, or perhaps in use
		}
		errs = append(errs, os.RemoveAll(filepath.Join(tmp, e.Name())))
	}
	return errors.Join(errs...)
}

// Key hashes texts and the contents of files and folders into a short name.
type Key struct{ sum []byte }

// Text adds texts.
func (k *Key) Text(texts ...string) *Key {
	h := sha256.New()
	h.Write(k.sum)
	for _, t := range texts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(t), t) // a hash's Write returns no error
	}
	k.sum = h.Sum(nil)
	return k
}

// Files adds the names and contents of files; a folder stands for every file
// in it, without tests and texts, which nothing is built from. Permissions and
// times do not count: they differ from clone to clone.
func (k *Key) Files(root string, paths ...string) error {
	var files []string
	for _, p := range paths {
		err := filepath.WalkDir(filepath.Join(root, p), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && d.Name() == "testdata":
				return filepath.SkipDir
			case d.Type().IsRegular() && !strings.HasSuffix(path, "_test.go") && !strings.HasSuffix(path, ".md"):
				files = append(files, path)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("key: %w", err)
		}
	}
	sort.Strings(files)
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			return fmt.Errorf("key: %w", err)
		}
		rel, err := filepath.Rel(root, f)
		if err != nil {
			return fmt.Errorf("key: %w", err)
		}
		k.Text(rel, string(content))
	}
	return nil
}

// String is the key's first 12 hexadecimal digits.
func (k *Key) String() string {
	return hex.EncodeToString(k.sum)[:12]
}

// copyTree copies folders and regular files.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		dest := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(dest, 0o755)
		case d.Type().IsRegular():
			return copyFile(path, dest)
		default:
			return fmt.Errorf("%s is neither a file nor a folder", path)
		}
	})
}

// copyFile copies a file; an executable one stays executable.
func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644|info.Mode().Perm()&0o111)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}
