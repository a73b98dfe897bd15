package kindprovider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Owners is a folder of records, one a cluster name, that say who made the
// cluster of that name. A record is written before a cluster's creation
// begins, so that what an interrupted creation left is known as ours.
type Owners struct{ Dir string }

// Record says who makes, or made, a cluster.
type Record struct {
	// Owner is the program's own name for itself and its folder.
	Owner string `json:"owner"`
	// Begun is when the creation began.
	Begun time.Time `json:"begun"`
	// Instance is the container of the control plane once the cluster is
	// complete; "" while it is being made.
	Instance string `json:"instance,omitempty"`
}

// UserOwners is the folder of the user who runs this.
func UserOwners() (Owners, error) {
	state := os.Getenv("XDG_STATE_HOME")
	if state == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return Owners{}, fmt.Errorf("folder for the records of clusters: %w", err)
		}
		state = filepath.Join(home, ".local", "state")
	}
	return Owners{Dir: filepath.Join(state, "rollproof", "kind")}, nil
}

func (o Owners) path(name, ext string) string {
	return filepath.Join(o.Dir, name+ext)
}

// Get is the record of a cluster's name; ok is false when there is none.
func (o Owners) Get(name string) (r Record, ok bool, err error) {
	raw, err := os.ReadFile(o.path(name, ".json"))
	if errors.Is(err, os.ErrNotExist) {
		return Record{}, false, nil
	}
	if err != nil {
		return Record{}, false, fmt.Errorf("record of cluster %q: %w", name, err)
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return Record{}, false, fmt.Errorf("record of cluster %q: %s: %w", name, o.path(name, ".json"), err)
	}
	return r, true, nil
}

// Names are the clusters that there are records of.
func (o Owners) Names() ([]string, error) {
	paths, err := filepath.Glob(o.path("*", ".json"))
	if err != nil {
		return nil, fmt.Errorf("records of clusters: %w", err)
	}
	for i, p := range paths {
		paths[i] = strings.TrimSuffix(filepath.Base(p), ".json")
	}
	return paths, nil
}

// Put writes the record of a cluster's name, whole or not at all.
func (o Owners) Put(name string, r Record) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("record of cluster %q: %w", name, err)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("record of cluster %q: %w", name, err)
	}
	tmp, err := os.CreateTemp(o.Dir, name+".*.tmp")
	if err != nil {
		return fmt.Errorf("record of cluster %q: %w", name, err)
	}
	_, err = tmp.Write(raw)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), o.path(name, ".json"))
	}
	if err != nil {
		return fmt.Errorf("record of cluster %q: %w", name, errors.Join(err, os.Remove(tmp.Name())))
	}
	return nil
}

// Drop forgets the record of a cluster's name.
func (o Owners) Drop(name string) error {
	if err := os.Remove(o.path(name, ".json")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("record of cluster %q: %w", name, err)
	}
	return nil
}

// Lock keeps other processes from making or deleting the cluster of a name.
// The lock ends with the process, however that ends.
func (o Owners) Lock(ctx context.Context, name string, poll time.Duration) (unlock func(), err error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("lock of cluster %q: %w", name, err)
	}
	f, err := os.OpenFile(o.path(name, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock of cluster %q: %w", name, err)
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil // closing gives the lock up
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock of cluster %q: %w", name, errors.Join(err, f.Close()))
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("cluster %q is being made or deleted by another process: %w", name, errors.Join(context.Cause(ctx), f.Close()))
		case <-time.After(poll):
		}
	}
}
