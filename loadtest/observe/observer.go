// Package observe watches one Deployment or StatefulSet and what belongs to it,
// and keeps what it saw as a timeline. It needs the rights to get, list and watch
// Deployments, ReplicaSets, StatefulSets, Pods, EndpointSlices, HorizontalPodAutoscalers and Events in one
// namespace (Rights has them), and changes nothing. Nodes, which no right of one
// namespace reaches, are watched where they may be. It judges nothing.
package observe

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"rollproof/loadtest/timeline"
)

// syncTimeout bounds the wait for the first lists.
const syncTimeout = 20 * time.Second

// Observer watches one Deployment or StatefulSet. Make it with Start or
// StartStatefulSet.
type Observer struct {
	namespace  string
	kind       string // kindDeployment or kindStatefulSet
	deployment string // its name, also a StatefulSet's
	revision   string // a StatefulSet's newest template; a Deployment's is told by its ReplicaSets
	selector   labels.Selector
	began      time.Time
	cancel     context.CancelFunc
	watchers   sync.WaitGroup

	mu        sync.Mutex
	changed   chan struct{} // closed and replaced at each change
	synced    bool          // the first lists are in: what is added now is new
	dep       timeline.Deployment
	sets      map[string]replicaSet // by name
	pods      map[string]*timeline.Pod
	uids      map[string]types.UID // of pods: a StatefulSet's keep their names
	gone      []timeline.Pod
	hpa       *timeline.HPA
	endpoints map[string]map[string]timeline.Endpoint // by pod, by slice
	events    []timeline.Event
	turns     []timeline.Endpoint // of endpoints, in order
	exits     map[string]bool     // container ends seen already
	templates []timeline.Template
	ways      []timeline.Strategy
	nodes     map[string]timeline.Node // as last seen
	nodeTurns []timeline.Node
	output    int // lines of the command's that were taken
	scales    []timeline.Scale
	gaps      map[string]*timeline.Gap // open ones, by resource
	pastGaps  []timeline.Gap
}

type replicaSet struct {
	revision int64
	template string
	replicas int32
	ready    int32
}

// Start reads the Deployment, begins to watch it and all that belongs to it, and
// returns when the first lists are in. Stop must be called at the end.
func Start(ctx context.Context, client kubernetes.Interface, namespace, deployment string) (*Observer, error) {
	first, cancelFirst := context.WithTimeout(ctx, syncTimeout)
	defer cancelFirst()
	d, err := client.AppsV1().Deployments(namespace).Get(first, deployment, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("deployment %s/%s: %w", namespace, deployment, err)
	}
	return start(first, ctx, client, namespace, kindDeployment, deployment, d.Spec.Selector)
}

// StartStatefulSet is Start for a StatefulSet.
func StartStatefulSet(ctx context.Context, client kubernetes.Interface, namespace, name string) (*Observer, error) {
	first, cancelFirst := context.WithTimeout(ctx, syncTimeout)
	defer cancelFirst()
	s, err := client.AppsV1().StatefulSets(namespace).Get(first, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("statefulset %s/%s: %w", namespace, name, err)
	}
	return start(first, ctx, client, namespace, kindStatefulSet, name, s.Spec.Selector)
}

// start begins to watch; first bounds the wait for the first lists.
func start(first, ctx context.Context, client kubernetes.Interface, namespace, kind, name string, labelled *metav1.LabelSelector) (*Observer, error) {
	what := fmt.Sprintf("%s %s/%s", strings.ToLower(kind), namespace, name)
	selector, err := metav1.LabelSelectorAsSelector(labelled)
	if err != nil {
		return nil, fmt.Errorf("%s: selector: %w", what, err)
	}
	watchCtx, cancel := context.WithCancel(ctx)
	o := &Observer{
		namespace: namespace, kind: kind, deployment: name, selector: selector, uids: map[string]types.UID{},
		began: time.Now(), cancel: cancel,
		changed: make(chan struct{}),
		sets:    map[string]replicaSet{}, pods: map[string]*timeline.Pod{},
		endpoints: map[string]map[string]timeline.Endpoint{}, gaps: map[string]*timeline.Gap{},
		exits: map[string]bool{}, nodes: map[string]timeline.Node{},
	}
	synced := append(o.watchAll(watchCtx, client), o.watchNodes(first, watchCtx, client)...)
	if !cache.WaitForCacheSync(first.Done(), synced...) {
		o.Stop()
		return nil, fmt.Errorf("%s: the first lists did not come in %s%s", what, syncTimeout, o.gapReason())
	}
	o.mu.Lock()
	o.synced = true
	o.mu.Unlock()
	return o, nil
}

// Stop ends the watches and waits for them.
func (o *Observer) Stop() {
	o.cancel()
	o.watchers.Wait()
}

// State returns the cluster as it was last seen.
func (o *Observer) State() timeline.State {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.state()
}

