// Package api answers the Open Inference Protocol, version 2, over HTTP and JSON
// (https://github.com/kserve/open-inference-protocol), with binary tensors and the
// repository's index, and beside it TensorFlow Serving's plain predict. It decodes
// requests, asks models and encodes answers; it does not load models and does not
// decide when the server is ready.
package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"rollproof/server/accesslog"
	"rollproof/server/inference"
	"rollproof/server/metrics"
	"rollproof/server/repository"
)

// Config is what a Handler needs.
type Config struct {
	Service *inference.Service
	// Ready says whether new connections are welcome, and if not why.
	Ready func() (ready bool, why string)
	// Pod goes into every answer's X-Rollproof-Pod.
	Pod string
	// Version of the server, for its metadata.
	Version string
	// MaxBodyBytes and MaxRows bound a request.
	MaxBodyBytes int64
	MaxRows      int
	Metrics      *metrics.Metrics
	// Access is told of every request; Log of what goes wrong inside.
	Access *accesslog.Log
	Log    *slog.Logger
}

// Handler is the protocol's http.Handler. Make one with New.
type Handler struct {
	Config
	pod    []string
	policy string // the page's
	routes map[kind]*metrics.Series
	pool   scratchPool
}

// served is what is made once for each model: header values, counters and its codec.
type served struct {
	name, version []string
	routes        map[kind]*metrics.Series
	codec         *codec
}

// New returns a Handler.
func New(c Config) *Handler {
	h := &Handler{
		Config: c,
		pod:    []string{c.Pod},
		policy: pagePolicy(),
		routes: map[kind]*metrics.Series{},
	}
	for k := range kinds {
		h.routes[k] = c.Metrics.Series(string(k), "", "")
	}
	return h
}

// served returns what is made once for the entry.
func (h *Handler) served(e *repository.Entry) *served {
	s, _ := e.Attach(h, func() any {
		s := &served{name: []string{e.Name}, version: []string{e.Version}, routes: map[kind]*metrics.Series{}, codec: newCodec(&e.Model)}
		for k, ofModel := range kinds {
			if ofModel {
				s.routes[k] = h.Metrics.Series(string(k), e.Name, e.Version)
			}
		}
		return s
	}).(*served)
	return s
}

// answer is what a route gives back.
type answer struct {
	status int
	body   []byte
	// header is how much of the body is JSON if binary tensors follow; else 0, or all.
	header int
	// contentType is JSON's if it is nil.
	contentType []string
	// unread is true if the request's body was not read to its end.
	unread bool
	// rows is how many rows were predicted.
	rows int
	// model is set on routes of a model that was found.
	model *repository.Entry
}

var (
	jsonType   = []string{"application/json"}
	binaryType = []string{"application/octet-stream"}
)

// ServeHTTP answers one request, counts it and logs it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	to := parseRoute(r.URL.Path)
	scratch := h.pool.get()
	defer h.pool.put(scratch)
	scratch.entry = nil
	a := h.guarded(w, r, to, scratch)
	series := h.routes[to.kind]
	var of *served
	if a.model != nil {
		of = h.served(a.model)
		defer a.model.Release()
		series = of.routes[to.kind]
	}
	err := h.write(w, r, &a, of)
	took := time.Since(start)
	series.Observe(a.status, a.rows, took)
	h.log(r, &a, took, err)
	if a.unread {
		h.linger(w, r)
	}
}

// unlengthed is the size up to which net/http finds out a body's length by itself,
// without the memory that a header's value takes.
const unlengthed = 2000

// write writes the answer.
func (h *Handler) write(w http.ResponseWriter, r *http.Request, a *answer, of *served) error {
	header := w.Header()
	header["X-Rollproof-Pod"] = h.pod
	if of != nil {
		header["X-Rollproof-Model"] = of.name
		header["X-Rollproof-Version"] = of.version
	}
	switch {
	case a.contentType != nil:
		header["Content-Type"] = a.contentType
	case a.header > 0 && a.header < len(a.body):
		header["Content-Type"] = binaryType
		header[headerLength] = []string{strconv.Itoa(a.header)}
	case len(a.body) > 0:
		header["Content-Type"] = jsonType
	}
	if a.unread {
		header["Connection"] = []string{"close"}
	}
	head := r.Method == http.MethodHead
	if a.unread || head || len(a.body) > unlengthed {
		header["Content-Length"] = []string{strconv.Itoa(len(a.body))}
	}
	w.WriteHeader(a.status)
	if head || len(a.body) == 0 {
		return nil
	}
	_, err := w.Write(a.body) //nolint:gosec // what is echoed of a request is encoded, and its type is JSON
	return err
}

