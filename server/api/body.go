package api

import (
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"
)

// headerLength is the header that says how much of a body is JSON.
const headerLength = "Inference-Header-Content-Length"

// firstRead is the memory for a body before any of it has come: what a client declares
// costs nothing until it is there.
const firstRead = 16 << 10

// leastRead is the least room that a read is given, so that one which only finds the
// body's end has some.
const leastRead = 512

// readBody reads the request's body into s.body. It may arrive as slowly as the
// server's read timeout lets it. The memory is reserved as it is needed, not as it is
// declared: a crowd of large bodies is turned away while it is read, and a client that
// declares much and sends little keeps nobody out.
func (h *Handler) readBody(w http.ResponseWriter, r *http.Request, s *scratch) *problem {
	if e := r.Header["Content-Encoding"]; len(e) > 0 && e[0] != "" && e[0] != "identity" {
		return newProblem(http.StatusUnsupportedMediaType, reasonBodyEncoding,
			"Content-Encoding %q is not supported, want a body as it is", e[0])
	}
	if r.ContentLength > h.MaxBodyBytes {
		return h.tooLarge()
	}
	s.body = s.body[:0]
	reader := r.Body
	if r.ContentLength < 0 {
		reader = http.MaxBytesReader(w, r.Body, h.MaxBodyBytes)
	}
	for {
		if int64(len(s.body)) == s.reserved {
			room := int64(max(len(s.body), firstRead))
			if left := r.ContentLength - int64(len(s.body)); r.ContentLength >= 0 {
				room = max(min(room, left), leastRead)
			}
			if !h.Service.Bodies.Reserve(room) {
				return h.overloaded(w, errBodies)
			}
			s.reserved += room
			s.body = slices.Grow(s.body, int(room))
		}
		n, err := reader.Read(s.body[len(s.body):s.reserved])
		s.body = s.body[:len(s.body)+n]
		if err == nil {
			continue
		}
		var large *http.MaxBytesError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &large):
			return h.tooLarge()
		case errors.Is(err, os.ErrDeadlineExceeded):
			return newProblem(http.StatusRequestTimeout, reasonBodyTimeout,
				"the body: %d bytes arrived before the read timeout, want all of it sooner", len(s.body))
		default:
			return badRequest(reasonBodyUnreadable, "the body: %d bytes arrived, then %v", len(s.body), err)
		}
	}
}

// release gives back what the request's body held.
func (h *Handler) release(s *scratch) {
	h.Service.Bodies.Release(s.reserved)
	s.reserved = 0
}

// errBodies says that no memory is left for another body.
var errBodies = errors.New("the bodies of other requests take all memory that there is for them")

// overloaded is the answer to a request that there is no room for.
func (h *Handler) overloaded(w http.ResponseWriter, err error) *problem {
	w.Header().Set("Retry-After", strconv.Itoa(int(h.Service.Gate.RetryAfter().Seconds())))
	return newProblem(http.StatusServiceUnavailable, reasonOverloaded,
		"the server has too much to do: %v; try again later", err)
}

// tooLarge is the answer to a body above the limit.
func (h *Handler) tooLarge() *problem {
	return newProblem(http.StatusRequestEntityTooLarge, reasonBodyTooLarge,
		"the body: more than %d bytes, want at most that; send fewer rows a request", h.MaxBodyBytes)
}

// jsonLength is how much of the body is JSON: all of it without the header that says
// otherwise.
func jsonLength(r *http.Request, body []byte) (int, *problem) {
	values := r.Header[headerLength]
	if len(values) == 0 {
		return len(body), nil
	}
	n, err := strconv.ParseUint(values[0], 10, 63)
	if err != nil || len(values) > 1 || n > uint64(len(body)) {
		return 0, badRequest(reasonInvalidBinary, "the header %s: %.80q, want one number of bytes up to the body's %d",
			headerLength, values, len(body))
	}
	return int(n), nil
}

// lingerTime is how long after an answer to a body that was not read the rest of it
// may still come.
const lingerTime = time.Second

// linger takes in what a client still sends after it has been answered, and throws it
// away. Closing a connection with bytes unread resets it, and a client that writes all
// of its request before it reads would lose the answer that says what was wrong.
func (h *Handler) linger(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	if control.Flush() != nil || control.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, r.Body, 16*h.MaxBodyBytes) // whatever ends it, the connection is closed next
}
