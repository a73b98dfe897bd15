package repository

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"rollproof/model"
	"rollproof/model/format"
)

// MaxBytes is the largest model file that is read: 256 MiB.
const MaxBytes = format.MaxBytes

// Options say what a repository holds and how it follows its folder.
type Options struct {
	// Folder of the models: NAME/VERSION/FILE.
	Folder string
	// Poll is how often the folder is looked at; 0 or less: never after the start. What
	// changes is taken up when two looks in a row see the same, so a file that is still
	// being written is left alone, and a change takes one to two polls to begin.
	Poll time.Duration
	// Keep is how many versions of each model are served, the highest that are ready;
	// 0: all.
	Keep int
	// Tolerant lets Open succeed if only some of the models load. Without it anything
	// that does not load is an error: a pod of a bad image must not become ready.
	Tolerant bool
	// Read makes a model of a file's bytes, which it may keep; nil: what this server
	// reads.
	Read func(data []byte) (*model.Artifact, error)
	// OnLoad is told of every attempt to load, one after the other; nil: nobody is.
	OnLoad func(Attempt)
	// Log; nil: none.
	Log *slog.Logger
}

// Attempt is one file that was read to be served, or was refused.
type Attempt struct {
	Name, Version string
	// Took is the time to read the file and to compile the model.
	Took time.Duration
	// Err is why it is not served; nil if it is.
	Err error
}

func (o Options) withDefaults() Options {
	if o.Read == nil {
		o.Read = format.Read
	}
	if o.OnLoad == nil {
		o.OnLoad = func(Attempt) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Load reads every model in the folder, once. Anything in it that is not a readable
// model is an error that names the file and what is wrong: a server that starts without
// a model somebody put there would answer 404 for it later.
func Load(folder string) (*Repository, error) {
	return Open(context.Background(), Options{Folder: folder})
}

// Open loads what is in the folder and, if Options.Poll says so, follows its changes
// until ctx ends or Close is called. What was loaded stays acquirable after that.
func Open(ctx context.Context, o Options) (*Repository, error) {
	r := newRepository(o)
	if err := r.start(ctx); err != nil {
		return nil, err
	}
	if o.Poll <= 0 {
		close(r.done)
		return r, nil
	}
	ctx, r.stop = context.WithCancel(ctx)
	go r.watch(ctx)
	return r, nil
}

// OpenFile loads one file as version 1 of a model, once. Without a name the model is
// called as the file is, up to its first dot.
func OpenFile(path, name string) (*Repository, error) {
	if name == "" {
		name, _, _ = strings.Cut(filepath.Base(path), ".")
	}
	if !namePattern.MatchString(name) {
		return nil, fmt.Errorf("%s: model name %q: want letters, digits, '.', '_' or '-', at most 63", path, name)
	}
	r := newRepository(Options{})
	close(r.done)
	s := lookAtFile(path)
	if s.err != nil {
		return nil, s.err
	}
	data, err := readFile(path, s.info)
	if err != nil {
		return nil, err
	}
	artifact, err := r.compile(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r.publish(newEntry(model.Model{Name: name, Version: "1", Artifact: *artifact}, r.unloaded), nil)
	return r, nil
}

// Close ends the watch and waits until it has ended: a file that is being read is read
// to its end first, unless ctx ends. What is loaded stays.
func (r *Repository) Close(ctx context.Context) error {
	r.stop()
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("a model is still being loaded: %w", context.Cause(ctx))
	}
}

// Trouble is why the folder cannot be followed now; nil if it can.
func (r *Repository) Trouble() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.trouble
}

// start loads everything that is there, without waiting for files to be still: a
// server that is told to serve a folder needs it now.
func (r *Repository) start(ctx context.Context) error {
	seen, err := look(r.options.Folder)
	if err != nil {
		return err
	}
	var failed []error
	err = r.round(ctx, seen, true, func(err error) error {
		failed = append(failed, err)
		if r.options.Tolerant {
			return nil
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case len(r.served.Load().families) == 0 && len(failed) > 0:
		return fmt.Errorf("models folder %s: no model loads: %w", r.options.Folder, errors.Join(failed...))
	case len(r.served.Load().families) == 0:
		return fmt.Errorf("models folder %s %w", r.options.Folder, errEmpty)
	}
	return nil
}
