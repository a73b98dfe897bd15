package load

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// script makes wrk send the lines of a file as bodies, in turns.
//
//go:embed bodies.lua
var script []byte

// Wrk is the closed-loop client: it finds out how many requests a second a server
// answers when every connection asks again as soon as it is answered.
type Wrk struct {
	script, bodies string
	core           int
	connections    int
}

// NewWrk returns a client that runs on the core and has that many connections. Its
// files, the script and the bodies, are in the folder. A body has no line end.
func NewWrk(folder string, bodies [][]byte, core, connections int) (*Wrk, error) {
	w := &Wrk{
		script: filepath.Join(folder, "bodies.lua"), bodies: filepath.Join(folder, "bodies.txt"),
		core: core, connections: connections,
	}
	for i, body := range bodies {
		if len(body) == 0 || bytes.ContainsAny(body, "\r\n") {
			return nil, fmt.Errorf("body %d is empty or has a line end: wrk is given a body a line", i)
		}
	}
	if len(bodies) == 0 {
		return nil, errors.New("no bodies to send, want one or more")
	}
	if err := os.WriteFile(w.script, script, 0o644); err != nil {
		return nil, err
	}
	return w, os.WriteFile(w.bodies, append(bytes.Join(bodies, []byte{'\n'}), '\n'), 0o644)
}

// grace is how much longer than its time wrk may take to end.
const grace = 10 * time.Second

// Run sends requests to the URL for a time of whole seconds, and returns what wrk
// says. It is an error if one of them was not answered with a 200.
func (w *Wrk) Run(ctx context.Context, url string, sample time.Duration) (Report, error) {
	seconds := max(1, int(sample.Round(time.Second)/time.Second))
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second+grace)
	defer cancel()
	cmd := exec.CommandContext(ctx, "taskset", "-c", strconv.Itoa(w.core), "wrk",
		"--threads", "1", "--connections", strconv.Itoa(w.connections), "--duration", strconv.Itoa(seconds)+"s",
		"--timeout", "5s", "--latency", "--script", w.script, url, "--", w.bodies)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return Report{}, fmt.Errorf("wrk against %s: %w: %s", url, err, bytes.TrimSpace(out))
	}
	report, err := ParseReport(string(out))
	if err != nil {
		return report, fmt.Errorf("wrk against %s: %w", url, err)
	}
	return report, nil
}
