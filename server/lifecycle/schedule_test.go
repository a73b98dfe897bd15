package lifecycle

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"time"
)

// schedule is what happens to one server from before the signal to end until after it.
type schedule struct {
	// Delay and Timeout are the server's, in which connections also end after so many
	// Requests and so much time.
	Delay, Timeout time.Duration
	Requests       int
	Age            time.Duration
	TLS            bool
	// NetHTTP is without what answers plain requests directly.
	NetHTTP bool
	// Withdrawn is when new connections go elsewhere, from the signal on.
	Withdrawn time.Duration
	Clients   []caller
}

// caller sends one request after the other.
type caller struct {
	// Start is when, from the signal on; below zero is before it.
	Start time.Duration
	// Fresh is a new connection for each request. Else one is used again, unless its
	// answer said that it closes, or the client has seen it close.
	Fresh    bool
	Requests []request
}

// request is sent Think after the answer before it. Its header takes Head to be sent and
// its body Body; then the server takes Work.
type request struct{ Think, Head, Body, Work time.Duration }

// longest is how long the request takes from its first byte.
func (r request) longest() time.Duration { return r.Head + r.Body + r.Work }

// before is how long a server lives before the signal, at least.
const before = 10 * time.Second

// slack is what the network and the server's own steps may take of the budget.
const slack = 10 * time.Millisecond

// What the budget asks.
const (
	withdrawnInTime = "new connections go elsewhere within the drain delay"
	reusedInTime    = "a connection is used again within the drain delay, or not at all"
	shortEnough     = "a request takes less than the shutdown timeout"
)

// broken says what the schedule breaks of the budget.
func (s schedule) broken() []string {
	var broken []string
	add := func(which string) {
		if !slices.Contains(broken, which) {
			broken = append(broken, which)
		}
	}
	if s.Withdrawn+slack > s.Delay {
		add(withdrawnInTime)
	}
	for _, c := range s.Clients {
		for i, r := range c.Requests {
			if i > 0 && !c.Fresh && r.Think+slack > s.Delay {
				add(reusedInTime)
			}
			if r.longest()+slack > s.Timeout {
				add(shortEnough)
			}
		}
	}
	return broken
}

