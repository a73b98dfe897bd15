package run_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientfake "k8s.io/client-go/kubernetes/fake"

	"rollproof/loadtest/cases"
	"rollproof/loadtest/fake"
)

const namespace = "ns"

var set = fake.Set(5)

func ptr[T any](v T) *T { return &v }

// cluster is a pretended Deployment of two pods with an autoscaler, and a
// service that spreads requests over the pods. A command asks it for a rollout
// by making the file at trigger.
type cluster struct {
	t       *testing.T
	client  *clientfake.Clientset
	url     string
	trigger string
	to      string       // the version of the new pods
	drop    atomic.Int64 // requests to lose from now on

	mu   sync.Mutex
	pods []*pod
	next int
}

type pod struct {
	name, template string
	server         *fake.Server
}

func newCluster(t *testing.T, set *cases.Set) *cluster {
	t.Helper()
	c := &cluster{t: t, to: "2", client: clientfake.NewClientset(), trigger: filepath.Join(t.TempDir(), "go")}
	ctx := t.Context()
	_, err := c.client.AppsV1().Deployments(namespace).Create(ctx, c.deployment(1, 2, 2, 2), metav1.CreateOptions{})
	must(t, err)
	c.replicaSet("a", "1")
	_, err = c.client.AutoscalingV2().HorizontalPodAutoscalers(namespace).Create(ctx, &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: namespace},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			MinReplicas: ptr(int32(2)), MaxReplicas: 4,
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: "web"},
			Metrics: []autoscalingv2.MetricSpec{{Resource: &autoscalingv2.ResourceMetricSource{
				Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{AverageUtilization: ptr(int32(60))},
			}}},
		},
		Status: autoscalingv2.HorizontalPodAutoscalerStatus{
			CurrentMetrics: []autoscalingv2.MetricStatus{{Resource: &autoscalingv2.ResourceMetricStatus{
				Name: corev1.ResourceCPU, Current: autoscalingv2.MetricValueStatus{AverageUtilization: ptr(int32(31))},
			}}},
		},
	}, metav1.CreateOptions{})
	must(t, err)
	c.addPod(set, "a", "1")
	c.addPod(set, "a", "1")
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	c.url = s.URL
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// ServeHTTP spreads requests over the pods.
func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.drop.Add(-1) >= 0 {
		http.Error(w, "lost on demand", http.StatusBadGateway)
		return
	}
	c.mu.Lock()
	c.next++
	server := c.pods[c.next%len(c.pods)].server
	c.mu.Unlock()
	server.ServeHTTP(w, r)
}

func (c *cluster) deployment(generation int64, spec, updated, all int32) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: namespace, Generation: generation},
		Spec:       appsv1.DeploymentSpec{Replicas: ptr(spec), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
		Status: appsv1.DeploymentStatus{
			ObservedGeneration: generation, Replicas: all, UpdatedReplicas: updated, ReadyReplicas: all, AvailableReplicas: all,
		},
	}
}

func (c *cluster) setDeployment(generation int64, spec, updated, all int32) {
	_, err := c.client.AppsV1().Deployments(namespace).Update(context.Background(), c.deployment(generation, spec, updated, all), metav1.UpdateOptions{})
	must(c.t, err)
}

func (c *cluster) replicaSet(template, revision string) {
	_, err := c.client.AppsV1().ReplicaSets(namespace).Create(context.Background(), &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{
		Name: "web-" + template, Namespace: namespace, Labels: map[string]string{"app": "web", "pod-template-hash": template},
		Annotations:     map[string]string{"deployment.kubernetes.io/revision": revision},
		OwnerReferences: []metav1.OwnerReference{{Kind: "Deployment", Name: "web", Controller: ptr(true)}},
	}}, metav1.CreateOptions{})
	must(c.t, err)
}

func (c *cluster) addPod(set *cases.Set, template, version string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	name := fmt.Sprintf("web-%s-%d", template, c.next)
	_, err := c.client.CoreV1().Pods(namespace).Create(context.Background(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: map[string]string{"app": "web", "pod-template-hash": template}},
		Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}, metav1.CreateOptions{})
	must(c.t, err)
	c.pods = append(c.pods, &pod{name: name, template: template, server: fake.New(set, name, version, nil)})
}

// removePods takes n pods of a template out of the service and then away.
func (c *cluster) removePods(template string, n int) {
	c.mu.Lock()
	var kept, gone []*pod
	for _, p := range c.pods {
		if p.template == template && len(gone) < n {
			gone = append(gone, p)
		} else {
			kept = append(kept, p)
		}
	}
	c.pods = kept
	c.mu.Unlock()
	time.Sleep(50 * time.Millisecond) // requests under way
	for _, p := range gone {
		must(c.t, c.client.CoreV1().Pods(namespace).Delete(context.Background(), p.name, metav1.DeleteOptions{}))
	}
}

// triggered waits for the command's wish, and tells whether it came.
func (c *cluster) triggered() bool {
	for c.t.Context().Err() == nil {
		if _, err := os.Stat(c.trigger); err == nil {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// rollOut replaces the old pods by new ones, scales up and down again.
func (c *cluster) rollOut(scale bool) {
	if !c.triggered() {
		return
	}
	c.setDeployment(2, 2, 0, 2)
	c.replicaSet("b", "2")
	for i := range int32(2) {
		c.addPod(set, "b", c.to)
		c.setDeployment(2, 2, i+1, 3)
		time.Sleep(100 * time.Millisecond)
		c.removePods("a", 1)
	}
	c.setDeployment(2, 2, 2, 2)
	if !scale {
		return
	}
	time.Sleep(200 * time.Millisecond)
	c.addPod(set, "b", "2")
	c.setDeployment(2, 3, 3, 3)
	time.Sleep(600 * time.Millisecond)
	c.removePods("b", 1)
	c.setDeployment(2, 2, 2, 2)
}
