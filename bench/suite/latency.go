package suite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"rollproof/bench/load"
	"rollproof/bench/pair"
	"rollproof/bench/result"
)

// split is an address's host and port. The address is one that FreeAddress gave.
func split(address string) (host, port string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address, ""
	}
	return host, port
}

// latency measures both at the same rate, in an open loop.
func (r *run) latency(ctx context.Context, ours, theirs *started, c contest, rate float64) error {
	r.say("    p99 at %.0f requests/s: %d pairs of %s each", rate, r.pairs, r.open)
	var late time.Duration
	side := func(url string) pair.Side {
		return func(ctx context.Context) (float64, error) {
			l, err := r.attack(ctx, url, rate)
			late = max(late, l.Late)
			return float64(l.P99) / float64(time.Millisecond), err
		}
	}
	pairs, err := pair.Measure(ctx, r.pairs, side(ours.url(c.model)), side(theirs.url(c.model)))
	if err != nil {
		return fmt.Errorf("%s-p99: %w", c.row.ID, err)
	}
	row := c.row
	row.ID, row.What, row.Unit, row.Goal = c.row.ID+"-p99", "p99 at half of its maximum rate", result.Milliseconds, c.p99
	row.Note = fmt.Sprintf("open loop, %.0f requests/s to both; of the latencies up to %.2f ms (its p99) is the client's", rate, float64(late)/float64(time.Millisecond))
	row, err = row.Paired(pairs)
	return r.add(row, err)
}

// attack runs the open loop as a process of its own on the client's core.
func (r *run) attack(ctx context.Context, url string, rate float64) (l load.Latencies, err error) {
	cmd := exec.CommandContext(ctx, "taskset", "-c", strconv.Itoa(r.ClientCore), r.Self, "attack",
		"--url", url, "--bodies", filepath.Join(r.work, "bodies.txt"), "--rate", strconv.FormatFloat(rate, 'f', 3, 64),
		"--for", r.open.String(), "--connections", strconv.Itoa(connections))
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return l, fmt.Errorf("the open loop: %w", err)
	}
	if err := json.Unmarshal(out, &l); err != nil {
		return l, fmt.Errorf("the open loop's answer: %w", err)
	}
	return l, nil
}
