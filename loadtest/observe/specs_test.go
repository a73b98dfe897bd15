package observe_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/fake"

	"rollproof/loadtest/timeline"
)

var updateOptions metav1.UpdateOptions

func TestTheSpecIsRecordedOnce(t *testing.T) {
	t.Parallel()
	full := pod("web-a-1", "a", true)
	full.Spec.TerminationGracePeriodSeconds = ptr(int64(12))
	full.Spec.Containers[0] = corev1.Container{
		Name: "c", Image: "img-a",
		ReadinessProbe: &corev1.Probe{
			ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/ready", Port: intstr.FromInt32(80)}},
			PeriodSeconds: 2, FailureThreshold: 3, SuccessThreshold: 1, TimeoutSeconds: 1,
		},
		LivenessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{}}, InitialDelaySeconds: 9},
		StartupProbe:  &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{}}},
		Lifecycle:     &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 4}}},
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m")},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")},
		},
	}
	second := pod("web-a-2", "a", true)
	second.Spec = full.Spec
	d := deployment(1, 2, 2, 2)
	d.Spec.MinReadySeconds = 3
	o := startObserver(t, fake.NewClientset(d, replicaSet("web-a", "a", "1"), full, second))
	tl := o.Timeline()
	if len(tl.Templates) != 1 {
		t.Fatalf("%d templates, want one for both pods", len(tl.Templates))
	}
	want := timeline.Template{Name: "a", Grace: 12, Containers: []timeline.Container{{
		Name: "c", Image: "img-a", PreStop: &timeline.PreStop{Kind: "sleep", Seconds: 4},
		Readiness:  &timeline.Probe{Kind: "httpGet", Period: 2, Timeout: 1, Failures: 3, Successes: 1},
		Liveness:   &timeline.Probe{Kind: "tcpSocket", InitialDelay: 9},
		Startup:    &timeline.Probe{Kind: "exec"},
		CPURequest: 250, MemoryLimit: 64 << 20,
	}}}
	if diff := cmp.Diff(want, tl.Templates[0]); diff != "" {
		t.Error(diff)
	}
	wantWay := []timeline.Strategy{{Type: "RollingUpdate", Replicas: 2, MaxSurge: 1, MaxUnavailable: 0, MinReady: 3}}
	if diff := cmp.Diff(wantWay, tl.Strategies, cmpopts.IgnoreFields(timeline.Strategy{}, "At")); diff != "" {
		t.Error(diff)
	}
}

