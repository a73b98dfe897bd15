package observe_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"rollproof/loadtest/observe"
	"rollproof/loadtest/timeline"
)

const namespace = "ns"

func ptr[T any](v T) *T { return &v }

func deployment(generation int64, spec, updated, ready int32) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: namespace, Generation: generation},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr(spec), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Image: "img"}}}},
		},
		Status: appsv1.DeploymentStatus{
			ObservedGeneration: generation, Replicas: spec, UpdatedReplicas: updated, ReadyReplicas: ready, AvailableReplicas: ready,
		},
	}
}

func replicaSet(name, template, revision string) *appsv1.ReplicaSet {
	return &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{
		Name: name, Namespace: namespace, Labels: map[string]string{"app": "web", "pod-template-hash": template},
		Annotations:     map[string]string{"deployment.kubernetes.io/revision": revision},
		OwnerReferences: []metav1.OwnerReference{{Kind: "Deployment", Name: "web", Controller: ptr(true)}},
	}}
}

func pod(name, template string, ready bool) *corev1.Pod {
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: map[string]string{"app": "web", "pod-template-hash": template}},
		Spec:       corev1.PodSpec{NodeName: "node", Containers: []corev1.Container{{Image: "img-" + template}}},
		Status: corev1.PodStatus{
			PodIP: "10.0.0.1", Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: status}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "c", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}},
		},
	}
}

func hpa(minimum, desired int32) *autoscalingv2.HorizontalPodAutoscaler { //nolint:unparam // said where it is called
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: "scaler", Namespace: namespace},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			MinReplicas: ptr(minimum), MaxReplicas: 6,
			Metrics: []autoscalingv2.MetricSpec{{Resource: &autoscalingv2.ResourceMetricSource{
				Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{AverageUtilization: ptr(int32(60))},
			}}},
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: "web"},
		},
		Status: autoscalingv2.HorizontalPodAutoscalerStatus{
			DesiredReplicas: desired,
			CurrentMetrics: []autoscalingv2.MetricStatus{{Resource: &autoscalingv2.ResourceMetricStatus{
				Name: corev1.ResourceCPU, Current: autoscalingv2.MetricValueStatus{AverageUtilization: ptr(int32(83))},
			}}},
		},
	}
}

func startObserver(t *testing.T, client *fake.Clientset) *observe.Observer {
	t.Helper()
	o, err := observe.Start(t.Context(), client, namespace, "web")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.Stop)
	return o
}

// eventually waits, on the observer's own signal, until cond holds.
func eventually(t *testing.T, o *observe.Observer, what string, cond func(timeline.State) bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		changed := o.Changed()
		if cond(o.State()) {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("not seen: %s; state %+v", what, o.State())
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestARolloutIsSeen(t *testing.T) {
	t.Parallel()
	client := fake.NewClientset(
		deployment(1, 2, 2, 2), replicaSet("web-a", "a", "1"), pod("web-a-1", "a", true), pod("web-a-2", "a", true), hpa(2, 2),
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "stranger", Namespace: namespace, Labels: map[string]string{"app": "db"}}},
	)
	o := startObserver(t, client)
	ctx := t.Context()
	began := time.Now()
	s := o.State()
	if s.Newest != "a" || !s.AtMinimum() || s.NewestPods != (timeline.PodCount{All: 2, Ready: 2}) || s.RolledOut("a") || s.Above() {
		t.Fatalf("at the start: %+v", s)
	}

	apps, core := client.AppsV1(), client.CoreV1()
	_, err := apps.Deployments(namespace).Update(ctx, deployment(2, 2, 1, 2), metav1.UpdateOptions{})
	must(t, err)
	_, err = apps.ReplicaSets(namespace).Create(ctx, replicaSet("web-b", "b", "2"), metav1.CreateOptions{})
	must(t, err)
	_, err = core.Pods(namespace).Create(ctx, pod("web-b-1", "b", false), metav1.CreateOptions{})
	must(t, err)
	eventually(t, o, "the new pod", func(s timeline.State) bool { return s.Newest == "b" && s.NewestPods.All == 1 && s.OtherPods.All == 2 })
	_, err = core.Pods(namespace).Update(ctx, pod("web-b-1", "b", true), metav1.UpdateOptions{})
	must(t, err)
	eventually(t, o, "the new pod ready", func(s timeline.State) bool { return slices.Contains(s.ReadySince(began), "web-b-1") })

	going := pod("web-a-1", "a", true)
	going.DeletionTimestamp, going.DeletionGracePeriodSeconds = &metav1.Time{Time: time.Now()}, ptr(int64(30))
	_, err = core.Pods(namespace).Update(ctx, going, metav1.UpdateOptions{})
	must(t, err)
	for _, name := range []string{"web-a-1", "web-a-2"} {
		must(t, core.Pods(namespace).Delete(ctx, name, metav1.DeleteOptions{}))
	}
	_, err = apps.Deployments(namespace).Update(ctx, deployment(2, 3, 3, 3), metav1.UpdateOptions{})
	must(t, err)
	_, err = client.AutoscalingV2().HorizontalPodAutoscalers(namespace).Update(ctx, hpa(2, 3), metav1.UpdateOptions{})
	must(t, err)
	eventually(t, o, "the rollout's end", func(s timeline.State) bool { return s.RolledOut("a") && s.Above() && s.HPA.Desired == 3 })

	tl := o.Timeline()
	old, ok := tl.Pod("web-a-1")
	if !ok || old.Gone.IsZero() || old.Terminating.IsZero() || !old.AtStart || old.Image != "img-a" {
		t.Errorf("old pod: %+v", old)
	}
	fresh, ok := tl.Pod("web-b-1")
	if !ok || fresh.Ready.IsZero() || fresh.Started.IsZero() || fresh.Scheduled.IsZero() || fresh.AtStart || fresh.Template != "b" {
		t.Errorf("new pod: %+v", fresh)
	}
	if _, ok := tl.Pod("stranger"); ok {
		t.Error("another Deployment's pod was taken for ours")
	}
	if tl.Raised(began).IsZero() || tl.Peak(began) != 3 || len(tl.Gaps) != 0 {
		t.Errorf("scales %+v, gaps %+v", tl.Scales, tl.Gaps)
	}
	if last := tl.Scales[len(tl.Scales)-1]; last.Metric != "cpu 83%" {
		t.Errorf("metric %q", last.Metric)
	}
}

