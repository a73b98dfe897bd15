package run

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// CommandLog is the file under the run's folder that keeps the command's output.
const CommandLog = "command.log"

// lastLines is how many of the command's last lines a failure shows.
const lastLines = 15

// outputGrace bounds the wait for output that a child of the command still
// holds open after the command itself has ended.
const outputGrace = 2 * time.Second

// command is the upgrade under way. Make it with startCommand.
type command struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended; err and last are final then
	err  error

	mu   sync.Mutex
	last []string
}

// startCommand starts argv in a process group of its own, so that a Ctrl-C on
// the terminal reaches it only through us. Its output goes to dir/command.log
// and, line by line, to show. When ctx ends the group gets SIGINT and after
// grace SIGKILL; when hard ends, SIGKILL at once.
func startCommand(ctx, hard context.Context, argv []string, dir string, grace time.Duration, show func(string)) (*command, error) {
	log, err := os.Create(filepath.Join(dir, CommandLog))
	if err != nil {
		return nil, fmt.Errorf("command: %w", err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("command: %w", err), log.Close())
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = write, write
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("command %s: %w", argv[0], err), read.Close(), write.Close(), log.Close())
	}
	// Ours is closed at once: the reader must see the end when the command's is.
	closeErr := write.Close()
	c := &command{cmd: cmd, done: make(chan struct{})}
	copied := make(chan error, 1)
	go func() { copied <- errors.Join(c.copyOutput(read, log, show), log.Close(), closeErr) }()
	ended := make(chan struct{})
	go c.reap(ctx, hard, grace, ended)
	go func() {
		defer close(c.done)
		c.err = cmd.Wait()
		close(ended)
		var copyErr error
		select {
		case copyErr = <-copied:
		case <-time.After(outputGrace):
			copyErr = errors.Join(read.SetReadDeadline(time.Now()), <-copied)
		}
		if c.err == nil && copyErr != nil && !errors.Is(copyErr, os.ErrDeadlineExceeded) {
			c.err = fmt.Errorf("its output could not be kept: %w", copyErr)
		}
	}()
	return c, nil
}

// reap ends the command's group when it is to end before its time.
func (c *command) reap(ctx, hard context.Context, grace time.Duration, ended <-chan struct{}) {
	select {
	case <-ended:
		return
	case <-hard.Done():
	case <-ctx.Done():
		c.signal(syscall.SIGINT)
		select {
		case <-ended:
			return
		case <-hard.Done():
		case <-time.After(grace):
		}
	}
	c.signal(syscall.SIGKILL)
}

// signal sends to the whole group. An error means that it has ended, which is
// what a signal is for.
func (c *command) signal(sig syscall.Signal) {
	_ = syscall.Kill(-c.cmd.Process.Pid, sig)
}

func (c *command) copyOutput(read *os.File, log io.Writer, show func(string)) error {
	defer read.Close() //nolint:errcheck // read to its end already
	lines := bufio.NewReader(read)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			if _, werr := io.WriteString(log, line); werr != nil {
				return werr
			}
			trimmed := trimNewline(line)
			c.mu.Lock()
			c.last = append(c.last, trimmed)
			c.last = c.last[max(0, len(c.last)-lastLines):]
			c.mu.Unlock()
			show(trimmed)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func trimNewline(s string) string {
	for len(s) > 0 && (s[len(s)-1] == '\n' || s[len(s)-1] == '\r') {
		s = s[:len(s)-1]
	}
	return s
}

// tail returns the last lines of its output.
func (c *command) tail() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string{}, c.last...)
}
