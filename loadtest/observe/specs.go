package observe

import (
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"rollproof/loadtest/timeline"
)

// defaultShare is what maxSurge and maxUnavailable are where they are not said.
const defaultShare = "25%"

// seeStrategy records how the Deployment replaces its pods, when that changes;
// o.mu is held.
func (o *Observer) seeStrategy(d *appsv1.Deployment) {
	now := timeline.Strategy{Type: string(d.Spec.Strategy.Type), Replicas: 1, MinReady: float64(d.Spec.MinReadySeconds)}
	if d.Spec.Replicas != nil {
		now.Replicas = *d.Spec.Replicas
	}
	if now.Type != string(appsv1.RecreateDeploymentStrategyType) {
		now.Type = string(appsv1.RollingUpdateDeploymentStrategyType)
		var surge, unavailable *intstr.IntOrString
		if r := d.Spec.Strategy.RollingUpdate; r != nil {
			surge, unavailable = r.MaxSurge, r.MaxUnavailable
		}
		now.MaxSurge = inPods(surge, now.Replicas, true)
		now.MaxUnavailable = inPods(unavailable, now.Replicas, false)
		if now.MaxSurge == 0 && now.MaxUnavailable == 0 {
			now.MaxUnavailable = 1 // as the controller has it: it must be able to begin
		}
	}
	o.addStrategy(now)
}

// seeUpdateStrategy records how the StatefulSet replaces its pods: in place, one
// after another or as many at once as it says; o.mu is held.
func (o *Observer) seeUpdateStrategy(s *appsv1.StatefulSet) {
	now := timeline.Strategy{Type: string(s.Spec.UpdateStrategy.Type), Replicas: 1, MaxUnavailable: 1, MinReady: float64(s.Spec.MinReadySeconds)}
	if s.Spec.Replicas != nil {
		now.Replicas = *s.Spec.Replicas
	}
	if now.Type == "" {
		now.Type = string(appsv1.RollingUpdateStatefulSetStrategyType)
	}
	if r := s.Spec.UpdateStrategy.RollingUpdate; r != nil && r.MaxUnavailable != nil {
		now.MaxUnavailable = max(inPods(r.MaxUnavailable, now.Replicas, true), 1)
	}
	o.addStrategy(now)
}

// addStrategy records a strategy if it is another than the last; o.mu is held.
func (o *Observer) addStrategy(now timeline.Strategy) {
	if n := len(o.ways); n > 0 {
		last := o.ways[n-1]
		last.At = time.Time{}
		if last == now {
			return
		}
	}
	now.At = time.Now()
	o.ways = append(o.ways, now)
}

// inPods returns a number or share of replicas in pods. A share that is not one
// counts as the default: the API server does not let it in.
func inPods(v *intstr.IntOrString, replicas int32, up bool) int32 {
	share := intstr.FromString(defaultShare)
	if v == nil {
		v = &share
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(v, int(replicas), up)
	if err != nil {
		return 0
	}
	return int32(n)
}

// seeTemplate records what a pod's template says, once a template; o.mu is held.
func (o *Observer) seeTemplate(name string, spec *corev1.PodSpec) {
	if slices.ContainsFunc(o.templates, func(t timeline.Template) bool { return t.Name == name }) {
		return
	}
	t := timeline.Template{Name: name, Grace: corev1.DefaultTerminationGracePeriodSeconds}
	if spec.TerminationGracePeriodSeconds != nil {
		t.Grace = float64(*spec.TerminationGracePeriodSeconds)
	}
	for i := range spec.Containers {
		t.Containers = append(t.Containers, containerOf(&spec.Containers[i]))
	}
	o.templates = append(o.templates, t)
}

func containerOf(c *corev1.Container) timeline.Container {
	out := timeline.Container{
		Name: c.Name, Image: c.Image,
		Readiness: probeOf(c.ReadinessProbe), Liveness: probeOf(c.LivenessProbe), Startup: probeOf(c.StartupProbe),
		CPURequest: c.Resources.Requests.Cpu().MilliValue(), CPULimit: c.Resources.Limits.Cpu().MilliValue(),
		MemoryRequest: c.Resources.Requests.Memory().Value(), MemoryLimit: c.Resources.Limits.Memory().Value(),
	}
	if c.Lifecycle == nil || c.Lifecycle.PreStop == nil {
		return out
	}
	switch hook := c.Lifecycle.PreStop; {
	case hook.Sleep != nil:
		out.PreStop = &timeline.PreStop{Kind: "sleep", Seconds: float64(hook.Sleep.Seconds)}
	case hook.Exec != nil:
		out.PreStop = &timeline.PreStop{Kind: "exec"}
	case hook.HTTPGet != nil:
		out.PreStop = &timeline.PreStop{Kind: "httpGet"}
	case hook.TCPSocket != nil:
		out.PreStop = &timeline.PreStop{Kind: "tcpSocket"}
	}
	return out
}

func probeOf(p *corev1.Probe) *timeline.Probe {
	if p == nil {
		return nil
	}
	out := &timeline.Probe{
		InitialDelay: float64(p.InitialDelaySeconds), Period: float64(p.PeriodSeconds), Timeout: float64(p.TimeoutSeconds),
		Failures: p.FailureThreshold, Successes: p.SuccessThreshold,
	}
	switch {
	case p.HTTPGet != nil:
		out.Kind = "httpGet"
	case p.TCPSocket != nil:
		out.Kind = "tcpSocket"
	case p.GRPC != nil:
		out.Kind = "grpc"
	case p.Exec != nil:
		out.Kind = "exec"
	}
	return out
}
