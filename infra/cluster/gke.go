package cluster

import (
	"fmt"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/container"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/serviceaccount"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// GKEArgs describe a cluster on Google Kubernetes Engine.
type GKEArgs struct {
	Name        string
	Project     string
	Region      string
	MachineType string
	// MinNodes and MaxNodes are for each zone of the region.
	MinNodes, MaxNodes int
}

// NewGKE makes a regional cluster: its control plane and its nodes are in
// several zones. Nodes have no public addresses and an identity that may do no
// more than run; the control plane's address is public, so that this program
// can reach it.
func NewGKE(ctx *pulumi.Context, name string, args *GKEArgs, opts ...pulumi.ResourceOption) (*Cluster, error) {
	account, err := serviceaccount.NewAccount(ctx, name+"-nodes", &serviceaccount.AccountArgs{
		Project:     pulumi.String(args.Project),
		AccountId:   pulumi.String(args.Name + "-nodes"),
		DisplayName: pulumi.String("Nodes of the cluster " + args.Name),
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("service account of the nodes: %w", err)
	}
	role, err := newNodeRole(ctx, name, args, account, opts)
	if err != nil {
		return nil, err
	}
	k, err := newGKECluster(ctx, name, args, opts)
	if err != nil {
		return nil, err
	}
	pool, err := newGKEPool(ctx, name, args, k, account, append(opts[:len(opts):len(opts)], pulumi.DependsOn([]pulumi.Resource{role})))
	if err != nil {
		return nil, err
	}
	contextName := fmt.Sprintf("gke_%s_%s_%s", args.Project, args.Region, args.Name)
	kubeconfig := secret(gkeKubeconfig(contextName, k))
	provider, err := kubernetes.NewProvider(ctx, name, &kubernetes.ProviderArgs{
		Kubeconfig:            kubeconfig,
		Context:               pulumi.String(contextName),
		EnableServerSideApply: pulumi.Bool(true),
	}, append(opts[:len(opts):len(opts)], pulumi.DependsOn([]pulumi.Resource{pool}))...)
	if err != nil {
		return nil, fmt.Errorf("kubernetes provider of cluster %s: %w", args.Name, err)
	}
	return &Cluster{
		Provider:   provider,
		Kubeconfig: kubeconfig,
		Context:    pulumi.String(contextName).ToStringOutput(),
		Image:      pulled,
	}, nil
}

func newGKECluster(ctx *pulumi.Context, name string, args *GKEArgs, opts []pulumi.ResourceOption) (*container.Cluster, error) {
	k, err := container.NewCluster(ctx, name, &container.ClusterArgs{
		Name:     pulumi.String(args.Name),
		Project:  pulumi.String(args.Project),
		Location: pulumi.String(args.Region),
		// Nodes come from the pool below, which can change without the
		// cluster; the one that a cluster must begin with is removed.
		RemoveDefaultNodePool: pulumi.Bool(true),
		InitialNodeCount:      pulumi.Int(1),
		DeletionProtection:    pulumi.Bool(false), // what `pulumi up` made, `pulumi destroy` removes
		NetworkingMode:        pulumi.String("VPC_NATIVE"),
		IpAllocationPolicy:    &container.ClusterIpAllocationPolicyArgs{},
		DatapathProvider:      pulumi.String("ADVANCED_DATAPATH"), // enforces network policies
		EnableShieldedNodes:   pulumi.Bool(true),
		ReleaseChannel:        &container.ClusterReleaseChannelArgs{Channel: pulumi.String("REGULAR")},
		PrivateClusterConfig: &container.ClusterPrivateClusterConfigArgs{
			EnablePrivateNodes:    pulumi.Bool(true),
			EnablePrivateEndpoint: pulumi.Bool(false),
		},
		WorkloadIdentityConfig: &container.ClusterWorkloadIdentityConfigArgs{WorkloadPool: pulumi.String(args.Project + ".svc.id.goog")},
		MasterAuth: &container.ClusterMasterAuthArgs{
			ClientCertificateConfig: &container.ClusterMasterAuthClientCertificateConfigArgs{IssueClientCertificate: pulumi.Bool(false)},
		},
		ResourceLabels: pulumi.StringMap{"managed-by": pulumi.String("pulumi"), "project": pulumi.String("rollproof")},
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("gke cluster %s: %w", args.Name, err)
	}
	return k, nil
}

// gkeKubeconfig is a kubeconfig that gets its tokens from Google's own
// helper, so that it holds no credential.
func gkeKubeconfig(contextName string, k *container.Cluster) pulumi.StringOutput {
	return pulumi.All(k.Endpoint, k.MasterAuth.ClusterCaCertificate().Elem()).ApplyT(func(all []any) string {
		return fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: %[1]s
clusters:
- name: %[1]s
  cluster:
    server: https://%[2]s
    certificate-authority-data: %[3]s
contexts:
- name: %[1]s
  context:
    cluster: %[1]s
    user: %[1]s
users:
- name: %[1]s
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      command: gke-gcloud-auth-plugin
      interactiveMode: Never
      provideClusterInfo: true
      installHint: gke-gcloud-auth-plugin is a component of the Google Cloud CLI
`, contextName, all[0], all[1])
	}).(pulumi.StringOutput)
}
