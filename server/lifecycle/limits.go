package lifecycle

import (
	"math/rand/v2"
	"net/http"
	"time"
)

// Limits bound connections, so that new servers get their share: what balances
// connections and not requests, as kube-proxy does, sends those of a connection to one
// server for as long as it lives.
type Limits struct {
	// Requests and Age are after how many requests and what time a connection ends,
	// by Connection: close on its next answer; each give or take a tenth at random, so
	// that connections that began together do not end together. 0 is never.
	Requests int
	Age      time.Duration
	// Connections is how many may be open; 0 is any number. Each of those beyond it
	// has one request answered by Full and ends. They are accepted because one that
	// waited in the kernel would not know why, and would be reset when the listener
	// closes, or would have to be served after all. Only when a quarter more than
	// Connections are open, new ones wait there.
	Connections int
	// Full is what answers then; nil is 503 without a body.
	Full http.Handler
}

// spare is how many connections beyond Connections are accepted.
func (l *Limits) spare() int { return max(l.Connections/4, 1) }

// full answers a request on a connection beyond the limit.
func (l *Limits) full(w http.ResponseWriter, r *http.Request) {
	if l.Full == nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	l.Full.ServeHTTP(w, r)
}

// limit is the Limits of one connection.
type limit struct {
	requests int       // 0 is any number
	end      time.Time // zero is never
	beyond   bool      // it is one too many
}

// draw returns a connection's limit. beyond says that it is one too many.
func (l *Limits) draw(beyond bool) limit {
	one := limit{beyond: beyond}
	if l.Requests > 0 {
		one.requests = max(1, int(jitter(float64(l.Requests))+.5))
	}
	if l.Age > 0 {
		one.end = time.Now().Add(time.Duration(jitter(float64(l.Age))))
	}
	return one
}

// jitter is the value give or take a tenth.
func jitter(value float64) float64 { return value * (.9 + .2*rand.Float64()) }

// reached says which limit is reached with so many requests, Other if none is.
func (l *limit) reached(requests int) Reason {
	switch {
	case l.beyond:
		return Full
	case l.requests > 0 && requests >= l.requests:
		return Requests
	case !l.end.IsZero() && time.Until(l.end) <= 0:
		return Age
	}
	return Other
}