func TestCrashesEndpointsAndEvents(t *testing.T) {
	t.Parallel()
	client := fake.NewClientset(deployment(1, 1, 1, 1), replicaSet("web-a", "a", "1"), pod("web-a-1", "a", true))
	o := startObserver(t, client)
	ctx := t.Context()
	crashed := pod("web-a-1", "a", false)
	crashed.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "c", RestartCount: 1, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 2, Reason: "Error"}},
	}}
	_, err := client.CoreV1().Pods(namespace).Update(ctx, crashed, metav1.UpdateOptions{})
	must(t, err)
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: "web-x", Namespace: namespace},
		Endpoints: []discoveryv1.Endpoint{{
			Addresses: []string{"10.0.0.1"}, TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: "web-a-1"},
			Conditions: discoveryv1.EndpointConditions{Ready: ptr(false), Serving: ptr(true), Terminating: ptr(true)},
		}},
	}
	_, err = client.DiscoveryV1().EndpointSlices(namespace).Create(ctx, slice, metav1.CreateOptions{})
	must(t, err)
	for name, at := range map[string]time.Time{"old": time.Now().Add(-time.Hour), "new": time.Now()} {
		_, err = client.CoreV1().Events(namespace).Create(ctx, &corev1.Event{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}, LastTimestamp: metav1.Time{Time: at},
			InvolvedObject: corev1.ObjectReference{Kind: "Pod", Name: "web-a-1"}, Reason: "BackOff-" + name,
		}, metav1.CreateOptions{})
		must(t, err)
	}
	want := []string{"container exited", "restarted", "endpoint web-a-1", "BackOff-new", "not ready"}
	eventually(t, o, strings.Join(want, ", "), func(timeline.State) bool {
		events := o.Timeline().Events
		return !slices.ContainsFunc(want, func(what string) bool {
			return !slices.ContainsFunc(events, func(e timeline.Event) bool { return e.What == what })
		})
	})
	must(t, client.DiscoveryV1().EndpointSlices(namespace).Delete(ctx, "web-x", metav1.DeleteOptions{}))
	eventually(t, o, "the endpoint withdrawn", func(timeline.State) bool {
		return slices.ContainsFunc(o.Timeline().Events, func(e timeline.Event) bool { return e.Detail == "withdrawn" })
	})
	for _, e := range o.Timeline().Events {
		if e.What == "BackOff-old" {
			t.Error("an event from before the watch was taken")
		}
	}
}

func TestAbsentDeployment(t *testing.T) {
	t.Parallel()
	_, err := observe.Start(t.Context(), fake.NewClientset(), namespace, "web")
	if err == nil || !strings.Contains(err.Error(), "deployment ns/web") {
		t.Errorf("error %v", err)
	}
}

func TestMissingRightsAreNamed(t *testing.T) {
	t.Parallel()
	client := fake.NewClientset(deployment(1, 1, 1, 1))
	client.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("pods is forbidden")
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := observe.Start(ctx, client, namespace, "web")
	if err == nil || !strings.Contains(err.Error(), "pods is forbidden") {
		t.Errorf("error %v", err)
	}
}

