package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// The share of the rate that each lane has, and the rows of a slow request.
const (
	shareNew        = 0.20
	shareReused     = 0.70
	shareSlowNew    = 0.05
	shareSlowReused = 0.05
	slowRows        = 10
)

// lane is one lane of either side.
type lane struct {
	Name      string  `json:"name"`
	Share     float64 `json:"-"`
	KeepAlive bool    `json:"-"`
	Rows      int     `json:"-"`

	Requests uint64  `json:"requests"`
	OK       uint64  `json:"ok"`
	Late     uint64  `json:"late"`
	Seconds  float64 `json:"seconds"`
}

func lanes() []lane {
	return []lane{
		{Name: "new", Share: shareNew, Rows: 1},
		{Name: "reused", Share: shareReused, Rows: 1, KeepAlive: true},
		{Name: "slow-new", Share: shareSlowNew, Rows: slowRows},
		{Name: "slow-reused", Share: shareSlowReused, Rows: slowRows, KeepAlive: true},
	}
}

// trial is what became of one rate that was tried.
type trial struct {
	rate float64 // right answers a second, of all lanes
	cost float64 // seconds of processor time a request, start and end included
	held bool    // the rate was kept

	target float64
	late   float64 // the share of the requests
	wrong  uint64  // requests without a right answer
	busy   float64 // the share of its core that the program used, start and end included
}

// String tells how it went, for the progress.
func (t trial) String() string {
	how := "held"
	if !t.held {
		how = "not held"
	}
	return fmt.Sprintf("%.0f/s %s: %.1f %% answered right, %.2f %% late, %d wrong; %.0f us a request, %.0f %% of its core",
		t.target, how, 100*t.rate/t.target, 100*t.late, t.wrong, 1e6*t.cost, 100*t.busy)
}

// The share of the rate that must come as right answers, and of its sends that may
// be late, for it to be kept.
const (
	heldShare = 0.98
	lateShare = 0.02
)

func newTrial(target float64, lanes []lane, used usage) trial {
	var requests, ok, late uint64
	t := trial{target: target, busy: used.busy()}
	for _, l := range lanes {
		requests, ok, late = requests+l.Requests, ok+l.OK, late+l.Late
		if l.Seconds > 0 {
			t.rate += float64(l.OK) / l.Seconds
		}
	}
	if requests > 0 {
		t.cost = used.processor.Seconds() / float64(requests)
		t.late, t.wrong = float64(late)/float64(requests), requests-ok
		t.held = t.rate >= heldShare*target && t.late <= lateShare && t.wrong == 0
	}
	return t
}

func rates(total float64) []string {
	return []string{
		"--new-rate", number(total * shareNew), "--reused-rate", number(total * shareReused),
		"--slow-new-rate", number(total * shareSlowNew), "--slow-reused-rate", number(total * shareSlowReused),
		"--slow-rows", strconv.Itoa(slowRows),
	}
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', 2, 64) }

// harness tries a rate of the harness's.
func (b *bench) harness(ctx context.Context, total float64) (trial, error) {
	b.tries++
	dir := filepath.Join(b.out, fmt.Sprintf("try-%d", b.tries))
	if err := os.RemoveAll(dir); err != nil {
		return trial{}, err
	}
	args := append([]string{"load", "--url", b.url, "--cases", b.cases, "--hot-connections", "0", "--out", dir,
		"--duration", b.step.String(), "--max-workers", maxWorkers}, rates(total)...)
	used, err := b.timed(ctx, b.loadtest, args...)
	if err != nil {
		return trial{}, err
	}
	data, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		return trial{}, fmt.Errorf("the harness's run (see try-%d.log): %w", b.tries, err)
	}
	var report struct {
		Lanes []lane `json:"lanes"`
	}
	if err := json.Unmarshal(data, &report); err != nil {
		return trial{}, err
	}
	if err := os.RemoveAll(dir); err != nil { // raw results of many tries fill a disk
		return trial{}, err
	}
	return b.told("harness", newTrial(total, report.Lanes, used)), nil
}

// maxWorkers bounds the requests under way on a lane of either side.
const maxWorkers = "500"

// plain tries a rate of plain Vegeta's.
func (b *bench) plain(ctx context.Context, total float64) (trial, error) {
	b.tries++
	self, err := os.Executable()
	if err != nil {
		return trial{}, err
	}
	out := filepath.Join(b.out, fmt.Sprintf("try-%d.json", b.tries))
	used, err := b.timed(ctx, self, "plain", "--url", b.url, "--cases", b.cases, "--rate", number(total),
		"--duration", b.step.String(), "--max-workers", maxWorkers, "--raw", b.out, "--result", out)
	if err != nil {
		return trial{}, err
	}
	data, err := os.ReadFile(out)
	if err != nil {
		return trial{}, fmt.Errorf("plain Vegeta's run (see try-%d.log): %w", b.tries, err)
	}
	var lanes []lane
	if err := json.Unmarshal(data, &lanes); err != nil {
		return trial{}, err
	}
	return b.told("vegeta", newTrial(total, lanes, used)), os.Remove(out)
}

// told tells of a trial as soon as it is over: a search takes minutes.
func (b *bench) told(side string, t trial) trial {
	_, _ = fmt.Fprintf(b.stderr, "  %s at %v\n", side, t) // progress only
	return t
}

// usage is what a program took from its start to its end.
type usage struct {
	processor, clock time.Duration
}

// busy returns the share of a core that it used.
func (u usage) busy() float64 {
	if u.clock <= 0 {
		return 0
	}
	return u.processor.Seconds() / u.clock.Seconds()
}

// timed runs a program to its end and returns what it took.
func (b *bench) timed(ctx context.Context, name string, args ...string) (usage, error) {
	before, began := processor(b.cmd.Process.Pid), time.Now()
	cmd, err := b.onCore(ctx, nil, name, args...)
	if err != nil {
		return usage{}, err
	}
	if err := exit(cmd.Wait()); err != nil {
		return usage{}, fmt.Errorf("%s: %w", name, err)
	}
	clock := time.Since(began)
	b.busiest = max(b.busiest, (processor(b.cmd.Process.Pid)-before).Seconds()/clock.Seconds())
	return usage{cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), clock}, ctx.Err()
}

// readyWait bounds the wait for the server.
const readyWait = 20 * time.Second

func waitFor(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			if closeErr := resp.Body.Close(); closeErr != nil {
				return closeErr
			}
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("status %d", resp.StatusCode)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %s: %w", url, readyWait, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
