package cluster

import (
	"fmt"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/container"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/projects"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/serviceaccount"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// newNodeRole lets the nodes write logs and metrics and pull images, and
// nothing else.
func newNodeRole(ctx *pulumi.Context, name string, args *GKEArgs, account *serviceaccount.Account, opts []pulumi.ResourceOption) (pulumi.Resource, error) {
	role, err := projects.NewIAMMember(ctx, name+"-nodes", &projects.IAMMemberArgs{
		Project: pulumi.String(args.Project),
		Role:    pulumi.String("roles/container.defaultNodeServiceAccount"),
		Member:  account.Member,
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("role of the nodes: %w", err)
	}
	return role, nil
}

// newGKEPool makes the nodes, as many as the pods need.
func newGKEPool(ctx *pulumi.Context, name string, args *GKEArgs, k *container.Cluster, account *serviceaccount.Account, opts []pulumi.ResourceOption) (*container.NodePool, error) {
	pool, err := container.NewNodePool(ctx, name, &container.NodePoolArgs{
		Name:             pulumi.String(args.Name),
		Project:          pulumi.String(args.Project),
		Location:         pulumi.String(args.Region),
		Cluster:          k.Name,
		InitialNodeCount: pulumi.Int(args.MinNodes),
		Autoscaling: &container.NodePoolAutoscalingArgs{
			MinNodeCount:   pulumi.Int(args.MinNodes),
			MaxNodeCount:   pulumi.Int(args.MaxNodes),
			LocationPolicy: pulumi.String("BALANCED"),
		},
		Management: &container.NodePoolManagementArgs{AutoRepair: pulumi.Bool(true), AutoUpgrade: pulumi.Bool(true)},
		// A node goes only after another has come.
		UpgradeSettings: &container.NodePoolUpgradeSettingsArgs{MaxSurge: pulumi.Int(1), MaxUnavailable: pulumi.Int(0)},
		NodeConfig: &container.NodePoolNodeConfigArgs{
			MachineType:    pulumi.String(args.MachineType),
			ImageType:      pulumi.String("COS_CONTAINERD"),
			ServiceAccount: account.Email,
			OauthScopes:    pulumi.ToStringArray([]string{"https://www.googleapis.com/auth/cloud-platform"}), // the account's role is what limits
			Metadata:       pulumi.StringMap{"disable-legacy-endpoints": pulumi.String("true")},
			ShieldedInstanceConfig: &container.NodePoolNodeConfigShieldedInstanceConfigArgs{
				EnableSecureBoot: pulumi.Bool(true), EnableIntegrityMonitoring: pulumi.Bool(true),
			},
			WorkloadMetadataConfig: &container.NodePoolNodeConfigWorkloadMetadataConfigArgs{Mode: pulumi.String("GKE_METADATA")},
		},
	}, append(opts[:len(opts):len(opts)], pulumi.IgnoreChanges([]string{"initialNodeCount"}))...) // only the first counts
	if err != nil {
		return nil, fmt.Errorf("node pool of cluster %s: %w", args.Name, err)
	}
	return pool, nil
}
