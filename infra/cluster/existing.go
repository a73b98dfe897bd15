package cluster

import (
	"fmt"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"rollproof/infra/kind"
)

// ExistingArgs describe a cluster that exists already.
type ExistingArgs struct {
	Kubeconfig string // the text of it
	Context    string
	// KindCluster is the cluster's name in kind, if it is one of the local
	// Docker: then images are loaded into its nodes instead of being pulled.
	KindCluster string
	// Build is how an image is made that Docker lacks; nil means not at all.
	Build func(reference string) *kind.Build
}

// NewExisting uses a cluster that somebody else made, and leaves it as it is.
func NewExisting(ctx *pulumi.Context, name string, args *ExistingArgs, opts ...pulumi.ResourceOption) (*Cluster, error) {
	kubeconfig := secret(pulumi.String(args.Kubeconfig).ToStringOutput())
	provider, err := kubernetes.NewProvider(ctx, name, &kubernetes.ProviderArgs{
		Kubeconfig:            kubeconfig,
		Context:               pulumi.String(args.Context),
		EnableServerSideApply: pulumi.Bool(true),
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("kubernetes provider of context %s: %w", args.Context, err)
	}
	c := &Cluster{
		Provider:   provider,
		Kubeconfig: kubeconfig,
		Context:    pulumi.String(args.Context).ToStringOutput(),
		Image:      pulled,
	}
	if args.KindCluster != "" {
		c.Image = kindImage(pulumi.String(args.KindCluster), nil, args.Build, opts...)
	}
	return c, nil
}
