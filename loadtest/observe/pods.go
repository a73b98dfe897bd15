package observe

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollproof/loadtest/timeline"
)

// seePod takes a pod's newest state; o.mu is held. Each moment is stamped with
// the watch's own clock, which is the lanes' clock too.
func (o *Observer) seePod(p *corev1.Pod) {
	now := time.Now()
	pod := o.pods[p.Name]
	if pod != nil && o.uids[p.Name] != p.UID {
		// Another pod of the same name, of whose predecessor no end was told.
		o.end(p.Name, pod)
		pod = nil
	}
	if pod == nil {
		o.uids[p.Name] = p.UID
		pod = &timeline.Pod{Name: p.Name, Seen: now, AtStart: !o.synced, Template: o.templateOf(p)}
		if owner := metav1.GetControllerOf(p); owner != nil {
			pod.ReplicaSet = owner.Name
		}
		if len(p.Spec.Containers) > 0 {
			pod.Image = p.Spec.Containers[0].Image
		}
		o.pods[p.Name] = pod
		o.seeTemplate(pod.Template, &p.Spec)
		o.event("Pod", p.Name, "seen", "template "+pod.Template+", image "+pod.Image)
	}
	if pod.Scheduled.IsZero() && p.Spec.NodeName != "" {
		pod.Scheduled, pod.Node = now, p.Spec.NodeName
		o.event("Pod", p.Name, "scheduled", "node "+pod.Node)
	}
	if p.Status.PodIP != "" {
		pod.IP = p.Status.PodIP
	}
	o.seeContainers(p, pod, now)
	ready := isReady(p)
	if ready && pod.Ready.IsZero() {
		pod.Ready = now
	}
	if ready != pod.ReadyNow {
		pod.ReadyNow = ready
		pod.Readiness = append(pod.Readiness, timeline.Turn{At: now, Ready: ready})
		what := "not ready"
		if ready {
			what = "ready"
		}
		o.event("Pod", p.Name, what, "")
	}
	if pod.Terminating.IsZero() && p.DeletionTimestamp != nil {
		pod.Terminating = now
		if g := p.DeletionGracePeriodSeconds; g != nil {
			seconds := float64(*g)
			pod.Grace = &seconds
		}
		o.event("Pod", p.Name, "terminating", graceOf(p))
	}
}

func graceOf(p *corev1.Pod) string {
	if p.DeletionGracePeriodSeconds == nil {
		return ""
	}
	return fmt.Sprintf("grace %d s", *p.DeletionGracePeriodSeconds)
}

func (o *Observer) seeContainers(p *corev1.Pod, pod *timeline.Pod, now time.Time) {
	var restarts int32
	for _, c := range p.Status.ContainerStatuses {
		restarts += c.RestartCount
		if pod.Started.IsZero() && c.State.Running != nil {
			pod.Started = now
			o.event("Pod", p.Name, "started", "container "+c.Name)
		}
		// A container that is up again in no time shows its end only as its last one.
		o.seeExit(p.Name, pod, c.Name, c.LastTerminationState.Terminated, now)
		o.seeExit(p.Name, pod, c.Name, c.State.Terminated, now)
		if w := c.State.Waiting; w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
			o.once("Pod", p.Name, "container waits", fmt.Sprintf("container %s, %s: %s", c.Name, w.Reason, w.Message))
		}
	}
	if restarts > pod.Restarts {
		o.event("Pod", p.Name, "restarted", fmt.Sprintf("%d restarts in all", restarts))
	}
	pod.Restarts = restarts
}

// seeExit records the end of a container, once; ends from before the watch are
// only remembered. o.mu is held.
func (o *Observer) seeExit(name string, pod *timeline.Pod, container string, t *corev1.ContainerStateTerminated, now time.Time) {
	if t == nil {
		return
	}
	key := fmt.Sprint(name, "/", container, "/", t.ContainerID, "/", t.StartedAt.Unix(), "/", t.FinishedAt.Unix())
	if o.exits[key] {
		return
	}
	o.exits[key] = true
	if !o.synced {
		return
	}
	pod.Exits = append(pod.Exits, timeline.Exit{
		At: now, Started: t.StartedAt.Time, Finished: t.FinishedAt.Time,
		Container: container, Code: t.ExitCode, Signal: t.Signal, Reason: t.Reason,
	})
	o.event("Pod", name, "container exited", fmt.Sprintf("container %s, code %d, %s", container, t.ExitCode, t.Reason))
}

// once records an event unless the same was the last that the object had of its
// kind: a status is seen again with every change around it.
func (o *Observer) once(kind, name, what, detail string) {
	for i := len(o.events) - 1; i >= 0; i-- {
		e := o.events[i]
		if e.Kind == kind && e.Name == name && e.What == what {
			if e.Detail == detail {
				return
			}
			break
		}
	}
	o.event(kind, name, what, detail)
}

// losePod takes the end of a pod, with the last that was told of it: how its
// containers ended may come only then. o.mu is held.
func (o *Observer) losePod(p *corev1.Pod) {
	name := p.Name
	pod := o.pods[name]
	if pod == nil {
		return
	}
	if o.uids[name] != p.UID {
		return // it was told of already, by its successor
	}
	o.seePod(p)
	o.end(name, pod)
}

// end records that a pod is gone; o.mu is held.
func (o *Observer) end(name string, pod *timeline.Pod) {
	delete(o.pods, name)
	pod.Gone, pod.ReadyNow = time.Now(), false
	o.gone = append(o.gone, *pod)
	o.event("Pod", name, "gone", "")
}

// templateOf returns the label that tells a pod's template.
func (o *Observer) templateOf(p *corev1.Pod) string {
	if o.kind == kindStatefulSet {
		return p.Labels[appsv1.StatefulSetRevisionLabel]
	}
	return p.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
}

func isReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
