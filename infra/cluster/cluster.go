// Package cluster gives the Kubernetes cluster that everything else is
// deployed to: one made with kind, one that exists already, or one made on
// Google Kubernetes Engine. Whichever it is, it comes as the same Cluster, and
// nothing above this package knows the difference. What runs on the cluster
// does not live here.
package cluster

import (
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Cluster is a Kubernetes cluster, however it was had.
type Cluster struct {
	// Provider is how Pulumi's Kubernetes resources reach the cluster.
	Provider *kubernetes.Provider
	// Kubeconfig is the text of a kubeconfig for the cluster; secret.
	Kubeconfig pulumi.StringOutput
	// Context is the kubeconfig's context to use.
	Context pulumi.StringOutput
	// Image makes an image known to the cluster's nodes, if they cannot pull
	// it, and returns the name that pods use.
	Image func(ctx *pulumi.Context, name, reference string) (pulumi.StringOutput, error)
	// Options are for every component that is deployed to the cluster.
	Options []pulumi.ResourceOption
}

// pulled is Cluster.Image where nodes pull images themselves.
func pulled(_ *pulumi.Context, _, reference string) (pulumi.StringOutput, error) {
	return pulumi.String(reference).ToStringOutput(), nil
}
