package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"rollproof/server/gate"
	"rollproof/server/lifecycle"
	"rollproof/server/repository"
)

// Sources are what is asked when the metrics are scraped. What is nil is left out.
type Sources struct {
	Gate    *gate.Gate
	Bodies  *gate.Budget
	Models  *repository.Repository
	Drainer *lifecycle.Drainer
}

// Watch adds what the sources say.
func (m *Metrics) Watch(s Sources) {
	gauge := func(name, help string, value func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	counter := func(name, help string, value func() float64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
	}
	whole := func(f func() int64) func() float64 { return func() float64 { return float64(f()) } }
	if g := s.Gate; g != nil {
		gauge("rollproof_computing", "Requests that have a place to compute now.", func() float64 { return float64(g.Inside()) })
		gauge("rollproof_queue", "Requests that wait for a place to compute now.", func() float64 { return float64(g.Waiting()) })
		counter("rollproof_shed_total", "Requests turned away because too many waited, or for too long.",
			func() float64 { return float64(g.Shed()) })
	}
	if b := s.Bodies; b != nil {
		gauge("rollproof_held_bytes", "Bytes of requests held now.", whole(b.Used))
	}
	if d := s.Drainer; d != nil {
		gauge("rollproof_connections", "HTTP connections that are open now.", whole(d.Open))
		counter("rollproof_connections_accepted_total", "HTTP connections that were accepted.", whole(d.Accepted))
		counter("rollproof_requests_cut_total", "HTTP requests that had begun and were not answered when the server's time to end was over.",
			whole(d.WereCut))
		for r, name := range lifecycle.ReasonNames() {
			m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
				Name:        "rollproof_connections_closed_total",
				Help:        "HTTP connections that were closed, by reason.",
				ConstLabels: prometheus.Labels{"reason": name},
			}, func() float64 { return float64(d.Closed(lifecycle.Reason(r))) }))
		}
	}
	if s.Models != nil {
		m.registry.MustRegister(modelsCollector{s.Models})
	}
}

// Loads returns the observer of attempts to load a model.
func (m *Metrics) Loads() func(repository.Attempt) {
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "rollproof_model_load_duration_seconds", Help: "Time to read and compile a model's file, by result.",
		Buckets: []float64{.001, .01, .1, 1, 10, 60},
	}, []string{"result"})
	m.registry.MustRegister(took)
	for _, result := range []string{"loaded", "failed"} {
		took.WithLabelValues(result)
	}
	return func(a repository.Attempt) {
		result := "loaded"
		if a.Err != nil {
			result = "failed"
		}
		took.WithLabelValues(result).Observe(a.Took.Seconds())
	}
}

// modelsCollector gives one series a version in the state it is in. Versions come and
// go, so there is nothing to keep between scrapes.
type modelsCollector struct{ models *repository.Repository }

// Describe implements prometheus.Collector.
func (modelsCollector) Describe(all chan<- *prometheus.Desc) { all <- modelDescription() }

func modelDescription() *prometheus.Desc {
	return prometheus.NewDesc("rollproof_model_state", "1 for the state that a model's version is in: loading, ready, failed or unloading.",
		[]string{"model", "version", "state"}, nil)
}

// Collect implements prometheus.Collector.
func (c modelsCollector) Collect(all chan<- prometheus.Metric) {
	description := modelDescription()
	type key struct{ name, version, state string }
	seen := map[key]bool{}
	for _, s := range c.models.Status() {
		k := key{s.Name, s.Version, string(s.State)}
		if seen[k] {
			continue // an old and a new file of one version
		}
		seen[k] = true
		all <- prometheus.MustNewConstMetric(description, prometheus.GaugeValue, 1, k.name, k.version, k.state)
	}
}
