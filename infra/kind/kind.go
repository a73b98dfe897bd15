// Package kind declares the kind provider's resources in a Pulumi program. It
// holds no behaviour: that is the provider's, in kindprovider, which is a
// program and a Go module of its own; its schema is what both are held to.
package kind

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// The resources' types, as Pulumi names them.
const (
	ClusterType = "kind:index:Cluster"
	ImageType   = "kind:index:Image"
)

// Cluster is a kind cluster.
type Cluster struct {
	pulumi.CustomResourceState

	Name       pulumi.StringOutput `pulumi:"name"`
	Kubeconfig pulumi.StringOutput `pulumi:"kubeconfig"` // secret
	Context    pulumi.StringOutput `pulumi:"context"`
	Endpoint   pulumi.StringOutput `pulumi:"endpoint"`
	// Nodes are the nodes' names, control plane first.
	Nodes pulumi.StringArrayOutput `pulumi:"nodes"`
	// Instance differs between two clusters, even of the same name.
	Instance pulumi.StringOutput `pulumi:"instance"`
}

// PortMapping makes a node port reachable on 127.0.0.1.
type PortMapping struct {
	HostPort int
	NodePort int
	Setting  string // what the user calls the port, for messages; may be ""
}

// ClusterArgs are a Cluster's inputs; zero values mean the provider's
// defaults.
type ClusterArgs struct {
	Name        string
	Workers     int
	NodeImage   string
	Ports       []PortMapping
	WaitSeconds int
	Owner       string
}

// NewCluster declares a kind cluster.
func NewCluster(ctx *pulumi.Context, name string, args *ClusterArgs, opts ...pulumi.ResourceOption) (*Cluster, error) {
	inputs := pulumi.Map{
		"name":    pulumi.String(args.Name),
		"workers": pulumi.Int(args.Workers),
	}
	if args.NodeImage != "" {
		inputs["nodeImage"] = pulumi.String(args.NodeImage)
	}
	var ports pulumi.Array
	for _, p := range args.Ports {
		m := pulumi.Map{"hostPort": pulumi.Int(p.HostPort), "nodePort": pulumi.Int(p.NodePort)}
		if p.Setting != "" {
			m["setting"] = pulumi.String(p.Setting)
		}
		ports = append(ports, m)
	}
	if len(ports) > 0 {
		inputs["ports"] = ports
	}
	if args.WaitSeconds != 0 {
		inputs["waitSeconds"] = pulumi.Int(args.WaitSeconds)
	}
	if args.Owner != "" {
		inputs["owner"] = pulumi.String(args.Owner)
	}
	var c Cluster
	if err := ctx.RegisterResource(ClusterType, name, inputs, &c, opts...); err != nil {
		return nil, fmt.Errorf("kind cluster %s: %w", args.Name, err)
	}
	return &c, nil
}

// Image is a local Docker image on every node of a kind cluster.
type Image struct {
	pulumi.CustomResourceState

	Digest pulumi.StringOutput `pulumi:"digest"`
	// Ref is the image's name on the nodes; it carries the digest.
	Ref pulumi.StringOutput `pulumi:"ref"`
	// Nodes are the nodes that have it.
	Nodes pulumi.StringArrayOutput `pulumi:"nodes"`
}

// Build is the command that makes an image which Docker does not have.
type Build struct {
	Command []string
	Dir     string
}

// ImageArgs are an Image's inputs.
type ImageArgs struct {
	Cluster   pulumi.StringInput // the cluster's name
	Instance  pulumi.StringInput // the cluster's instance; nil for one that Pulumi did not make
	Reference string
	Build     *Build // nil: an image that Docker does not have is an error
}

// NewImage declares an image on the nodes of a kind cluster.
func NewImage(ctx *pulumi.Context, name string, args *ImageArgs, opts ...pulumi.ResourceOption) (*Image, error) {
	inputs := pulumi.Map{
		"cluster":   args.Cluster,
		"reference": pulumi.String(args.Reference),
	}
	if args.Instance != nil {
		inputs["instance"] = args.Instance
	}
	if args.Build != nil {
		inputs["build"] = pulumi.Map{
			"command": pulumi.ToStringArray(args.Build.Command),
			"dir":     pulumi.String(args.Build.Dir),
		}
	}
	var i Image
	if err := ctx.RegisterResource(ImageType, name, inputs, &i, opts...); err != nil {
		return nil, fmt.Errorf("image %s: %w", args.Reference, err)
	}
	return &i, nil
}
