package main

import (
	"fmt"
	"net/http"
	"time"
)

// delayHeader asks for a slow answer, where --unsafe-delay lets it.
const delayHeader = "X-Rollproof-Delay"

// delayed holds each request for as long as its header asks, most at the most, before
// it is answered: for tests that need requests which are under way for long and cost
// no processor. Whoever may call can hold the server's connections with it.
func delayed(next http.Handler, most time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := r.Header.Get(delayHeader)
		if text == "" {
			next.ServeHTTP(w, r)
			return
		}
		delay, err := time.ParseDuration(text)
		if err != nil || delay < 0 || delay > most {
			http.Error(w, fmt.Sprintf("%s %q: want a time from 0s to %s", delayHeader, text, most), http.StatusBadRequest)
			return
		}
		held := time.NewTimer(delay)
		defer held.Stop()
		select {
		case <-held.C:
			next.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
}
