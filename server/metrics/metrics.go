// Package metrics holds what the server counts, on a registry of its own.
package metrics

import (
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics counts requests. Make one with New.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	rows     *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// New returns the server's metrics. When they are scraped inFlight gives the number of
// requests being answered, and state the server's state, one of states.
func New(version string, inFlight func() int64, state func() string, states []string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollproof_requests_total",
			Help: "Answered requests by route, model, version and HTTP status code.",
		}, []string{"route", "model", "version", "code"}),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollproof_rows_total",
			Help: "Rows predicted.",
		}, []string{"model", "version"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rollproof_request_duration_seconds",
			Help: "Time from the request's header to the end of its answer, by route, model and version.",
			Buckets: []float64{
				.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10,
			},
		}, []string{"route", "model", "version"}),
	}
	m.registry.MustRegister(m.requests, m.rows, m.duration,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "rollproof_requests_in_flight",
			Help: "Requests being answered now.",
		}, func() float64 { return float64(inFlight()) }),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	for _, name := range states {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "rollproof_state",
			Help:        "1 for the state that the server is in.",
			ConstLabels: prometheus.Labels{"state": name},
		}, func() float64 {
			if state() == name {
				return 1
			}
			return 0
		}))
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "rollproof_build_info",
		Help:        "Always 1; the labels say what was built.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(build)
	return m
}

// Handler serves the metrics in the Prometheus text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Series counts the requests of one route, model and version. The labels of the
// usual answer are looked up once, not with every request.
type Series struct {
	metrics               *Metrics
	route, model, version string
	ok                    prometheus.Counter
	rows                  prometheus.Counter
	duration              prometheus.Observer
}

// Series returns the counters of a route; model and version are empty where a route
// has none. They must come from the repository, never from a request's path: each new
// value would be kept for good.
func (m *Metrics) Series(route, model, version string) *Series {
	s := &Series{
		metrics: m, route: route, model: model, version: version,
		ok:       m.requests.WithLabelValues(route, model, version, "200"),
		duration: m.duration.WithLabelValues(route, model, version),
	}
	if model != "" {
		s.rows = m.rows.WithLabelValues(model, version)
	}
	return s
}

// Observe counts one answer by its HTTP status.
func (s *Series) Observe(status, rows int, took time.Duration) {
	if status == http.StatusOK {
		s.count(s.ok, rows, took)
		return
	}
	s.ObserveCode(strconv.Itoa(status), rows, took)
}

// ObserveCode counts one answer by the protocol's name of its status.
func (s *Series) ObserveCode(code string, rows int, took time.Duration) {
	s.count(s.metrics.requests.WithLabelValues(s.route, s.model, s.version, code), rows, took)
}

func (s *Series) count(answered prometheus.Counter, rows int, took time.Duration) {
	answered.Inc()
	if rows > 0 && s.rows != nil {
		s.rows.Add(float64(rows))
	}
	s.duration.Observe(took.Seconds())
}