func (o *Observer) state() timeline.State {
	s := timeline.State{Deployment: o.dep, Newest: o.newest()}
	if o.hpa != nil {
		hpa := *o.hpa
		s.HPA = &hpa
	}
	s.Pods = slices.Clone(o.gone)
	for _, p := range o.pods {
		s.Pods = append(s.Pods, *p)
	}
	s.Count()
	return s
}

// newest returns the template of the ReplicaSet with the highest revision, and of
// a StatefulSet the one that it updates to.
func (o *Observer) newest() string {
	if o.kind == kindStatefulSet {
		return o.revision
	}
	var revision int64 = -1
	template := ""
	for _, rs := range o.sets {
		if rs.revision > revision {
			revision, template = rs.revision, rs.template
		}
	}
	return template
}

// Changed returns a channel that is closed at the next change.
func (o *Observer) Changed() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.changed
}

// Note adds an event of the run itself to the timeline.
func (o *Observer) Note(what, detail string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.event("Run", "loadtest", what, detail)
}

// maxOutput bounds how many lines of the command's output the timeline takes;
// the run's folder has all of them.
const maxOutput = 5000

// CommandLine adds a line of the command's output to the timeline.
func (o *Observer) CommandLine(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.output++
	switch {
	case o.output <= maxOutput:
		o.event("Command", "output", "line", line)
	case o.output == maxOutput+1:
		o.event("Command", "output", "line", fmt.Sprintf("(more than %d lines: the others are in the command's log only)", maxOutput))
	}
}

// Timeline returns a copy of what was seen so far.
func (o *Observer) Timeline() *timeline.Timeline {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := &timeline.Timeline{
		Events: slices.Clone(o.events), Scales: slices.Clone(o.scales),
		Pods: o.state().Pods, Gaps: slices.Clone(o.pastGaps),
		Endpoints: slices.Clone(o.turns), Templates: slices.Clone(o.templates),
		Strategies: slices.Clone(o.ways), Nodes: slices.Clone(o.nodeTurns),
	}
	for _, g := range o.gaps {
		t.Gaps = append(t.Gaps, *g)
	}
	return t
}

// event records and tells of a change; o.mu is held.
func (o *Observer) event(kind, name, what, detail string) {
	o.events = append(o.events, timeline.Event{At: time.Now(), Kind: kind, Name: name, What: what, Detail: detail})
	close(o.changed)
	o.changed = make(chan struct{})
}

// scale records the scale if it is another than the last; o.mu is held.
func (o *Observer) scale() {
	s := timeline.Scale{Spec: o.dep.Spec, Ready: o.dep.Ready}
	if o.hpa != nil {
		s.Desired, s.Min, s.Max, s.Metric = o.hpa.Desired, o.hpa.Min, o.hpa.Max, o.hpa.Metric
		s.Measured, s.Target = o.hpa.Measured, o.hpa.Target
	}
	if n := len(o.scales); n > 0 {
		last := o.scales[n-1]
		last.At = time.Time{}
		if last == s {
			return
		}
	}
	s.At = time.Now()
	o.scales = append(o.scales, s)
}

func (o *Observer) seeDeployment(d *appsv1.Deployment) {
	now := timeline.Deployment{
		Found: true, Generation: d.Generation, Observed: d.Status.ObservedGeneration, Spec: 1,
		Replicas: d.Status.Replicas, Updated: d.Status.UpdatedReplicas,
		Ready: d.Status.ReadyReplicas, Available: d.Status.AvailableReplicas,
	}
	if d.Spec.Replicas != nil {
		now.Spec = *d.Spec.Replicas
	}
	if c := d.Spec.Template.Spec.Containers; len(c) > 0 {
		now.Image = c[0].Image
	}
	o.seeStrategy(d)
	if now == o.dep {
		return
	}
	o.dep = now
	o.scale()
	o.event("Deployment", d.Name, "status", fmt.Sprintf(
		"generation %d (observed %d), spec %d, replicas %d, updated %d, ready %d, available %d, image %s",
		now.Generation, now.Observed, now.Spec, now.Replicas, now.Updated, now.Ready, now.Available, now.Image))
}

// seeStatefulSet takes a StatefulSet's newest state as a Deployment's, whose
// numbers mean the same; o.mu is held.
func (o *Observer) seeStatefulSet(s *appsv1.StatefulSet) {
	now := timeline.Deployment{
		Found: true, Generation: s.Generation, Observed: s.Status.ObservedGeneration, Spec: 1,
		Replicas: s.Status.Replicas, Updated: s.Status.UpdatedReplicas,
		Ready: s.Status.ReadyReplicas, Available: s.Status.AvailableReplicas,
	}
	if s.Spec.Replicas != nil {
		now.Spec = *s.Spec.Replicas
	}
	if c := s.Spec.Template.Spec.Containers; len(c) > 0 {
		now.Image = c[0].Image
	}
	o.seeUpdateStrategy(s)
	if now == o.dep && o.revision == s.Status.UpdateRevision {
		return
	}
	o.dep, o.revision = now, s.Status.UpdateRevision
	o.scale()
	o.event(kindStatefulSet, s.Name, "status", fmt.Sprintf(
		"generation %d (observed %d), revision %s, spec %d, replicas %d, updated %d, ready %d, available %d, image %s",
		now.Generation, now.Observed, o.revision, now.Spec, now.Replicas, now.Updated, now.Ready, now.Available, now.Image))
}

