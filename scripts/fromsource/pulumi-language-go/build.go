package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

var errNoGo = errors.New("there is no go on the PATH: install Go, then try again")

// builds is a folder with the last build of every package that was run. `go
// build` looks at what is there and links anew only when something changed,
// which saves seconds of every preview.
type builds struct{ dir string }

// compileError is what the compiler said.
type compileError struct {
	dir, output string
	err         error
}

func (e *compileError) Error() string {
	return fmt.Sprintf("the program in %s does not build: %v\n%s", e.dir, e.err, e.output)
}

func (e *compileError) Unwrap() error { return e.err }

// executable builds the package in dir and returns a copy of the result that
// belongs to the caller alone; done removes it.
func (b builds) executable(ctx context.Context, dir string, env []string) (path string, done func(), err error) {
	if _, err := exec.LookPath("go"); err != nil {
		return "", nil, errNoGo
	}
	sum := sha256.Sum256([]byte(dir))
	own := filepath.Join(b.dir, hex.EncodeToString(sum[:])[:16])
	if err := os.MkdirAll(own, 0o700); err != nil {
		return "", nil, fmt.Errorf("build %s: %w", dir, err)
	}
	unlock, err := lock(ctx, filepath.Join(own, "lock"))
	if err != nil {
		return "", nil, fmt.Errorf("build %s: %w", dir, err)
	}
	defer unlock()
	kept := filepath.Join(own, "program")
	var output bytes.Buffer
	// -trimpath and no cgo, as the tools are built: what a program shares with them
	// is in Go's cache already, above all the minutes of Pulumi's Kubernetes SDK.
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", kept, ".")
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, withoutCgo(env), &output, &output
	if err := runGroup(cmd, stopGrace); err != nil {
		if ctx.Err() != nil {
			return "", nil, fmt.Errorf("build %s: %w", dir, context.Cause(ctx))
		}
		return "", nil, &compileError{dir, output.String(), err}
	}
	private, err := os.MkdirTemp("", "pulumi-go-")
	if err != nil {
		return "", nil, fmt.Errorf("build %s: %w", dir, err)
	}
	done = func() { _ = os.RemoveAll(private) } // a stray temporary file is no reason to fail
	path = filepath.Join(private, filepath.Base(dir))
	if err := linkOrCopy(kept, path); err != nil {
		done()
		return "", nil, fmt.Errorf("build %s: %w", dir, err)
	}
	return path, done, nil
}

// withoutCgo is env with cgo off, unless env says something of it itself. Like a
// command's, an env of nil is the process's own.
func withoutCgo(env []string) []string {
	if env == nil {
		env = os.Environ()
	}
	for _, e := range env {
		if strings.HasPrefix(e, "CGO_ENABLED=") {
			return env
		}
	}
	return append(env[:len(env):len(env)], "CGO_ENABLED=0")
}

// lock waits until no other process builds the same package.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil // closing gives the lock up
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(err, f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), f.Close())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// linkOrCopy gives a file a second name; go build replaces its output, it
// does not write into it, so the second name keeps what it had.
func linkOrCopy(from, to string) (err error) {
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
