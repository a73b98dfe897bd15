// Package api answers the Open Inference Protocol, version 2, over HTTP and JSON
// (https://github.com/kserve/open-inference-protocol). It decodes requests, asks
// models and encodes answers; it does not load models and does not decide when the
// server is ready.
package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"rollproof/model"
	"rollproof/server/metrics"
)

// Models finds what is served.
type Models interface {
	// Find returns the model of that name and version, of the highest version if
	// version is empty.
	Find(name, version string) (*model.Model, error)
	// Versions returns a model's versions, ascending.
	Versions(name string) []string
	// All returns every model and version.
	All() []*model.Model
}

// Config is what a Handler needs.
type Config struct {
	Models Models
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
	Log          *slog.Logger
}

// Handler is the protocol's http.Handler. Make one with New.
type Handler struct {
	Config
	pod    []string
	routes map[kind]*metrics.Series
	served map[*model.Model]*served
	pool   scratchPool
}

// served is what is made once for each model: header values and counters.
type served struct {
	name, version []string
	routes        map[kind]*metrics.Series
}

// New returns a Handler.
func New(c Config) *Handler {
	h := &Handler{
		Config: c,
		pod:    []string{c.Pod},
		routes: map[kind]*metrics.Series{},
		served: map[*model.Model]*served{},
	}
	for k := range kinds {
		h.routes[k] = c.Metrics.Series(string(k), "", "")
	}
	for _, m := range c.Models.All() {
		s := &served{name: []string{m.Name}, version: []string{m.Version}, routes: map[kind]*metrics.Series{}}
		for k := range kinds {
			if k.ofModel() {
				s.routes[k] = c.Metrics.Series(string(k), m.Name, m.Version)
			}
		}
		h.served[m] = s
	}
	return h
}

// answer is what a route gives back.
type answer struct {
	status int
	body   []byte
	// rows is how many rows were predicted.
	rows int
	// model is set on routes of a model that was found.
	model *model.Model
}

// ServeHTTP answers one request, counts it and logs it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	w.Header()["X-Rollproof-Pod"] = h.pod
	to := parseRoute(r.URL.Path)
	scratch := h.pool.get()
	defer h.pool.put(scratch)
	a := h.guarded(w, r, to, scratch)
	series := h.routes[to.kind]
	if a.model != nil {
		s := h.served[a.model]
		w.Header()["X-Rollproof-Model"] = s.name
		w.Header()["X-Rollproof-Version"] = s.version
		series = s.routes[to.kind]
	}
	w.Header()["Content-Type"] = contentType
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(a.body))}
	w.WriteHeader(a.status)
	var err error
	if r.Method != http.MethodHead {
		_, err = w.Write(a.body)
	}
	took := time.Since(start)
	series.Observe(a.status, a.rows, took)
	h.log(r, to, &a, took, err)
}

var contentType = []string{"application/json"}

// log writes the access log: at debug, server errors at warn. A probe that is told
// "not ready" is told so on purpose, and so is no server error.
func (h *Handler) log(r *http.Request, to route, a *answer, took time.Duration, err error) {
	level := slog.LevelDebug
	if a.status >= http.StatusInternalServerError && to.kind != kindReady {
		level = slog.LevelWarn
	}
	ctx := context.WithoutCancel(r.Context())
	if !h.Log.Enabled(ctx, level) {
		return
	}
	attributes := []slog.Attr{
		slog.String("method", r.Method),
		slog.String("path", r.URL.Path),
		slog.String("remote", r.RemoteAddr),
		slog.Int("status", a.status),
		slog.Duration("took", took),
		slog.Int("rows", a.rows),
	}
	if a.status >= http.StatusBadRequest {
		attributes = append(attributes, slog.String("answer", string(a.body)))
	}
	if err != nil {
		attributes = append(attributes, slog.String("write_error", err.Error()))
	}
	h.Log.LogAttrs(ctx, level, "request", attributes...)
}

// guarded answers and turns a panic into a 500: one request's bug must not cost its
// neighbours on the connection.
func (h *Handler) guarded(w http.ResponseWriter, r *http.Request, to route, s *scratch) (a answer) {
	defer func() {
		if p := recover(); p != nil {
			h.Log.Error("panic", "path", r.URL.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			a = problemAnswer(newProblem(http.StatusInternalServerError, reasonInternal,
				"the server failed on this request; its log says where"), a.model)
		}
	}()
	return h.dispatch(w, r, to, s)
}

// dispatch finds the route's function.
func (h *Handler) dispatch(w http.ResponseWriter, r *http.Request, to route, s *scratch) answer {
	if to.kind == kindUnknown {
		return problemAnswer(newProblem(http.StatusNotFound, reasonRouteNotFound,
			"no route %q, want /v2, /v2/health/live, /v2/health/ready or /v2/models/MODEL[/versions/V][/ready or /infer]",
			r.URL.Path), nil)
	}
	var m *model.Model
	if to.kind.ofModel() {
		var err error
		if m, err = h.Models.Find(to.model, to.version); err != nil {
			return problemAnswer(newProblem(http.StatusNotFound, reasonModelNotFound, "%v", err), nil)
		}
	}
	allow := "GET, HEAD"
	ok := r.Method == http.MethodGet || r.Method == http.MethodHead
	if to.kind == kindInfer {
		allow, ok = "POST", r.Method == http.MethodPost
	}
	if !ok {
		w.Header().Set("Allow", allow)
		return problemAnswer(newProblem(http.StatusMethodNotAllowed, reasonMethodNotAllowed,
			"%s %s: the method is not allowed, want %s", r.Method, r.URL.Path, allow), m)
	}
	switch to.kind {
	case kindServer:
		return h.describeServer()
	case kindLive:
		return jsonAnswer(health{Live: true}, nil)
	case kindReady:
		return h.ready()
	case kindModel:
		return h.describeModel(m, to.version != "")
	case kindModelReady:
		return jsonAnswer(modelHealth{Name: m.Name, Version: m.Version, Ready: true}, m)
	default:
		return h.infer(w, r, m, s)
	}
}

// jsonAnswer is a 200.
func jsonAnswer(value any, m *model.Model) answer {
	return answer{status: http.StatusOK, body: marshal(value), model: m}
}

// problemAnswer is an error answer.
func problemAnswer(p *problem, m *model.Model) answer {
	return answer{status: p.status, model: m, body: marshal(struct {
		Error  string `json:"error"`
		Reason string `json:"reason"`
	}{p.message, p.reason})}
}
