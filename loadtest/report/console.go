package report

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"rollproof/loadtest/run"
)

// How often progress is shown.
const (
	liveEvery  = time.Second
	plainEvery = 5 * time.Second
)

// Terminal is what a Console may rely on of what it writes to. The zero value is
// no terminal.
type Terminal struct {
	// Width returns how many columns there are now; nil: it is no terminal, and
	// plain lines are written.
	Width func() int
	Color bool
}

// Console shows a run under way: on a terminal a few lines that are drawn anew in
// place, below what is told once, and otherwise a plain line now and then. It
// implements run.Console.
//
// What it does to a terminal can be left at any moment without harm: it moves up
// over its own lines and erases them, and changes no mode. Each drawing is one
// write, so that nothing flickers.
type Console struct {
	mu       sync.Mutex
	w        io.Writer
	terminal Terminal
	cfg      run.Config
	start    time.Time
	now      func() time.Time

	phase      string
	phaseSince time.Time
	waits      string
	progress   *run.Progress
	drawn      []string // the live lines on the screen
	shown      time.Time
	last       map[string]run.Count // at the last drawing, by lane; "" is all
	lastTime   time.Time
	rates      map[string]float64
}

// NewConsole returns a Console that writes to w of a run with these settings, which
// tell how long its phases take. Write errors are of no consequence: the report
// does not come from here.
func NewConsole(w io.Writer, terminal Terminal, cfg run.Config, now func() time.Time) *Console {
	return &Console{
		w: w, terminal: terminal, cfg: cfg, start: now(), lastTime: now(), phaseSince: now(), now: now,
		last: map[string]run.Count{}, rates: map[string]float64{},
	}
}

// Phase implements run.Console.
func (c *Console) Phase(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase, c.phaseSince, c.waits = name, c.now(), ""
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
	c.print("command| " + plainText(line))
}

// Progress implements run.Console.
func (c *Console) Progress(p run.Progress) {
	c.mu.Lock()
	defer c.mu.Unlock()
	every := plainEvery
	if c.live() {
		every = liveEvery
	}
	now := c.now()
	if now.Sub(c.shown) < every-every/10 {
		return
	}
	c.measure(p, now)
	c.shown, c.progress = now, &p
	if c.live() {
		c.draw("")
		return
	}
	c.print(c.plainLine(p))
}

// End takes the live lines away.
func (c *Console) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.progress = nil
	c.draw("")
}

func (c *Console) live() bool { return c.terminal.Width != nil }

// measure takes the rates since the last drawing.
func (c *Console) measure(p run.Progress, now time.Time) {
	d := now.Sub(c.lastTime).Seconds()
	count := func(name string, n run.Count) {
		if d > 0 {
			c.rates[name] = float64(n.Requests-c.last[name].Requests) / d
		}
		c.last[name] = n
	}
	count("", p.All())
	for _, l := range p.Lanes {
		count(l.Name, l.Count)
	}
	c.lastTime = now
}

// plainLine is the progress on one line.
func (c *Console) plainLine(p run.Progress) string {
	all := p.All()
	line := fmt.Sprintf("%6.1fs  %-9s %d requests, %.0f/s, lost %d, masked %d", c.elapsed(), c.phase, all.Requests, c.rates[""], all.Lost, all.Masked)
	if s := p.State; s != nil {
		line += fmt.Sprintf(" | pods ready: newest %d/%d, older %d/%d", s.NewestPods.Ready, s.NewestPods.All, s.OtherPods.Ready, s.OtherPods.All)
		if s.HPA != nil {
			line += fmt.Sprintf(" | replicas %d (%d-%d), %s", s.Deployment.Spec, s.HPA.Min, s.HPA.Max, s.HPA.Metric)
		}
	}
	if left := c.left(); left != "" {
		line += " | " + left
	}
	return line
}

// left says how long the phase still takes: exactly, or at most.
func (c *Console) left() string {
	var whole time.Duration
	exact := false
	switch c.phase {
	case "load":
		whole, exact = c.cfg.Duration.D(), true
	case "steady":
		whole, exact = c.cfg.Steady.D(), true
	case "tail":
		whole, exact = c.cfg.Tail.D(), true
	case "rollout":
		// The command's own time has no bound; from its end on it has.
		return ""
	case "scaling":
		whole = c.cfg.StepTimeout.D()
	case "settle":
		whole = c.cfg.SettleTimeout.D()
	case "preflight":
		whole = c.cfg.PreflightTimeout.D()
	}
	if whole <= 0 {
		return ""
	}
	left := max(whole-c.now().Sub(c.phaseSince), 0)
	if exact {
		return fmt.Sprintf("%.0fs left", left.Seconds())
	}
	return fmt.Sprintf("at most %.0fs left", left.Seconds())
}

// The styles, where there is color. They say nothing that words do not.
const (
	bold  = "\x1b[1m"
	red   = "\x1b[31m"
	green = "\x1b[32m"
	dim   = "\x1b[2m"
	plain = "\x1b[0m"
)

// span is a piece of a live line.
type span struct {
	style, text string
}

