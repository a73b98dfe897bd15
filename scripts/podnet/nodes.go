package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// Node is what the pod network needs of a node; a field that the cluster has
// not set yet is its zero value.
type Node struct {
	Name    string
	Address netip.Addr   // InternalIP, IPv4
	Range   netip.Prefix // podCIDR, IPv4
}

// Nodes watches the cluster's nodes.
type Nodes struct {
	factory informers.SharedInformerFactory
}

// NewNodes returns a watcher that also reports every resync.
func NewNodes(client kubernetes.Interface, resync time.Duration) *Nodes {
	return &Nodes{factory: informers.NewSharedInformerFactory(client, resync)}
}

// Each calls do with all nodes, at first and after every change, until the
// context ends or do returns an error. Changes that come while do runs are
// one call.
func (n *Nodes) Each(ctx context.Context, do func([]Node) error) error {
	informer := n.factory.Core().V1().Nodes()
	wake := make(chan struct{}, 1)
	poke := func() {
		select {
		case wake <- struct{}{}:
		default: // one is waiting already
		}
	}
	if _, err := informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { poke() },
		UpdateFunc: func(any, any) { poke() },
		DeleteFunc: func(any) { poke() },
	}); err != nil {
		return fmt.Errorf("watching nodes: %w", err)
	}
	// Shutdown waits for the informers, which end with their context.
	ctx, stop := context.WithCancel(ctx)
	defer n.factory.Shutdown()
	defer stop()
	n.factory.Start(ctx.Done())
	bounded, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if !cache.WaitForCacheSync(bounded.Done(), informer.Informer().HasSynced) {
		if ctx.Err() != nil {
			return nil
		}
		return errors.New("the nodes could not be listed within 2m")
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		}
		list, err := informer.Lister().List(labels.Everything())
		if err != nil {
			return fmt.Errorf("listing nodes: %w", err)
		}
		nodes := make([]Node, 0, len(list))
		for _, node := range list {
			nodes = append(nodes, readNode(node))
		}
		if err := do(nodes); err != nil {
			return err
		}
	}
}

func readNode(node *corev1.Node) Node {
	n := Node{Name: node.Name}
	for _, a := range node.Status.Addresses {
		if a.Type != corev1.NodeInternalIP {
			continue
		}
		if ip, err := netip.ParseAddr(a.Address); err == nil && ip.Is4() {
			n.Address = ip
			break
		}
	}
	for _, cidr := range node.Spec.PodCIDRs {
		if p, err := netip.ParsePrefix(cidr); err == nil && p.Addr().Is4() {
			n.Range = p.Masked()
			break
		}
	}
	return n
}
