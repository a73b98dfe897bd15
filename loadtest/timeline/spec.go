package timeline

import "time"

// Template is what a pod template says that matters to a rollout. It is seen in
// the first pod of the template.
type Template struct {
	Name       string      `json:"name"` // the pod-template-hash label
	Grace      float64     `json:"termination_grace_seconds"`
	Containers []Container `json:"containers"`
}

// Container is one container of a Template.
type Container struct {
	Name          string   `json:"name"`
	Image         string   `json:"image"`
	PreStop       *PreStop `json:"pre_stop,omitempty"`
	Readiness     *Probe   `json:"readiness_probe,omitempty"`
	Liveness      *Probe   `json:"liveness_probe,omitempty"`
	Startup       *Probe   `json:"startup_probe,omitempty"`
	CPURequest    int64    `json:"cpu_request_millis,omitempty"`
	CPULimit      int64    `json:"cpu_limit_millis,omitempty"`
	MemoryRequest int64    `json:"memory_request_bytes,omitempty"`
	MemoryLimit   int64    `json:"memory_limit_bytes,omitempty"`
}

// PreStop is what a container's preStop hook does.
type PreStop struct {
	Kind    string  `json:"kind"`              // sleep, exec, httpGet or tcpSocket
	Seconds float64 `json:"seconds,omitempty"` // of a sleep
}

// Probe is one probe of a container, its times in seconds.
type Probe struct {
	Kind         string  `json:"kind"` // httpGet, tcpSocket, grpc or exec
	InitialDelay float64 `json:"initial_delay_seconds"`
	Period       float64 `json:"period_seconds"`
	Timeout      float64 `json:"timeout_seconds"`
	Failures     int32   `json:"failure_threshold"`
	Successes    int32   `json:"success_threshold"`
}

// Strategy is how a Deployment replaces its pods, from At on.
type Strategy struct {
	At       time.Time `json:"at"`
	Type     string    `json:"type"` // RollingUpdate or Recreate
	Replicas int32     `json:"replicas"`
	// MaxSurge and MaxUnavailable are in pods, of Replicas.
	MaxSurge       int32   `json:"max_surge"`
	MaxUnavailable int32   `json:"max_unavailable"`
	MinReady       float64 `json:"min_ready_seconds"`
}

// Node is one change of a node. Where nodes may not be seen there are none.
type Node struct {
	At            time.Time `json:"at"`
	Name          string    `json:"name"`
	Ready         bool      `json:"ready"`
	Unschedulable bool      `json:"unschedulable,omitempty"`
	Gone          bool      `json:"gone,omitempty"`
}

// Template returns the pod template of that name, and false if none was seen.
func (t *Timeline) Template(name string) (Template, bool) {
	for _, m := range t.Templates {
		if m.Name == name {
			return m, true
		}
	}
	return Template{}, false
}

// StrategyAt returns the strategy that held at that moment, or the first one
// seen if none had been by then; false if none ever was.
func (t *Timeline) StrategyAt(at time.Time) (Strategy, bool) {
	if len(t.Strategies) == 0 {
		return Strategy{}, false
	}
	held := t.Strategies[0]
	for _, s := range t.Strategies {
		if !s.At.After(at) {
			held = s
		}
	}
	return held, true
}

// ScaleAt returns what was asked of the Deployment at that moment, and false if
// nothing had been seen by then.
func (t *Timeline) ScaleAt(at time.Time) (Scale, bool) {
	var held Scale
	found := false
	for _, s := range t.Scales {
		if !s.At.After(at) {
			held, found = s, true
		}
	}
	return held, found
}