// String is the schedule as JSON, durations in nanoseconds.
func (s schedule) String() string {
	b, err := json.Marshal(s)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// draw makes a schedule that keeps the budget. Values at its edges are as likely as all
// others together.
func draw(r *rand.Rand) schedule {
	between := func(low, high time.Duration) time.Duration {
		switch r.IntN(4) {
		case 0:
			return low
		case 1:
			return high
		}
		return low + time.Duration(r.Int64N(int64((high-low)/time.Millisecond)+1))*time.Millisecond
	}
	s := schedule{
		Delay:   between(100*time.Millisecond, 2*time.Second),
		Timeout: between(200*time.Millisecond, 4*time.Second),
		TLS:     r.IntN(8) == 0,
		NetHTTP: r.IntN(4) == 0,
	}
	if r.IntN(3) == 0 {
		s.Requests = 1 + r.IntN(5)
	}
	if r.IntN(3) == 0 {
		s.Age = between(10*time.Millisecond, 2*time.Second)
	}
	s.Withdrawn = between(0, s.Delay-slack)
	for range 1 + r.IntN(6) {
		c := caller{Start: between(-2*time.Second, s.Withdrawn), Fresh: r.IntN(3) == 0}
		for range 1 + r.IntN(6) {
			one := request{Think: between(0, s.Delay-slack)}
			left := s.Timeout - slack
			for _, part := range []*time.Duration{&one.Work, &one.Body, &one.Head} {
				if r.IntN(3) == 0 {
					*part = between(0, left)
					left -= *part
				}
			}
			c.Requests = append(c.Requests, one)
		}
		s.Clients = append(s.Clients, c)
	}
	return s
}

// drawOutside makes a schedule of one or two clients and the server's defaults that
// breaks one part of the budget, near to where that may matter.
func drawOutside(r *rand.Rand, which string) schedule {
	ms := func(low, high int64) time.Duration {
		return time.Duration(low+r.Int64N(high-low+1)) * time.Millisecond
	}
	s := schedule{Delay: 5 * time.Second, Timeout: 10 * time.Second, Withdrawn: ms(0, 4980)}
	other := caller{Start: ms(-500, 100), Requests: []request{{Work: ms(0, 100)}, {Think: ms(0, 500)}}}
	var c caller
	switch which {
	case withdrawnInTime:
		s.Withdrawn = ms(5000, 6000)
		c = caller{Start: ms(4000, 6000), Fresh: r.IntN(2) == 0, Requests: []request{{Work: ms(0, 100)}, {Think: ms(0, 50)}}}
	case reusedInTime:
		c = caller{Start: -ms(5, 500)}
		c.Requests = []request{{Work: 0}, {Think: s.Delay - c.Start + ms(-10, 10)}}
	case shortEnough:
		s.Withdrawn = 4990 * time.Millisecond
		c = caller{Start: ms(4900, 4980), Requests: []request{{Work: ms(0, 10)}, {Think: ms(0, 10), Work: ms(9_990, 10_200)}}}
	}
	s.Clients = []caller{c}
	if r.IntN(2) == 0 {
		s.Clients = append(s.Clients, other)
	}
	return s
}

// size orders schedules: by clients, then requests, then what requests take, then when
// all begins.
func (s schedule) size() [4]int64 {
	size := [4]int64{int64(len(s.Clients)), 0, 0, int64(s.Withdrawn + s.Age)}
	for _, c := range s.Clients {
		size[1] += int64(len(c.Requests))
		size[3] += int64(max(c.Start, -c.Start))
		for _, r := range c.Requests {
			size[2] += int64(r.Think + r.longest())
		}
	}
	return size
}

// durations are all that can be made smaller: not the server's, which are given.
func (s *schedule) durations() []*time.Duration {
	all := []*time.Duration{&s.Age}
	for i := range s.Clients {
		c := &s.Clients[i]
		all = append(all, &c.Start)
		for j := range c.Requests {
			r := &c.Requests[j]
			all = append(all, &r.Think, &r.Head, &r.Body, &r.Work)
		}
	}
	return append(all, &s.Withdrawn) // last: it bounds when clients can begin
}

// copy shares nothing with the schedule.
func (s schedule) copy() schedule {
	s.Clients = slices.Clone(s.Clients)
	for i := range s.Clients {
		s.Clients[i].Requests = slices.Clone(s.Clients[i].Requests)
	}
	return s
}

// smaller calls try with schedules that are smaller by one step, the greater steps
// first, until it returns true.
func (s schedule) smaller(try func(schedule) bool) bool {
	for i := range s.Clients {
		c := s.copy()
		c.Clients = slices.Delete(c.Clients, i, i+1)
		if try(c) {
			return true
		}
	}
	for i := range s.Clients {
		for j := range s.Clients[i].Requests {
			c := s.copy()
			c.Clients[i].Requests = slices.Delete(c.Clients[i].Requests, j, j+1)
			if len(c.Clients[i].Requests) > 0 && try(c) {
				return true
			}
		}
	}
	plain := s.copy()
	if plain.TLS, plain.Requests = false, 0; (s.TLS || s.Requests > 0) && try(plain) {
		return true
	}
	n := len(s.durations())
	for _, step := range []time.Duration{time.Hour, time.Second, 100 * time.Millisecond, 10 * time.Millisecond, time.Millisecond} {
		for i := range n {
			if c := s.copy(); nearer(c.durations()[i], step) && try(c) {
				return true
			}
			// What begins at another time may take less.
			for j := range s.Clients {
				for _, by := range []time.Duration{step, -step} {
					c := s.copy()
					if !nearer(c.durations()[i], step) {
						continue
					}
					c.Clients[j].Start += by
					if less(c.size(), s.size()) && try(c) {
						return true
					}
				}
			}
		}
	}
	return false
}

// nearer moves a duration towards zero, to it at most, and says whether that is a change.
func nearer(d *time.Duration, step time.Duration) bool {
	was := *d
	switch {
	case was > 0:
		*d = max(0, was-step)
	case was < 0:
		*d = min(0, was+step)
	}
	return *d != was
}

func less(a, b [4]int64) bool { return slices.Compare(a[:], b[:]) < 0 }

// shrink returns the smallest schedule that is found by steps that keep it so that holds.
func (s schedule) shrink(holds func(schedule) bool) schedule {
	for s.smaller(func(c schedule) bool {
		if !holds(c) {
			return false
		}
		s = c
		return true
	}) {
	}
	return s
}
