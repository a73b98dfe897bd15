package api

import (
	"errors"
	"net/http"
	"sync"

	"rollproof/model"
	"rollproof/server/inference"
	"rollproof/server/repository"
)

// scratch is the memory of one request, used again by later ones.
type scratch struct {
	body, out []byte
	// reserved is how many bytes of the budget of bodies the request holds.
	reserved int64
	request  request
	gives    []model.Value
	// entry is the model that the request acquired, so that a panic lets go of it too.
	entry *repository.Entry
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
	in, gives := s.request.in[:cap(s.request.in)], s.gives[:cap(s.gives)]
	if cap(s.body)+cap(s.out)+held(in)+held(gives) > maxPooled {
		return
	}
	s.request.id, s.entry = nil, nil
	forget(in)
	forget(gives)
	p.pool.Put(s)
}

// infer answers a request for predictions, of the plain protocol or the other.
func (h *Handler) infer(w http.ResponseWriter, r *http.Request, m *repository.Entry, c *codec, plain bool, s *scratch) answer {
	defer h.release(s)
	if p := h.readBody(w, r, s); p != nil {
		a := problemAnswer(p, m)
		a.unread = true
		return a
	}
	if err := h.Service.Gate.Enter(r.Context()); err != nil {
		return problemAnswer(h.overloaded(w, err), m)
	}
	defer h.Service.Gate.Leave()
	header, p := jsonLength(r, s.body)
	switch {
	case p != nil:
	case !plain:
		p = decodeInference(s.body, header, c, limits{rows: h.MaxRows}, &s.request)
	case header != len(s.body):
		p = badRequest(reasonInvalidBinary, "the header %s is for /v2, want a body of JSON alone", headerLength)
	default:
		p = decodePlain(s.body, c, limits{rows: h.MaxRows}, &s.request)
	}
	if p != nil {
		return problemAnswer(p, m)
	}
	s.gives = model.Sized(s.gives, len(m.Outputs))
	if err := h.Service.Predict(r.Context(), m, s.request.in, s.gives); err != nil {
		return problemAnswer(failed(m, err), m)
	}
	a := answer{status: http.StatusOK, rows: s.request.rows, model: m}
	if plain {
		s.out, p = appendPlain(s.out[:0], c, &s.request, s.gives)
	} else {
		s.out, a.header, p = appendInference(s.out[:0], c, &s.request, s.gives)
	}
	if p != nil {
		return problemAnswer(p, m)
	}
	a.body = s.out
	return a
}

// failed is the problem of a prediction that failed.
func failed(m *repository.Entry, err error) *problem {
	if errors.Is(err, inference.ErrTime) {
		return newProblem(http.StatusGatewayTimeout, reasonPredictTimeout,
			"model %s version %s: %v; send fewer rows a request", m.Name, m.Version, err)
	}
	return newProblem(http.StatusInternalServerError, reasonInternal,
		"model %s version %s: %v", m.Name, m.Version, err)
}