func (o *Observer) seeReplicaSet(rs *appsv1.ReplicaSet, gone bool) {
	owner := metav1.GetControllerOf(rs)
	if owner == nil || owner.Kind != "Deployment" || owner.Name != o.deployment {
		return
	}
	if gone {
		delete(o.sets, rs.Name)
		o.event("ReplicaSet", rs.Name, "gone", "")
		return
	}
	// Without the annotation the revision stays 0: the controller sets it at once.
	revision, err := strconv.ParseInt(rs.Annotations["deployment.kubernetes.io/revision"], 10, 64)
	if err != nil {
		revision = 0
	}
	now := replicaSet{
		revision: revision, template: rs.Labels[appsv1.DefaultDeploymentUniqueLabelKey],
		replicas: rs.Status.Replicas, ready: rs.Status.ReadyReplicas,
	}
	if old, ok := o.sets[rs.Name]; ok && old == now {
		return
	}
	o.sets[rs.Name] = now
	o.event("ReplicaSet", rs.Name, "status", fmt.Sprintf("revision %d, replicas %d, ready %d", now.revision, now.replicas, now.ready))
}

func (o *Observer) seeHPA(h *autoscalingv2.HorizontalPodAutoscaler, gone bool) {
	if ref := h.Spec.ScaleTargetRef; ref.Kind != o.kind || ref.Name != o.deployment {
		return
	}
	if gone {
		o.hpa = nil
		o.event("HorizontalPodAutoscaler", h.Name, "gone", "")
		return
	}
	now := timeline.HPA{Name: h.Name, Min: 1, Max: h.Spec.MaxReplicas, Desired: h.Status.DesiredReplicas, Metric: "no metric yet"}
	if resource, measured, wanted := metricOf(h); resource != "" {
		now.Metric = fmt.Sprintf("%s %d%%", resource, measured)
		now.Measured, now.Target = measured, wanted
		now.Short = float64(measured) <= tolerance*float64(wanted)
	}
	if h.Spec.MinReplicas != nil {
		now.Min = *h.Spec.MinReplicas
	}
	if o.hpa != nil && *o.hpa == now {
		return
	}
	o.hpa = &now
	o.scale()
	o.event("HorizontalPodAutoscaler", h.Name, "status", fmt.Sprintf("min %d, max %d, current %d, desired %d, %s",
		now.Min, now.Max, h.Status.CurrentReplicas, now.Desired, now.Metric))
}

// tolerance is by how much a metric must exceed its target before an autoscaler acts,
// unless its controller is told otherwise: --horizontal-pod-autoscaler-tolerance.
const tolerance = 1.1

// metricOf returns the first resource of which the autoscaler measured the utilization,
// that, and its target (0 if it has none), in percent of the request; "" if there is none.
func metricOf(h *autoscalingv2.HorizontalPodAutoscaler) (resource string, measured, wanted int32) {
	for _, m := range h.Status.CurrentMetrics {
		if m.Resource == nil || m.Resource.Current.AverageUtilization == nil {
			continue
		}
		for _, target := range h.Spec.Metrics {
			if target.Resource != nil && target.Resource.Name == m.Resource.Name && target.Resource.Target.AverageUtilization != nil {
				wanted = *target.Resource.Target.AverageUtilization
			}
		}
		return string(m.Resource.Name), *m.Resource.Current.AverageUtilization, wanted
	}
	return "", 0, 0
}

func (o *Observer) seeEvent(e *corev1.Event) {
	at := e.LastTimestamp.Time
	if at.IsZero() {
		at = e.EventTime.Time
	}
	// Events outlive what they tell of by an hour: those from before are not ours.
	if at.Before(o.began.Add(-time.Second)) || !o.ours(e.InvolvedObject.Name) {
		return
	}
	o.event("Event", e.InvolvedObject.Name, e.Reason, e.Message)
}

// ours tells whether an object of that name belongs to the Deployment.
func (o *Observer) ours(name string) bool {
	if o.pods[name] != nil || name == o.deployment || (o.hpa != nil && name == o.hpa.Name) {
		return true
	}
	_, isSet := o.sets[name]
	return isSet || slices.ContainsFunc(o.gone, func(p timeline.Pod) bool { return p.Name == name })
}
