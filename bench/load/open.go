// Package load holds the two clients that measure a server: wrk in a closed loop, for
// the rate that it can bear, and an open loop, for the latency at a rate that it is
// given. Neither knows what it sends.
package load

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Open is a load in an open loop: request k is sent when it is due, at k/Rate, whatever
// became of those before it, and its latency counts from then. A slow answer so makes
// the ones behind it slow too, as it does for people who do not wait for each other.
type Open struct {
	URL    string
	Bodies [][]byte
	// Rate of requests a second, more than 0.
	Rate float64
	For  time.Duration
	// Connections that may be in use at once; more requests wait for one.
	Connections int
}

// Latencies are what an open loop found.
type Latencies struct {
	Requests int           `json:"requests"`
	P50      time.Duration `json:"p50"`
	P99      time.Duration `json:"p99"`
	Most     time.Duration `json:"most"`
	// Late is the 99th percentile of how much later than due the client handed a request
	// to a connection. It is part of the latencies: this much of them is the client's.
	Late time.Duration `json:"late"`
}

// job is one request.
type job struct {
	body []byte
	due  time.Time
}

// Run sends the load and waits for all answers, each at most five seconds. It is an
// error if a request fails.
func (o Open) Run(ctx context.Context) (Latencies, error) {
	target, err := url.Parse(o.URL)
	if err != nil || target.Scheme != "http" || target.Port() == "" {
		return Latencies{}, fmt.Errorf("%q: want http://HOST:PORT/PATH", o.URL)
	}
	total := int(o.For.Seconds() * o.Rate)
	if total < 1 || o.Connections < 1 || len(o.Bodies) == 0 {
		return Latencies{}, fmt.Errorf("%v requests/s for %s on %d connections of %d bodies: want one request or more", o.Rate, o.For, o.Connections, len(o.Bodies))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	jobs := make(chan job, total) // the pacer never waits
	var answered [][]time.Duration
	var failed error
	var mu sync.Mutex
	var group sync.WaitGroup
	for range o.Connections {
		group.Go(func() {
			latencies, err := send(ctx, target, jobs)
			mu.Lock()
			defer mu.Unlock()
			answered = append(answered, latencies)
			if err != nil && failed == nil {
				failed = err
				cancel()
			}
		})
	}
	late := o.pace(ctx, jobs, total)
	close(jobs)
	group.Wait()
	if failed != nil {
		return Latencies{}, fmt.Errorf("%v requests/s to %s: %w", o.Rate, o.URL, failed)
	}
	all := slices.Concat(answered...)
	if len(all) < total {
		return Latencies{}, fmt.Errorf("%v requests/s to %s: %d of %d answered: %w", o.Rate, o.URL, len(all), total, errors.Join(ctx.Err(), ErrFailures))
	}
	slices.Sort(all)
	slices.Sort(late)
	return Latencies{
		Requests: total, P50: Quantile(all, 0.5), P99: Quantile(all, 0.99), Most: all[total-1], Late: Quantile(late, 0.99),
	}, nil
}

// pace hands out the requests when they are due and returns how late it was with each.
// It has a thread of its own that sleeps in the kernel: Go's timers wake a process that
// does nothing else up to a millisecond too late, which is more than what is measured.
func (o Open) pace(ctx context.Context, jobs chan<- job, total int) []time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// A timer's slack is 50 us unless it is said otherwise.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // without it the load is a little later
	late := make([]time.Duration, 0, total)
	began := time.Now()
	for k := range total {
		due := began.Add(time.Duration(float64(k) / o.Rate * float64(time.Second)))
		sleepUntil(due)
		if ctx.Err() != nil {
			break
		}
		late = append(late, time.Since(due))
		jobs <- job{body: o.Bodies[k%len(o.Bodies)], due: due}
	}
	return late
}

// sleepUntil sleeps in the kernel. It looks at no context: what is slept is the time
// between two requests.
func sleepUntil(due time.Time) {
	for {
		left := time.Until(due)
		if left <= 0 {
			return
		}
		t := unix.NsecToTimespec(int64(left))
		_ = unix.Nanosleep(&t, nil) // an interrupted sleep goes on
	}
}

// send takes jobs on one connection until there are no more, and returns the
// latencies of those that were answered.
func send(ctx context.Context, target *url.URL, jobs <-chan job) (latencies []time.Duration, err error) {
	c := conn{target: target}
	defer func() {
		if closed := c.close(); err == nil {
			err = closed
		}
	}()
	for j := range jobs {
		if ctx.Err() != nil {
			return latencies, nil // whoever ended it says why
		}
		if err := c.post(ctx, j.body); err != nil {
			return latencies, err
		}
		latencies = append(latencies, time.Since(j.due))
	}
	return latencies, nil
}

// Quantile of sorted values: the smallest value that at least this share of them does
// not exceed.
func Quantile(sorted []time.Duration, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	n := int(share*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(n, 0), len(sorted)-1)]
}