// log writes the access log. A probe that is told "not ready" and a request that is
// turned away are told so on purpose: neither is the server's failure, and a line for
// each of a crowd would be one more thing to do for a server that has too much to do.
func (h *Handler) log(r *http.Request, a *answer, took time.Duration, err error) {
	failed := a.status >= http.StatusInternalServerError && a.status != http.StatusServiceUnavailable
	h.Access.Write(r.Context(), failed, func() accesslog.Request {
		line := accesslog.Request{
			Protocol: "http", Method: r.Method, Path: r.URL.Path, Remote: r.RemoteAddr,
			Code: strconv.Itoa(a.status), Rows: a.rows, Took: took, Err: err,
		}
		if a.model != nil {
			line.Model, line.Version = a.model.Name, a.model.Version
		}
		if a.status >= http.StatusBadRequest {
			line.Answer = string(a.body)
		}
		return line
	})
}

// guarded answers and turns a panic into a 500: one request's bug must not cost its
// neighbours on the connection.
func (h *Handler) guarded(w http.ResponseWriter, r *http.Request, to route, s *scratch) (a answer) {
	defer func() {
		if p := recover(); p != nil {
			h.Log.Error("panic", "path", r.URL.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			a = problemAnswer(newProblem(http.StatusInternalServerError, reasonInternal,
				"the server failed on this request; its log says where"), s.entry)
		}
	}()
	return h.dispatch(w, r, to, s)
}

// dispatch finds the route's function.
func (h *Handler) dispatch(w http.ResponseWriter, r *http.Request, to route, s *scratch) answer {
	if to.kind == kindUnknown {
		return problemAnswer(newProblem(http.StatusNotFound, reasonRouteNotFound,
			"no route %q, want /, /openapi.json, /v2, /v2/health/live, /v2/health/ready, /v2/repository/index, "+
				"/v2/models/MODEL[/versions/V][/ready or /infer] or /v1/models/MODEL[/versions/V][:predict]",
			r.URL.Path), nil)
	}
	var m *repository.Entry
	if kinds[to.kind] {
		var err error
		if m, err = h.Service.Models.Acquire(to.model, to.version); err != nil {
			if a, ok := h.notReady(to); ok && to.kind == kindModelReady {
				return a
			}
			if errors.Is(err, repository.ErrNotReady) {
				return problemAnswer(newProblem(http.StatusServiceUnavailable, reasonNotReady, "%v", err), nil)
			}
			return problemAnswer(newProblem(http.StatusNotFound, reasonModelNotFound, "%v", err), nil)
		}
		s.entry = m
	}
	if a, ok := methodAnswer(w, r, to, m); !ok {
		return a
	}
	switch to.kind {
	case kindPage:
		return h.page(w)
	case kindOpenAPI:
		return h.describeAPI()
	case kindServer:
		return h.describeServer()
	case kindLive:
		return jsonAnswer(health{Live: true}, nil)
	case kindReady:
		return h.ready()
	case kindIndex:
		return h.index(w, r, s)
	case kindStatus:
		return h.status(to)
	case kindModel:
		return h.describeModel(m, to.version != "")
	case kindModelReady:
		return jsonAnswer(modelHealth{Name: m.Name, Version: m.Version, Ready: true}, m)
	default:
		return h.infer(w, r, m, h.served(m).codec, to.kind == kindPredict, s)
	}
}

// methodAnswer answers a method that a route does not have, and OPTIONS; ok says that
// the route is to answer.
func methodAnswer(w http.ResponseWriter, r *http.Request, to route, m *repository.Entry) (a answer, ok bool) {
	allow := to.kind.methods()
	post := allow[0] == 'P'
	switch r.Method {
	case http.MethodPost:
		ok = post
	case http.MethodGet, http.MethodHead:
		ok = !post
	case http.MethodOptions:
		w.Header().Set("Allow", allow)
		return answer{status: http.StatusNoContent, model: m}, false
	}
	if ok {
		return answer{}, true
	}
	w.Header().Set("Allow", allow)
	return problemAnswer(newProblem(http.StatusMethodNotAllowed, reasonMethodNotAllowed,
		"%s %s: the method is not allowed, want %s", r.Method, r.URL.Path, allow), m), false
}

// jsonAnswer is a 200.
func jsonAnswer(value any, m *repository.Entry) answer {
	return answer{status: http.StatusOK, body: marshal(value), model: m}
}

// problemAnswer is an error answer.
func problemAnswer(p *problem, m *repository.Entry) answer {
	return answer{status: p.status, model: m, body: marshal(struct {
		Error  string `json:"error"`
		Reason string `json:"reason"`
	}{p.Error(), p.reason})}
}
