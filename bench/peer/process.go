// Package peer runs what is measured: servers, ours and others', each on a core, as
// processes that are ended by their ids. It sends no load.
package peer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Command is a program to run.
type Command struct {
	// Name for errors and for the log.
	Name string
	// Wrap is a command line that takes another behind it and becomes it, for example
	// scripts/python.sh bookworm. It may be empty.
	Wrap []string
	// Args are the program and its arguments.
	Args []string
	// Env is added to this process's environment.
	Env []string
	// Dir to run in; empty for this process's.
	Dir string
	// Core to run on.
	Core int
	// Log is the file that its output is added to.
	Log string
}

// Process is a program that runs.
type Process struct {
	name   string
	log    string
	cmd    *exec.Cmd
	begun  time.Time
	stdin  io.WriteCloser
	stdout *bufio.Reader
	copied chan struct{}
	ended  chan struct{}
	failed error // of the end, set before ended is closed
}

// stamp prints the time and becomes the program: what a Wrap takes to begin is not the
// program's.
const stamp = `date +%s%N && exec "$@"`

// stampTimeout is longer than making the environment of a Wrap may take.
const stampTimeout = time.Minute

// Start runs a server, whose output goes to its log. The end of ctx ends it.
func Start(ctx context.Context, c Command) (*Process, error) {
	return start(ctx, c, false)
}

// Converse runs a program whose standard input and output Ask uses.
func Converse(ctx context.Context, c Command) (*Process, error) {
	return start(ctx, c, true)
}

func start(ctx context.Context, c Command, converse bool) (p *Process, err error) {
	log, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("the log of %s: %w", c.Name, err)
	}
	args := append([]string{"-c", strconv.Itoa(c.Core)}, c.Wrap...)
	args = append(append(args, "sh", "-c", stamp, "sh"), c.Args...)
	p = &Process{name: c.Name, log: c.Log, copied: make(chan struct{}), ended: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, "taskset", args...)
	p.cmd.Env, p.cmd.Dir, p.cmd.Stderr = append(os.Environ(), c.Env...), c.Dir, log
	// A Ctrl-C is for this program, which then ends the others in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = stopGrace
	// A pipe of our own: exec's is closed by Wait, with what is still in it.
	read, write, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	p.cmd.Stdout = write
	if converse {
		if p.stdin, err = p.cmd.StdinPipe(); err != nil {
			return nil, errors.Join(err, log.Close(), read.Close(), write.Close())
		}
	}
	err = errors.Join(p.cmd.Start(), write.Close())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, errors.Join(err, log.Close(), read.Close()))
	}
	go func() {
		p.failed = p.cmd.Wait()
		close(p.ended)
	}()
	p.stdout = bufio.NewReader(read)
	line, err := p.line(ctx, stampTimeout)
	if err == nil {
		var nanoseconds int64
		if nanoseconds, err = strconv.ParseInt(line, 10, 64); err != nil {
			err = fmt.Errorf("the time of its start: %w", err)
		}
		p.begun = time.Unix(0, nanoseconds)
	}
	if err != nil {
		return nil, errors.Join(p.explain(err), p.Stop(), log.Close(), read.Close())
	}
	go func() {
		defer close(p.copied)
		if !converse {
			_, _ = io.Copy(log, p.stdout) // a log that is not whole costs no measurement
		}
		<-p.ended
		_, _ = log.Close(), read.Close() // both have been used
	}()
	return p, nil
}

// line reads one line of the program's output.
func (p *Process) line(ctx context.Context, timeout time.Duration) (string, error) {
	type read struct {
		line string
		err  error
	}
	done := make(chan read, 1)
	go func() {
		line, err := p.stdout.ReadString('\n')
		done <- read{strings.TrimSuffix(line, "\n"), err}
	}()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.line, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	case <-timer.C:
		return "", fmt.Errorf("it says nothing for %s: %w", timeout, context.DeadlineExceeded)
	}
}

// Begun is when the program began, without what made its environment.
func (p *Process) Begun() time.Time { return p.begun }

// Ask writes a line to a program that Converse started and returns the line that it
// answers. After an error the program can be asked no more.
func (p *Process) Ask(ctx context.Context, question string, timeout time.Duration) (string, error) {
	if _, err := io.WriteString(p.stdin, question+"\n"); err != nil {
		return "", p.explain(fmt.Errorf("asked %q: %w", question, err))
	}
	answer, err := p.line(ctx, timeout)
	if err != nil {
		return "", p.explain(fmt.Errorf("asked %q: %w", question, err))
	}
	return answer, nil
}

// readyPoll is how long to wait before a server that refuses is asked again. It adds
// half of that to a start, on average.
const readyPoll = 500 * time.Microsecond

// Ready asks the URL with the body until it is answered with a 200, and returns how
// long after its begin that was.
func (p *Process) Ready(ctx context.Context, url string, body []byte, timeout time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var last error
	for {
		err := ask(ctx, client, url, body)
		if err == nil {
			return time.Since(p.begun), nil
		}
		if last == nil || ctx.Err() == nil { // the end of the time says nothing of why
			last = err
		}
		select {
		case <-p.ended:
			return 0, p.explain(errors.New("it ended before it was ready"))
		case <-ctx.Done():
			return 0, p.explain(fmt.Errorf("not ready after %s: %w: %w", timeout, last, ctx.Err()))
		case <-time.After(readyPoll):
		}
	}
}

// ask sends one request, which only a 200 answers.
func ask(ctx context.Context, client *http.Client, url string, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // its text is not needed
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", answer.Status)
	}
	return nil
}

// Signal sends a signal to the program.
func (p *Process) Signal(s os.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("%s to %s: %w", s, p.name, err)
	}
	return nil
}

// stopGrace is how long a program may take to end before it is killed.
const stopGrace = 5 * time.Second

// Stop ends the program: by its id, and by force if it does not end in time.
func (p *Process) Stop() error {
	if p.stdin != nil {
		_ = p.stdin.Close() // ends a program that converses
	}
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Kill} {
		if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("end %s: %w", p.name, err)
		}
		select {
		case <-p.ended:
			return nil
		case <-time.After(stopGrace):
		}
	}
	return fmt.Errorf("%s (process %d) does not end", p.name, p.cmd.Process.Pid)
}

// tail is how much of a log an error shows.
const tail = 600

// explain names the program in an error and adds the end of its log.
func (p *Process) explain(err error) error {
	text, readErr := os.ReadFile(p.log)
	if readErr != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	if len(text) > tail {
		text = text[len(text)-tail:]
	}
	return fmt.Errorf("%s: %w; the end of %s:\n%s", p.name, err, p.log, bytes.TrimSpace(text))
}

// FreeAddress returns an address on the loopback that nothing listens on now.
func FreeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}
