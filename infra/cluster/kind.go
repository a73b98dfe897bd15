package cluster

import (
	"fmt"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"rollproof/infra/kind"
)

// KindArgs describe a kind cluster.
type KindArgs struct {
	Name      string
	Workers   int
	NodeImage string // "": the provider's default
	HostPort  int    // of 127.0.0.1
	NodePort  int
	// GRPC is a second port, for gRPC; none if its HostPort is 0.
	GRPC  PortMapping
	Owner string
	// Build is how an image is made that Docker lacks; nil means not at all.
	Build func(reference string) *kind.Build
}

// PortMapping is a port of 127.0.0.1 that leads to a port of the nodes.
type PortMapping struct{ HostPort, NodePort int }

// NewKind makes a kind cluster in the local Docker.
func NewKind(ctx *pulumi.Context, name string, args *KindArgs, opts ...pulumi.ResourceOption) (*Cluster, error) {
	ports := []kind.PortMapping{{HostPort: args.HostPort, NodePort: args.NodePort, Setting: "rollproof:port"}}
	if args.GRPC.HostPort != 0 {
		ports = append(ports, kind.PortMapping{HostPort: args.GRPC.HostPort, NodePort: args.GRPC.NodePort, Setting: "rollproof:grpcPort"})
	}
	k, err := kind.NewCluster(ctx, name, &kind.ClusterArgs{
		Name:      args.Name,
		Workers:   args.Workers,
		NodeImage: args.NodeImage,
		Ports:     ports,
		Owner:     args.Owner,
	}, opts...)
	if err != nil {
		return nil, err
	}
	provider, err := kubernetes.NewProvider(ctx, name, &kubernetes.ProviderArgs{
		Kubeconfig: k.Kubeconfig,
		Context:    k.Context,
		// Another cluster of the same name is another cluster: what was on
		// the old one must be made again on it.
		ClusterIdentifier:     k.Instance,
		EnableServerSideApply: pulumi.Bool(true),
		// What was on a cluster that was deleted behind Pulumi's back is gone
		// with it.
		DeleteUnreachable: pulumi.Bool(true),
	}, append(opts[:len(opts):len(opts)], pulumi.Parent(k))...)
	if err != nil {
		return nil, fmt.Errorf("kubernetes provider of cluster %s: %w", args.Name, err)
	}
	return &Cluster{
		Provider:   provider,
		Kubeconfig: secret(k.Kubeconfig),
		Context:    k.Context,
		Image:      kindImage(k.Name, k.Instance, args.Build, append(opts[:len(opts):len(opts)], pulumi.Parent(k), pulumi.DeletedWith(k))...),
		// A deleted cluster takes everything with it; nothing on it needs to
		// be deleted first.
		Options: []pulumi.ResourceOption{pulumi.Transformations([]pulumi.ResourceTransformation{
			func(args *pulumi.ResourceTransformationArgs) *pulumi.ResourceTransformationResult {
				return &pulumi.ResourceTransformationResult{Props: args.Props, Opts: append(args.Opts, pulumi.DeletedWith(k))}
			},
		})},
	}, nil
}

// kindImage loads images into the nodes of a kind cluster. instance is nil
// for a cluster that this program did not make.
func kindImage(clusterName, instance pulumi.StringInput, build func(string) *kind.Build, opts ...pulumi.ResourceOption) func(*pulumi.Context, string, string) (pulumi.StringOutput, error) {
	return func(ctx *pulumi.Context, name, reference string) (pulumi.StringOutput, error) {
		image, err := kind.NewImage(ctx, name, &kind.ImageArgs{
			Cluster:   clusterName,
			Instance:  instance,
			Reference: reference,
			Build:     build(reference),
		}, opts...)
		if err != nil {
			return pulumi.StringOutput{}, err
		}
		return image.Ref, nil
	}
}

func secret(s pulumi.StringOutput) pulumi.StringOutput {
	return pulumi.ToSecret(s).(pulumi.StringOutput)
}
