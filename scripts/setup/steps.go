package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Steps prints what is under way: a line when a long step begins, with the
// time that it took where it was measured, a line now and then while it
// lasts, and a line when it ends. What a step's commands print goes to a file
// of its own; its end is shown when the step fails.
type Steps struct {
	Out  io.Writer
	Logs string        // the folder that the steps' output goes to
	Tick time.Duration // how often a long step says that it is alive
}

// Say prints a line.
func (s *Steps) Say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.Out, format+"\n", args...) // a progress line that cannot be printed is no reason to stop
}

var notSlug = regexp.MustCompile(`[^a-z0-9.]+`)

// Do runs a step. expect is how long it took where it was measured (2 cores,
// nothing cached), or zero for a step that is short.
func (s *Steps) Do(ctx context.Context, what string, expect time.Duration, step func(ctx context.Context, log io.Writer) error) error {
	if err := os.MkdirAll(s.Logs, 0o755); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	logPath := filepath.Join(s.Logs, strings.Trim(notSlug.ReplaceAllString(strings.ToLower(what), "-"), "-")+".log")
	f, err := os.Create(logPath)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	tail := &tailWriter{max: 4 << 10}
	log := io.MultiWriter(f, tail)

	about := ""
	if expect > 0 {
		about = fmt.Sprintf(" (about %s on 2 cores)", expect)
	}
	s.Say("==> %s%s", what, about)
	start := time.Now()
	done := make(chan struct{})
	var ticking sync.WaitGroup
	ticking.Add(1)
	go func() {
		defer ticking.Done()
		t := time.NewTicker(s.Tick)
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.C:
				s.Say("    %s: %s so far%s", what, time.Since(start).Round(time.Second), about)
			}
		}
	}()
	err = step(ctx, log)
	close(done)
	ticking.Wait()
	err = errors.Join(err, f.Close())
	if ctx.Err() != nil {
		return fmt.Errorf("%s: stopped after %s; nothing half-made is kept: %w", what, time.Since(start).Round(time.Second), context.Cause(ctx))
	}
	if err != nil {
		if text := strings.TrimSpace(tail.String()); text != "" {
			s.Say("    the last lines of %s:\n%s", logPath, indent(lastLines(text, 20), "    | "))
		}
		return fmt.Errorf("%s: %w (whole output: %s)", what, err, logPath)
	}
	s.Say("    done: %s, in %s", what, time.Since(start).Round(100*time.Millisecond))
	return nil
}

// Command is a program to run: its output goes to Log, it is asked to end
// when its context ends, and ended if it has not a few seconds later.
type Command struct {
	Dir   string
	Env   []string // added to the process's own
	Stdin io.Reader
	Log   io.Writer
}

// Run runs a program to its end.
func (c Command) Run(ctx context.Context, name string, args ...string) error {
	cmd := c.command(ctx, name, args)
	cmd.Stdout, cmd.Stderr = c.Log, c.Log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", shown(name, args), err)
	}
	return nil
}

// Output runs a program to its end and returns what it wrote to standard
// output; what it wrote to standard error is part of the error.
func (c Command) Output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := c.command(ctx, name, args)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w: %s", shown(name, args), err, lastLines(strings.TrimSpace(stderr.String()), 5))
	}
	return string(out), nil
}

func (c Command) command(ctx context.Context, name string, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdin = c.Dir, c.Stdin
	cmd.Env = append(os.Environ(), c.Env...)
	// A group of its own, so that what the program started ends with it: a
	// `go build` that is stopped must not leave its compilers running.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

func shown(name string, args []string) string {
	if len(args) > 3 {
		args = append(args[:3:3], "...")
	}
	return strings.Join(append([]string{filepath.Base(name)}, args...), " ")
}

func lastLines(s string, n int) string {
	lines := strings.Split(s, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func indent(s, by string) string {
	return by + strings.ReplaceAll(s, "\n", "\n"+by)
}

// tailWriter keeps the last max bytes that are written to it.
type tailWriter struct {
	mu  sync.Mutex
	buf []byte
	max int
}

func (t *tailWriter) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - t.max; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tailWriter) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}
