package report

import (
	"fmt"
	"io"
	"sync"
	"time"

	"rollproof/loadtest/run"
)

// How often a progress line is shown.
const (
	liveEvery  = time.Second
	plainEvery = 5 * time.Second
)

// Console shows a run under way: on a terminal one line that is rewritten, and
// otherwise a plain line now and then. It implements run.Console.
type Console struct {
	mu    sync.Mutex
	w     io.Writer
	live  bool // w is a terminal
	start time.Time
	now   func() time.Time

	phase    string
	line     string // what the live line shows; empty when none is
	shown    time.Time
	waits    string
	last     uint64 // requests at the last progress line
	lastTime time.Time
}

// NewConsole returns a Console that writes to w. Write errors are of no
// consequence: the report does not come from here.
func NewConsole(w io.Writer, terminal bool, now func() time.Time) *Console {
	return &Console{w: w, live: terminal, start: now(), lastTime: now(), now: now}
}

// Phase implements run.Console.
func (c *Console) Phase(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase = name
	c.print(fmt.Sprintf("%6.1fs  %s", c.elapsed(), name))
}

// Wait implements run.Console.
func (c *Console) Wait(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if why != c.waits {
		c.waits = why
		c.print("         waiting: " + oneLine(why))
	}
}

// CommandLine implements run.Console.
func (c *Console) CommandLine(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.print("command| " + line)
}

// Progress implements run.Console.
func (c *Console) Progress(p run.Progress) {
	c.mu.Lock()
	defer c.mu.Unlock()
	every := plainEvery
	if c.live {
		every = liveEvery
	}
	now := c.now()
	if now.Sub(c.shown) < every-every/10 {
		return
	}
	rate := 0.0
	if d := now.Sub(c.lastTime).Seconds(); d > 0 {
		rate = float64(p.Requests-c.last) / d
	}
	c.shown, c.last, c.lastTime = now, p.Requests, now
	line := fmt.Sprintf("%6.1fs  %-9s %d requests, %.0f/s, lost %d, masked %d", c.elapsed(), c.phase, p.Requests, rate, p.Lost, p.Masked)
	if s := p.State; s != nil {
		line += fmt.Sprintf(" | pods ready: newest %d/%d, older %d/%d", s.NewestPods.Ready, s.NewestPods.All, s.OtherPods.Ready, s.OtherPods.All)
		if s.HPA != nil {
			line += fmt.Sprintf(" | replicas %d (%d-%d), %s", s.Deployment.Spec, s.HPA.Min, s.HPA.Max, s.HPA.Metric)
		}
	}
	if !c.live {
		c.print(line)
		return
	}
	c.line = line
	c.write("\r\x1b[K" + line)
}

// End takes the live line away.
func (c *Console) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.line != "" {
		c.write("\r\x1b[K")
		c.line = ""
	}
}

// print writes a line of its own, above the live one; c.mu is held.
func (c *Console) print(line string) {
	if c.line == "" {
		c.write(line + "\n")
		return
	}
	c.write("\r\x1b[K" + line + "\n" + c.line)
}

func (c *Console) write(s string) {
	_, _ = io.WriteString(c.w, s) // see NewConsole
}

func (c *Console) elapsed() float64 { return c.now().Sub(c.start).Seconds() }
