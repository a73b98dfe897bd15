package observe

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"rollproof/loadtest/timeline"
)

// watchNodes watches the nodes where that is allowed. A refusal is no error and
// no gap: it stands in the timeline, and a loss by a node's end is then told of
// as what it looks like from the pods.
func (o *Observer) watchNodes(first, ctx context.Context, client kubernetes.Interface) []cache.InformerSynced {
	nodes := client.CoreV1().Nodes()
	if _, err := nodes.List(first, metav1.ListOptions{Limit: 1}); err != nil {
		o.Note("nodes", "not watched: "+err.Error())
		return nil
	}
	return []cache.InformerSynced{o.watchOne(ctx, client, resource{
		name: "nodes", object: &corev1.Node{}, watch: nodes.Watch,
		list: lister(nodes.List), narrow: func(*metav1.ListOptions) {},
		change: on(o.seeNode),
		remove: on(func(n *corev1.Node) {
			delete(o.nodes, n.Name)
			o.nodeTurn(timeline.Node{Name: n.Name, Gone: true}, "gone")
		}),
	})}
}

// seeNode takes a node's newest state; o.mu is held.
func (o *Observer) seeNode(n *corev1.Node) {
	now := timeline.Node{Name: n.Name, Unschedulable: n.Spec.Unschedulable}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			now.Ready = c.Status == corev1.ConditionTrue
		}
	}
	if old, ok := o.nodes[n.Name]; ok && old == now {
		return
	}
	o.nodes[n.Name] = now
	o.nodeTurn(now, fmt.Sprintf("ready=%t unschedulable=%t", now.Ready, now.Unschedulable))
}

// nodeTurn records a change of a node; o.mu is held.
func (o *Observer) nodeTurn(n timeline.Node, words string) {
	n.At = time.Now()
	o.nodeTurns = append(o.nodeTurns, n)
	o.event("Node", n.Name, "status", words)
}
