package api

import (
	"errors"
	"net/http"
	"time"
)

// errConnections says that too many connections are open.
var errConnections = errors.New("as many connections are open as may be")

// TurnAway answers a request on a connection that is one too many: 503, and when to come
// again, whatever it asks. It is counted and logged as others are.
func (h *Handler) TurnAway(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	a := problemAnswer(h.overloaded(w, errConnections), nil)
	a.unread = r.ContentLength != 0
	err := h.write(w, r, &a, nil)
	took := time.Since(start)
	h.routes[parseRoute(r.URL.Path).kind].Observe(a.status, a.rows, took)
	h.log(r, &a, took, err)
	if a.unread {
		h.linger(w, r)
	}
}
