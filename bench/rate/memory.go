package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the kernel's unit of processor time in /proc.
const ticksPerSecond = 100

// processor returns the processor time that a process has used; 0 if it is gone.
func processor(pid int) time.Duration {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// After the name in brackets, which may hold spaces: state is the first word,
	// utime and stime the 12th and the 13th.
	_, rest, ok := strings.Cut(string(data), ") ")
	words := strings.Fields(rest)
	if !ok || len(words) < 13 {
		return 0
	}
	var ticks int64
	for _, word := range words[11:13] {
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond
}

// resident returns the memory of a process in bytes; 0 if it is gone.
func resident(pid int) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	words := strings.Fields(string(data))
	if len(words) < 2 {
		return 0
	}
	pages, err := strconv.ParseFloat(words[1], 64)
	if err != nil {
		return 0
	}
	return pages * float64(os.Getpagesize())
}

// collection is what Go's trace says of one: when, in seconds, and the heap in use after
// it, in MiB.
var collection = regexp.MustCompile(`(?m)^gc \d+ @([\d.]+)s .* \d+->\d+->(\d+) MB,`)

// collections are those between two moments, when in hours and how much in MiB.
func collections(trace string, from, to float64) (at, live []float64) {
	for _, m := range collection.FindAllStringSubmatch(trace, -1) {
		when, errWhen := strconv.ParseFloat(m[1], 64)
		left, errLeft := strconv.ParseFloat(m[2], 64)
		if errWhen == nil && errLeft == nil && when >= from && when <= to {
			at, live = append(at, when/time.Hour.Seconds()), append(live, left)
		}
	}
	return at, live
}

// watch runs the harness for a long time at one rate and reports its memory: what it
// came to while it settled, and its slope from then on.
func (b *bench) watch(ctx context.Context, report func(string, ...any)) error {
	b.tries++
	dir := filepath.Join(b.out, fmt.Sprintf("try-%d", b.tries))
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	whole := b.settle + b.memory
	args := append([]string{"load", "--url", b.url, "--cases", b.cases, "--hot-connections", "0", "--out", dir,
		"--duration", whole.String()}, rates(b.memoryRate)...)
	// Go tells of each collection what it left (https://pkg.go.dev/runtime).
	cmd, err := b.onCore(ctx, []string{"GODEBUG=gctrace=1"}, b.loadtest, args...)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	began := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var at, bytes []float64
	most, settled := 0.0, 0.0
	for done := false; !done; {
		select {
		case err := <-ended:
			if err := exit(err); err != nil {
				return err
			}
			done = true
		case now := <-tick.C:
			// taskset becomes the program that it starts: the process is the harness's.
			if r := resident(cmd.Process.Pid); r > 0 {
				most = max(most, r)
				switch since := now.Sub(began); {
				case since <= b.settle:
					settled = most
				case since < whole:
					at, bytes = append(at, since.Hours()), append(bytes, r)
				}
			}
		}
	}
	if len(at) < 2 {
		return fmt.Errorf("memory: %s is too short to see a slope", b.memory)
	}
	mean, slope := line(at, bytes)
	const mebibyte = 1 << 20
	report("resident memory at %.0f requests/s: at most %.1f MiB in the first %s; then for %s mean %.1f MiB, slope %+.2f MiB an hour; at most %.1f MiB in all",
		b.memoryRate, settled/mebibyte, b.settle, b.memory, mean/mebibyte, slope/mebibyte, most/mebibyte)
	messages, err := os.ReadFile(b.log())
	if err != nil {
		return err
	}
	at, live := collections(string(messages), b.settle.Seconds(), whole.Seconds())
	if len(at) < 2 {
		return fmt.Errorf("memory: %s tells of %d collections, want 2 or more", b.log(), len(at))
	}
	mean, slope = line(at, live)
	report("of which in use after each of the %d collections of that time: mean %.1f MiB, from %.0f to %.0f, slope %+.2f MiB an hour: what would grow with time if anything did",
		len(at), mean, slices.Min(live), slices.Max(live), slope)
	return os.RemoveAll(dir)
}

// line returns the mean of y and its slope over x, by least squares.
func line(x, y []float64) (mean, slope float64) {
	n := float64(len(x))
	var sx, sy float64
	for i := range x {
		sx, sy = sx+x[i], sy+y[i]
	}
	var xy, xx float64
	for i := range x {
		xy += (x[i] - sx/n) * (y[i] - sy/n)
		xx += (x[i] - sx/n) * (x[i] - sx/n)
	}
	return sy / n, xy / xx
}
