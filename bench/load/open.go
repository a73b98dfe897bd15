// Package load holds the two clients that measure a server: wrk in a closed loop, for
// the rate that it can bear, and an open loop, for the latency at a rate that it is
// given. Neither knows what it sends.
package load

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"
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
	// Late is the 99th percentile of how much later than due the client saw that a
	// request was. It is part of the latencies: this much of them is the client's.
	Late time.Duration `json:"late"`
}

// Run sends the load and waits for all answers, each at most five seconds. It is an
// error if a request fails.
//
// It never sleeps. A thread that is woken, by a timer or by an answer, gets to run tens
// to hundreds of microseconds late on a machine that has gone idle, which is more than a
// fast server takes; so this one asks the clock and the sockets in turns, and wants a
// core of its own.
func (o Open) Run(ctx context.Context) (l Latencies, err error) {
	to, err := newTarget(o.URL)
	if err != nil {
		return l, err
	}
	total := int(o.For.Seconds() * o.Rate)
	if total < 1 || o.Connections < 1 || len(o.Bodies) == 0 {
		return l, fmt.Errorf("%v requests/s for %s on %d connections of %d bodies: want one request or more", o.Rate, o.For, o.Connections, len(o.Bodies))
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s := &sending{Open: o, total: total, free: make([]*conn, o.Connections)}
	for i := range s.free {
		s.free[i] = &conn{target: to, descriptor: -1}
	}
	all := slices.Clone(s.free)
	defer func() {
		for _, c := range all {
			err = errors.Join(err, c.close())
		}
	}()
	if err := s.run(ctx); err != nil {
		return l, fmt.Errorf("%v requests/s to %s, %d of %d answered: %w", o.Rate, o.URL, len(s.latencies), total, err)
	}
	slices.Sort(s.latencies)
	slices.Sort(s.late)
	return Latencies{
		Requests: total, P50: Quantile(s.latencies, 0.5), P99: Quantile(s.latencies, 0.99), Most: s.latencies[total-1],
		Late: Quantile(s.late, 0.99),
	}, nil
}

// sending is an open loop under way.
type sending struct {
	Open
	total int
	// due is how many requests have become due, sent how many of them have a connection.
	due, sent       int
	free, busy      []*conn
	latencies, late []time.Duration
}

// run sends all requests and waits for their answers.
func (s *sending) run(ctx context.Context) error {
	began := time.Now()
	at := func(k int) time.Time { return began.Add(time.Duration(float64(k) / s.Rate * float64(time.Second))) }
	for len(s.latencies) < s.total {
		if err := ctx.Err(); err != nil {
			return err
		}
		now := time.Now()
		for ; s.due < s.total && !now.Before(at(s.due)); s.due++ {
			s.late = append(s.late, now.Sub(at(s.due)))
		}
		for ; s.sent < s.due && len(s.free) > 0; s.sent++ {
			c := s.free[len(s.free)-1] // the warmest
			if err := c.send(s.Bodies[s.sent%len(s.Bodies)], at(s.sent)); err != nil {
				return err
			}
			s.free, s.busy = s.free[:len(s.free)-1], append(s.busy, c)
		}
		for i := 0; i < len(s.busy); {
			c := s.busy[i]
			answered, done, err := c.look()
			switch {
			case err != nil:
				return err
			case !done:
				i++
				continue
			}
			s.latencies = append(s.latencies, answered.Sub(c.due))
			s.free, s.busy = append(s.free, c), slices.Delete(s.busy, i, i+1)
		}
	}
	return nil
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