func TestTargetWithoutKubeconfig(t *testing.T) {
	t.Parallel()
	_, _, err := observe.Target{Kubeconfig: "no/such/file", Deployment: "web"}.Client()
	if err == nil || !strings.Contains(err.Error(), "kubeconfig") {
		t.Errorf("error %v", err)
	}
}

func TestAMetricBelowWhatTheAutoscalerActsOnIsShort(t *testing.T) {
	t.Parallel()
	for measured, want := range map[int32]bool{0: true, 59: true, 66: true, 67: false, 83: false} {
		h := hpa(2, 2)
		h.Status.CurrentMetrics[0].Resource.Current.AverageUtilization = ptr(measured)
		o := startObserver(t, fake.NewClientset(deployment(1, 1, 1, 1), replicaSet("web-a", "a", "1"), h))
		if got := o.State().HPA; got == nil || got.Short != want {
			t.Errorf("%d%% of a target of 60%%: %+v, want it short: %t", measured, got, want)
		}
	}
	h := hpa(2, 2)
	h.Status.CurrentMetrics = nil
	o := startObserver(t, fake.NewClientset(deployment(1, 1, 1, 1), replicaSet("web-a", "a", "1"), h))
	if got := o.State().HPA; got == nil || got.Short {
		t.Errorf("no metric yet: %+v, want it not short", got)
	}
}

func statefulSet(generation int64, revision string, updated, ready int32) *appsv1.StatefulSet {
	return &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: namespace, Generation: generation},
		Spec: appsv1.StatefulSetSpec{
			Replicas: ptr(int32(2)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Image: "img"}}}},
		},
		Status: appsv1.StatefulSetStatus{
			ObservedGeneration: generation, Replicas: 2, UpdatedReplicas: updated, ReadyReplicas: ready, AvailableReplicas: ready, UpdateRevision: revision,
		},
	}
}

func numbered(name, revision, uid string) *corev1.Pod {
	p := pod(name, "", true)
	p.UID = types.UID(uid)
	p.Labels = map[string]string{"app": "web", "controller-revision-hash": revision}
	return p
}

// A StatefulSet's pods keep their names from one template to the next.
func TestAStatefulSet(t *testing.T) {
	t.Parallel()
	client := fake.NewClientset(statefulSet(1, "web-a", 2, 2), numbered("web-0", "web-a", "1"), numbered("web-1", "web-a", "2"))
	o, err := observe.StartStatefulSet(t.Context(), client, namespace, "web")
	must(t, err)
	t.Cleanup(o.Stop)
	s := o.State()
	if !s.AtMinimum() || s.Newest != "web-a" || s.NewestPods.Ready != 2 || s.Deployment.Image != "img" {
		t.Fatalf("state: %+v", s)
	}
	ctx := t.Context()
	_, err = client.AppsV1().StatefulSets(namespace).Update(ctx, statefulSet(2, "web-b", 0, 2), updateOptions)
	must(t, err)
	eventually(t, o, "the new revision", func(s timeline.State) bool { return s.Newest == "web-b" && s.OtherPods.All == 2 })
	pods := client.CoreV1().Pods(namespace)
	must(t, pods.Delete(ctx, "web-1", metav1.DeleteOptions{}))
	_, err = pods.Create(ctx, numbered("web-1", "web-b", "3"), metav1.CreateOptions{})
	must(t, err)
	// Of this one's end no event comes: it is another pod at once.
	_, err = pods.Update(ctx, numbered("web-0", "web-b", "4"), updateOptions)
	must(t, err)
	_, err = client.AppsV1().StatefulSets(namespace).Update(ctx, statefulSet(2, "web-b", 2, 2), updateOptions)
	must(t, err)
	eventually(t, o, "the rollout's end", func(s timeline.State) bool { return s.RolledOut("web-a") && s.NewestPods.Ready == 2 })
	gone := 0
	for _, p := range o.Timeline().Pods {
		if (p.Template == "web-a") == p.Gone.IsZero() {
			t.Errorf("pod %s of %s: gone %v", p.Name, p.Template, p.Gone)
		}
		if !p.Gone.IsZero() {
			gone++
		}
	}
	if ways := o.Timeline().Strategies; gone != 2 || len(ways) != 1 || ways[0].MaxSurge != 0 || ways[0].MaxUnavailable != 1 {
		t.Errorf("%d pods gone, strategies %+v", gone, ways)
	}
	if _, err := observe.StartStatefulSet(ctx, client, namespace, "absent"); err == nil || !strings.Contains(err.Error(), "statefulset ns/absent") {
		t.Errorf("error %v", err)
	}
}
