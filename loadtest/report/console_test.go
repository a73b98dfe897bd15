package report_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"rollproof/loadtest/goldentest"
	"rollproof/loadtest/report"
	"rollproof/loadtest/run"
	"rollproof/loadtest/timeline"
)

// progress is a run under way after so many seconds.
func progress(seconds int, lost uint64) run.Progress {
	n := uint64(seconds)
	return run.Progress{
		Lanes: []run.LaneProgress{
			{Name: "new", Count: run.Count{Requests: 200 * n, Lost: lost}},
			{Name: "reused", Count: run.Count{Requests: 199 * n}},
			{Name: "hot", Count: run.Count{Requests: 640 * n}},
			{Name: "step", Count: run.Count{Requests: 125 * n, Masked: lost}},
		},
		State: &timeline.State{
			Deployment: timeline.Deployment{Spec: 3, Ready: 2}, HPA: &timeline.HPA{Min: 2, Max: 6, Metric: "cpu 80%"},
			NewestPods: timeline.PodCount{All: 3, Ready: 2}, OtherPods: timeline.PodCount{All: 1, Ready: 1},
		},
	}
}

// told is what a console writes of a short run.
func told(terminal report.Terminal) []byte {
	var out bytes.Buffer
	clock := start
	cfg := run.DefaultUpgrade()
	c := report.NewConsole(&out, terminal, cfg, func() time.Time { return clock })
	c.Phase("preflight")
	c.Wait("connection refused")
	c.Wait("connection refused")
	c.Phase("steady")
	for i := range 7 {
		clock = clock.Add(time.Second)
		var lost uint64
		if i > 3 {
			lost = uint64(i)
		}
		c.Progress(progress(i+1, lost))
	}
	c.CommandLine("\x1b[2J\x1b[1;1Hupdating \x1b[32mall\x1b[0m\tof it\r")
	clock = clock.Add(time.Second)
	c.Phase("rollout")
	c.Progress(progress(8, 8))
	c.End()
	return out.Bytes()
}

func TestConsole(t *testing.T) {
	t.Parallel()
	wide := func(n int) func() int { return func() int { return n } }
	for name, terminal := range map[string]report.Terminal{
		"plain": {}, "live": {Width: wide(80), Color: true}, "colorless": {Width: wide(80)}, "narrow": {Width: wide(32)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			goldentest.Same(t, name+".console", told(terminal))
		})
	}
}

// screen is what a terminal of that width shows of a text: the few sequences that
// a console may use, and no other.
func screen(t *testing.T, text string, width int) []string {
	t.Helper()
	rows, y, x := [][]rune{{}}, 0, 0
	put := func(r rune) {
		if x == width {
			y, x = y+1, 0
			if y == len(rows) {
				rows = append(rows, nil)
			}
		}
		for len(rows[y]) <= x {
			rows[y] = append(rows[y], ' ')
		}
		rows[y][x] = r
		x++
	}
	for text != "" {
		r, n := utf8.DecodeRuneInString(text)
		if r != '\x1b' {
			text = text[n:]
			switch r {
			case '\r':
				x = 0
			case '\n':
				if y, x = y+1, 0; y == len(rows) {
					rows = append(rows, nil)
				}
			default:
				put(r)
			}
			continue
		}
		end := strings.IndexAny(text, "ABCDHJKmhl")
		if end < 0 {
			t.Fatalf("a sequence without an end: %q", text)
		}
		var up int
		switch sequence := text[:end+1]; {
		case strings.HasSuffix(sequence, "m"):
		case sequence == "\x1b[J":
			rows[y] = rows[y][:min(x, len(rows[y]))]
			rows = rows[:y+1]
		case strings.HasSuffix(sequence, "A"):
			if _, err := fmt.Sscanf(sequence, "\x1b[%dA", &up); err != nil || up > y {
				t.Fatalf("%q at line %d", sequence, y)
			}
			y -= up
		default:
			t.Fatalf("a console may not write %q", sequence)
		}
		text = text[end+1:]
	}
	var out []string
	for _, row := range rows {
		out = append(out, strings.TrimRight(string(row), " "))
	}
	return out
}

// On a terminal of any width nothing is left of the live lines at the end, and
// what was told once stands there whole.
func TestTheTerminalIsLeftAsItWas(t *testing.T) {
	t.Parallel()
	for _, width := range []int{20, 40, 80, 200} {
		shown := strings.Join(screen(t, string(told(report.Terminal{Width: func() int { return width }, Color: true})), width), "\n")
		for _, want := range []string{"preflight", "steady", "command| updating", "rollout"} {
			if !strings.Contains(shown, want) {
				t.Errorf("at %d columns it does not show %q:\n%s", width, want, shown)
			}
		}
		for _, never := range []string{"lanes", "requests", "─"} {
			if strings.Contains(shown, never) {
				t.Errorf("at %d columns %q is left:\n%s", width, never, shown)
			}
		}
	}
}

// A terminal that becomes narrower wraps what stands there: it is taken away all
// the same.
func TestATerminalThatBecomesNarrower(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	width, clock := 100, start
	c := report.NewConsole(&out, report.Terminal{Width: func() int { return width }}, run.DefaultUpgrade(), func() time.Time { return clock })
	c.Phase("steady")
	clock = clock.Add(time.Second)
	c.Progress(progress(1, 0))
	before := out.String()
	width = 40
	clock = clock.Add(time.Second)
	c.Progress(progress(2, 0))
	c.End()
	// The terminal has wrapped the old lines to its new width by itself.
	shown := screen(t, before+out.String()[len(before):], width)
	if text := strings.Join(shown, "\n"); strings.Contains(text, "lanes") || !strings.Contains(text, "steady") {
		t.Errorf("it is left as\n%s", text)
	}
}

func TestNoColor(t *testing.T) {
	t.Parallel()
	for _, terminal := range []report.Terminal{{}, {Width: func() int { return 80 }}} {
		if text := string(told(terminal)); strings.Contains(text, "\x1b[3") || strings.Contains(text, "\x1b[1m") {
			t.Errorf("without color it writes %q", text)
		}
	}
}