// block returns the live lines.
func (c *Console) block(width int) []string {
	p := c.progress
	if p == nil {
		return nil
	}
	all := p.All()
	head := []span{{bold, fmt.Sprintf("%6.1fs  %s", c.elapsed(), c.phase)}}
	if left := c.left(); left != "" {
		head = append(head, span{"", "  " + left})
	}
	counts := []span{{"", fmt.Sprintf("  requests %d, %.0f/s  ", all.Requests, c.rates[""])}}
	counts = append(counts, lossSpan(all))
	lines := [][]span{{{dim, strings.Repeat("─", min(width, 60))}}, head, counts}
	lines = append(lines, c.laneLines(p, width)...)
	if s := p.State; s != nil {
		pods := fmt.Sprintf("  pods     new %d of %d ready", s.NewestPods.Ready, s.NewestPods.All)
		if s.OtherPods.All > 0 {
			pods += fmt.Sprintf(", old %d of %d ready", s.OtherPods.Ready, s.OtherPods.All)
		}
		lines = append(lines, []span{{"", pods}})
		replicas := fmt.Sprintf("  replicas %d asked for, %d ready", s.Deployment.Spec, s.Deployment.Ready)
		if s.HPA != nil {
			replicas += fmt.Sprintf(", %d to %d allowed, %s", s.HPA.Min, s.HPA.Max, s.HPA.Metric)
		}
		lines = append(lines, []span{{"", replicas}})
	}
	out := make([]string, 0, len(lines))
	for _, l := range lines {
		out = append(out, c.render(l, width))
	}
	return out
}

func lossSpan(n run.Count) span {
	text := fmt.Sprintf("lost %d, masked %d", n.Lost, n.Masked)
	if n.Lost+n.Masked > 0 {
		return span{red, text}
	}
	return span{green, text}
}

// laneLines puts as many lanes on a line as there is room for.
func (c *Console) laneLines(p *run.Progress, width int) [][]span {
	var out [][]span
	var line []span
	used := 0
	for _, l := range p.Lanes {
		text := fmt.Sprintf("%s %.0f/s", l.Name, c.rates[l.Name])
		style := ""
		if l.Lost > 0 {
			text += fmt.Sprintf(" lost %d", l.Lost)
			style = red
		}
		if need := utf8.RuneCountInString(text) + 3; line == nil || used+need > width {
			if line != nil {
				out = append(out, line)
			}
			name := "  lanes    "
			if out != nil {
				name = "           "
			}
			line, used = []span{{"", name}}, len(name)
		} else {
			line = append(line, span{"", " · "})
		}
		line = append(line, span{style, text})
		used += utf8.RuneCountInString(text) + 3
	}
	if line != nil {
		out = append(out, line)
	}
	return out
}

// render writes the spans of a line, cut off at the terminal's width: a line that
// wraps could not be drawn over.
func (c *Console) render(line []span, width int) string {
	var b strings.Builder
	left := width
	for _, s := range line {
		text := []rune(oneLine(s.text))
		text = text[:min(len(text), left)]
		left -= len(text)
		if s.style != "" && c.terminal.Color && len(text) > 0 {
			b.WriteString(s.style + string(text) + plain)
		} else {
			b.WriteString(string(text))
		}
	}
	return b.String()
}

// print writes a line of its own, above the live ones; c.mu is held.
func (c *Console) print(line string) {
	if !c.live() {
		c.write(line + "\n")
		return
	}
	c.draw(line + "\n")
}

// draw erases the live lines, writes what is to stay above them, and draws them
// anew, in one write; c.mu is held.
func (c *Console) draw(above string) {
	if !c.live() {
		return
	}
	width := c.terminal.Width() - 1 // in the last column a terminal may wrap
	if width < 10 {
		width = 10
	}
	var b strings.Builder
	if n := rows(c.drawn, width+1); n > 0 {
		fmt.Fprintf(&b, "\r\x1b[%dA\x1b[J", n)
	}
	b.WriteString(above)
	c.drawn = c.block(width)
	for _, line := range c.drawn {
		b.WriteString(line + "\n")
	}
	if b.Len() > 0 {
		c.write(b.String())
	}
}

// rows returns how many rows lines take on a terminal that may have become narrower
// since they were drawn.
func rows(lines []string, width int) int {
	n := 0
	for _, l := range lines {
		n += 1 + max(visible(l)-1, 0)/width
	}
	return n
}

// visible counts the columns of a line without its styles.
func visible(line string) int {
	n, escape := 0, false
	for _, r := range line {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		default:
			n++
		}
	}
	return n
}

func (c *Console) write(s string) {
	_, _ = io.WriteString(c.w, s) // see NewConsole
}

func (c *Console) elapsed() float64 { return c.now().Sub(c.start).Seconds() }

// plainText drops from a command's line what would move the cursor or color what
// follows: its output stands above lines that are drawn in place. The command's log
// has it as it was.
func plainText(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\x1b' {
			end := i + 1
			if end < len(s) && s[end] == '[' {
				end++
				for end < len(s) && (s[end] < '@' || s[end] > '~') {
					end++
				}
			}
			i = end
			continue
		}
		if s[i] >= ' ' && s[i] != 0x7f || s[i] == '\t' {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
