package observe

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"rollproof/loadtest/timeline"
)

// resource is what is listed and watched of one kind. change and remove are
// called with the observer's lock held.
type resource struct {
	name   string
	object runtime.Object
	list   func(context.Context, metav1.ListOptions) (runtime.Object, error)
	watch  func(context.Context, metav1.ListOptions) (watch.Interface, error)
	narrow func(*metav1.ListOptions)
	change func(obj any)
	remove func(obj any)
}

// watchAll starts a watch for every kind.
func (o *Observer) watchAll(ctx context.Context, client kubernetes.Interface) []cache.InformerSynced {
	var synced []cache.InformerSynced
	for _, r := range o.resources(client) {
		synced = append(synced, o.watchOne(ctx, client, r))
	}
	return synced
}

func (o *Observer) resources(client kubernetes.Interface) []resource {
	deployments := client.AppsV1().Deployments(o.namespace)
	sets := client.AppsV1().ReplicaSets(o.namespace)
	pods := client.CoreV1().Pods(o.namespace)
	slices := client.DiscoveryV1().EndpointSlices(o.namespace)
	hpas := client.AutoscalingV2().HorizontalPodAutoscalers(o.namespace)
	events := client.CoreV1().Events(o.namespace)
	onlyOurs := func(opts *metav1.ListOptions) { opts.LabelSelector = o.selector.String() }
	all := func(*metav1.ListOptions) {}
	ours := []resource{
		{
			name: "deployments", object: &appsv1.Deployment{}, watch: deployments.Watch,
			list:   lister(deployments.List),
			narrow: o.byName,
			change: on(func(d *appsv1.Deployment) {
				if d.Name == o.deployment {
					o.seeDeployment(d)
				}
			}),
			remove: on(func(d *appsv1.Deployment) {
				if d.Name == o.deployment {
					o.dep = timeline.Deployment{}
					o.event("Deployment", d.Name, "gone", "")
				}
			}),
		},
		{
			name: "replicasets", object: &appsv1.ReplicaSet{}, watch: sets.Watch, list: lister(sets.List), narrow: onlyOurs,
			change: on(func(rs *appsv1.ReplicaSet) { o.seeReplicaSet(rs, false) }),
			remove: on(func(rs *appsv1.ReplicaSet) { o.seeReplicaSet(rs, true) }),
		},
	}
	if o.kind == kindStatefulSet {
		ours = []resource{o.statefulSets(client)}
	}
	return append(ours, []resource{
		{
			name: "pods", object: &corev1.Pod{}, watch: pods.Watch, list: lister(pods.List), narrow: onlyOurs,
			change: on(o.seePod),
			remove: on(o.losePod),
		},
		{
			name: "endpointslices", object: &discoveryv1.EndpointSlice{}, watch: slices.Watch, list: lister(slices.List), narrow: all,
			change: on(func(s *discoveryv1.EndpointSlice) { o.seeSlice(s, false) }),
			remove: on(func(s *discoveryv1.EndpointSlice) { o.seeSlice(s, true) }),
		},
		{
			name: "horizontalpodautoscalers", object: &autoscalingv2.HorizontalPodAutoscaler{}, watch: hpas.Watch, list: lister(hpas.List), narrow: all,
			change: on(func(h *autoscalingv2.HorizontalPodAutoscaler) { o.seeHPA(h, false) }),
			remove: on(func(h *autoscalingv2.HorizontalPodAutoscaler) { o.seeHPA(h, true) }),
		},
		{
			name: "events", object: &corev1.Event{}, watch: events.Watch, list: lister(events.List), narrow: all,
			change: on(o.seeEvent),
			remove: func(any) {}, // an event that expires is no news
		},
	}...)
}

// byName narrows to the one object of the observer's name.
func (o *Observer) byName(opts *metav1.ListOptions) {
	opts.FieldSelector = fields.OneTermEqualSelector("metadata.name", o.deployment).String()
}

func (o *Observer) statefulSets(client kubernetes.Interface) resource {
	sets := client.AppsV1().StatefulSets(o.namespace)
	return resource{
		name: "statefulsets", object: &appsv1.StatefulSet{}, watch: sets.Watch, list: lister(sets.List), narrow: o.byName,
		change: on(func(s *appsv1.StatefulSet) {
			if s.Name == o.deployment {
				o.seeStatefulSet(s)
			}
		}),
		remove: on(func(s *appsv1.StatefulSet) {
			if s.Name == o.deployment {
				o.dep = timeline.Deployment{}
				o.event(kindStatefulSet, s.Name, "gone", "")
			}
		}),
	}
}

// lister makes a typed list function return a plain object.
func lister[L runtime.Object](list func(context.Context, metav1.ListOptions) (L, error)) func(context.Context, metav1.ListOptions) (runtime.Object, error) {
	return func(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) { return list(ctx, opts) }
}

// on makes a typed handler take what an informer gives it: after a broken watch
// a deletion comes wrapped.
func on[T any](handle func(T)) func(any) {
	return func(obj any) {
		if unknown, ok := obj.(cache.DeletedFinalStateUnknown); ok {
			obj = unknown.Obj
		}
		if typed, ok := obj.(T); ok {
			handle(typed)
		}
	}
}

// watchOne starts the watch of one kind and returns how to learn that its first
// list is in. Failed lists and watches open a gap, the next good one closes it.
func (o *Observer) watchOne(ctx context.Context, client kubernetes.Interface, r resource) cache.InformerSynced {
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
			r.narrow(&opts)
			obj, err := r.list(ctx, opts)
			o.heard(ctx, r.name, err)
			return obj, err
		},
		WatchFuncWithContext: func(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
			r.narrow(&opts)
			w, err := r.watch(ctx, opts)
			o.heard(ctx, r.name, err)
			return w, err
		},
	}
	informer := cache.NewSharedInformer(cache.ToListWatcherWithWatchListSemantics(lw, client), r.object, 0)
	locked := func(handle func(any)) func(any) {
		return func(obj any) {
			o.mu.Lock()
			defer o.mu.Unlock()
			handle(obj)
		}
	}
	change, remove := locked(r.change), locked(r.remove)
	// Both calls fail only on an informer that has been started or stopped.
	registration, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: change, UpdateFunc: func(_, obj any) { change(obj) }, DeleteFunc: remove,
	})
	if err == nil {
		err = informer.SetWatchErrorHandlerWithContext(func(context.Context, *cache.Reflector, error) {
			// heard has it already, without client-go's log lines on the terminal.
		})
	}
	if err != nil {
		o.heard(ctx, r.name, err)
		return func() bool { return false }
	}
	// client-go's own log lines would break the terminal; heard has what matters.
	quiet := klog.NewContext(ctx, logr.Discard())
	o.watchers.Go(func() { informer.RunWithContext(quiet) })
	return registration.HasSynced
}

// heard opens or closes the gap of a resource.
func (o *Observer) heard(ctx context.Context, name string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	gap := o.gaps[name]
	switch {
	case err != nil && ctx.Err() == nil && gap == nil:
		o.gaps[name] = &timeline.Gap{Resource: name, From: time.Now(), Error: err.Error()}
		o.event("Run", name, "watch broke", err.Error())
	case err == nil && gap != nil:
		gap.To = time.Now()
		o.pastGaps = append(o.pastGaps, *gap)
		delete(o.gaps, name)
		o.event("Run", name, "watch is back", "")
	}
}

// gapReason says which watches are broken, for an error's end.
func (o *Observer) gapReason() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	for name, gap := range o.gaps {
		return ": " + name + ": " + gap.Error
	}
	return ""
}
