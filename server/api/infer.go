package api

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"

	"rollproof/model"
)

// scratch is the memory of one request, used again by later ones.
type scratch struct {
	body, out     []byte
	request       request
	labels        []int64
	probabilities []float32
}

// maxPooled is the size from which a request's memory is left to the collector: one
// huge request must not make the pool huge for good.
const maxPooled = 1 << 20

// scratchPool holds unused scratches. The zero value is ready.
type scratchPool struct{ pool sync.Pool }

func (p *scratchPool) get() *scratch {
	if s, ok := p.pool.Get().(*scratch); ok {
		return s
	}
	return &scratch{}
}

func (p *scratchPool) put(s *scratch) {
	if cap(s.body) > maxPooled || cap(s.out) > maxPooled || 4*cap(s.request.values) > maxPooled {
		return
	}
	s.request.id = nil
	p.pool.Put(s)
}

// infer answers a request for predictions.
func (h *Handler) infer(w http.ResponseWriter, r *http.Request, m *model.Model, s *scratch) answer {
	if p := h.readBody(w, r, s); p != nil {
		return problemAnswer(p, m)
	}
	if p := decode(s.body, m, h.MaxRows, &s.request); p != nil {
		return problemAnswer(p, m)
	}
	rows := s.request.rows
	s.labels = sized(s.labels, rows)
	s.probabilities = sized(s.probabilities, rows*m.Classes())
	if err := m.Predict(s.request.values, s.labels, s.probabilities); err != nil {
		return problemAnswer(newProblem(http.StatusInternalServerError, reasonInternal,
			"model %s version %s: %v", m.Name, m.Version, err), m)
	}
	var p *problem
	if s.out, p = appendResponse(s.out[:0], m, &s.request, s.labels, s.probabilities); p != nil {
		return problemAnswer(p, m)
	}
	return answer{status: http.StatusOK, body: s.out, rows: rows, model: m}
}

// sized returns a slice of n elements, the given one if it is large enough.
func sized[T any](list []T, n int) []T {
	if cap(list) < n {
		return make([]T, n)
	}
	return list[:n]
}

// readBody reads the request's body into s.body. It may arrive as slowly as the
// server's read timeout lets it.
func (h *Handler) readBody(w http.ResponseWriter, r *http.Request, s *scratch) *problem {
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return newProblem(http.StatusUnsupportedMediaType, reasonBodyEncoding,
			"Content-Encoding %q is not supported, want plain JSON", e)
	}
	if r.Header.Get("Inference-Header-Content-Length") != "" {
		return newProblem(http.StatusUnsupportedMediaType, reasonBodyEncoding,
			"the binary tensor extension is not supported, want plain JSON without Inference-Header-Content-Length")
	}
	if r.ContentLength > h.MaxBodyBytes {
		// The connection ends with this answer: the body is not read.
		w.Header().Set("Connection", "close")
		return h.tooLarge()
	}
	s.body = s.body[:0]
	if n := int(r.ContentLength) + 1; n > cap(s.body) {
		s.body = make([]byte, 0, n)
	} else if cap(s.body) == 0 {
		s.body = make([]byte, 0, 4096)
	}
	reader := http.MaxBytesReader(w, r.Body, h.MaxBodyBytes)
	for {
		if len(s.body) == cap(s.body) {
			s.body = append(s.body, 0)[:len(s.body)]
		}
		n, err := reader.Read(s.body[len(s.body):cap(s.body)])
		s.body = s.body[:len(s.body)+n]
		var large *http.MaxBytesError
		switch {
		case err == nil:
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

// tooLarge is the answer to a body above the limit.
func (h *Handler) tooLarge() *problem {
	return newProblem(http.StatusRequestEntityTooLarge, reasonBodyTooLarge,
		"the body: more than %d bytes, want at most that; send fewer rows a request", h.MaxBodyBytes)
}