func TestTheStrategyInPods(t *testing.T) {
	t.Parallel()
	rolling := func(surge, unavailable intstr.IntOrString) *appsv1.RollingUpdateDeployment {
		return &appsv1.RollingUpdateDeployment{MaxSurge: &surge, MaxUnavailable: &unavailable}
	}
	tests := []struct {
		name     string
		strategy appsv1.DeploymentStrategy
		want     timeline.Strategy
	}{
		{"the defaults", appsv1.DeploymentStrategy{}, timeline.Strategy{Type: "RollingUpdate", MaxSurge: 3, MaxUnavailable: 2}},
		{"numbers", appsv1.DeploymentStrategy{RollingUpdate: rolling(intstr.FromInt32(1), intstr.FromInt32(0))}, timeline.Strategy{Type: "RollingUpdate", MaxSurge: 1}},
		{"none of either", appsv1.DeploymentStrategy{RollingUpdate: rolling(intstr.FromString("0%"), intstr.FromInt32(0))}, timeline.Strategy{Type: "RollingUpdate", MaxUnavailable: 1}},
		{"recreate", appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}, timeline.Strategy{Type: "Recreate"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := deployment(1, 9, 9, 9)
			d.Spec.Strategy = tt.strategy
			tt.want.Replicas = 9
			got := startObserver(t, fake.NewClientset(d)).Timeline().Strategies
			if diff := cmp.Diff([]timeline.Strategy{tt.want}, got, cmpopts.IgnoreFields(timeline.Strategy{}, "At")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// How a container ended may be told only with the pod's own end, or only as the
// last state of one that is up again.
func TestExitsAreSeenOnce(t *testing.T) {
	t.Parallel()
	old := pod("web-a-1", "a", true)
	longAgo := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ContainerID: "x0", ExitCode: 9}}
	old.Status.ContainerStatuses[0].LastTerminationState = longAgo
	client := fake.NewClientset(deployment(1, 1, 1, 1), replicaSet("web-a", "a", "1"), old)
	o := startObserver(t, client)
	pods := client.CoreV1().Pods(namespace)
	ctx := t.Context()

	again := pod("web-a-1", "a", true)
	finished := metav1.NewTime(time.Now().Truncate(time.Second))
	again.Status.ContainerStatuses[0].RestartCount = 1
	again.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{
		ContainerID: "x1", ExitCode: 137, Reason: "OOMKilled", FinishedAt: finished,
	}
	_, err := pods.Update(ctx, again, updateOptions)
	must(t, err)
	going := again.DeepCopy()
	going.DeletionTimestamp, going.DeletionGracePeriodSeconds = &metav1.Time{Time: time.Now()}, ptr(int64(2))
	_, err = pods.Update(ctx, going, updateOptions)
	must(t, err)
	last := going.DeepCopy()
	last.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ContainerID: "x2", ExitCode: 137, Reason: "Error", FinishedAt: finished}}
	_, err = pods.Update(ctx, last, updateOptions)
	must(t, err)
	must(t, pods.Delete(ctx, "web-a-1", metav1.DeleteOptions{}))
	eventually(t, o, "the pod's end", func(s timeline.State) bool { return len(s.Pods) == 1 && !s.Pods[0].Gone.IsZero() })

	p, _ := o.Timeline().Pod("web-a-1")
	if len(p.Exits) != 2 || !p.Exits[0].OOM() || p.Exits[0].Killed() || !p.Exits[1].Killed() {
		t.Fatalf("exits: %+v", p.Exits)
	}
	if p.Grace == nil || *p.Grace != 2 || len(p.Readiness) == 0 || !p.Readiness[0].Ready {
		t.Errorf("pod: %+v", p)
	}
	if end := p.Ended(); end.Before(p.Terminating) || end.After(p.Gone) {
		t.Errorf("ended %v, not between %v and %v", end, p.Terminating, p.Gone)
	}
}

func TestConditionsThatAreNotSaid(t *testing.T) {
	t.Parallel()
	client := fake.NewClientset(deployment(1, 1, 1, 1), replicaSet("web-a", "a", "1"), pod("web-a-1", "a", true))
	o := startObserver(t, client)
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: "web-x", Namespace: namespace, Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
		Endpoints: []discoveryv1.Endpoint{
			{TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: "web-a-1"}},
			{TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: "db-1"}}, // another's
			{}, // nobody's
		},
	}
	_, err := client.DiscoveryV1().EndpointSlices(namespace).Create(t.Context(), slice, metav1.CreateOptions{})
	must(t, err)
	eventually(t, o, "the endpoint", func(timeline.State) bool { return len(o.Timeline().Endpoints) == 1 })
	want := timeline.Endpoint{Service: "web", Slice: "web-x", Pod: "web-a-1", Ready: true, Serving: true}
	if diff := cmp.Diff(want, o.Timeline().Endpoints[0], cmpopts.IgnoreFields(timeline.Endpoint{}, "At")); diff != "" {
		t.Error(diff)
	}
}

func TestTheCommandsLinesAreBounded(t *testing.T) {
	t.Parallel()
	o := startObserver(t, fake.NewClientset(deployment(1, 1, 1, 1)))
	for range 6000 {
		o.CommandLine("updating")
	}
	events := o.Timeline().Events
	lines := slices.DeleteFunc(events, func(e timeline.Event) bool { return e.Kind != "Command" })
	if len(lines) != 5001 || lines[0].Detail != "updating" || lines[5000].Detail == "updating" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1].Detail)
	}
}
