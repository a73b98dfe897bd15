package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"rollproof/infra/cluster"
	"rollproof/infra/kind"
	"rollproof/infra/metrics"
	"rollproof/infra/prediction"
)

// madeBy is the target of the Makefile that makes an image of the project; ""
// for an image that is none.
func madeBy(reference string) string {
	switch reference {
	case "rollproof/server:v1", "rollproof/server:v2":
		return "images"
	case "rollproof/metrics-server:v0.9.0":
		return "setup"
	}
	return ""
}

// Program is what `pulumi up` runs.
func Program(ctx *pulumi.Context) error {
	config := make(map[string]string)
	// The SDK reads single keys only; the language host's variable has all of
	// them, and an unknown one is to be refused.
	if raw := os.Getenv(pulumi.EnvConfig); raw != "" {
		if err := json.Unmarshal([]byte(raw), &config); err != nil {
			return fmt.Errorf("the stack's configuration: %w", err)
		}
	}
	settings, err := Parse(config)
	if err != nil {
		return fmt.Errorf("the stack's settings are refused, nothing was changed:\n%w", err)
	}
	return Deploy(ctx, settings)
}

// Deploy declares everything that settings, which Parse has checked, ask for.
func Deploy(ctx *pulumi.Context, s Settings) error {
	if s.UnsafeDisableDrain {
		if err := ctx.Log.Warn("rollproof:unsafeDisableDrain is true: pods stop at once and lose requests", nil); err != nil {
			return err
		}
	}
	c, err := newCluster(ctx, s)
	if err != nil {
		return err
	}
	opts := append([]pulumi.ResourceOption{pulumi.Provider(c.Provider)}, c.Options...)
	if s.MetricsServer {
		if err := newMetrics(ctx, s, c, opts); err != nil {
			return err
		}
	}
	image, err := c.Image(ctx, "server", s.Image)
	if err != nil {
		return err
	}
	service, err := prediction.NewPredictionService(ctx, "prediction", &prediction.PredictionServiceArgs{
		Name:                   s.Name,
		Namespace:              s.Namespace,
		Image:                  image,
		MinReplicas:            s.MinReplicas,
		MaxReplicas:            s.MaxReplicas,
		TargetCPUPercent:       s.TargetCPUPercent,
		ScaleDownWindow:        s.ScaleDownWindow,
		MaxSurge:               s.MaxSurge,
		CPURequest:             s.CPURequest,
		CPULimit:               s.CPULimit,
		Memory:                 s.Memory,
		DrainDelay:             s.DrainDelay,
		ShutdownTimeout:        s.ShutdownTimeout,
		TerminationGracePeriod: s.TerminationGracePeriod,
		UnsafeDisableDrain:     s.UnsafeDisableDrain,
		LogLevel:               s.LogLevel,
		ServiceType:            s.ServiceType,
		NodePort:               s.NodePort,
		GRPC:                   s.GRPC,
		GRPCNodePort:           s.GRPCNodePort,
		AllowFrom:              s.AllowFrom,
		MetricsNamespace:       s.MetricsNamespace,
		DeployTimeout:          s.DeployTimeout,
	}, opts...)
	if err != nil {
		return err
	}
	ctx.Export("url", address(s, service.Service))
	if s.GRPC {
		ctx.Export("grpc", grpcAddress(s, service.Service))
	}
	ctx.Export("namespace", service.Namespace)
	ctx.Export("deployment", service.Deployment)
	ctx.Export("hpa", service.Autoscaler)
	ctx.Export("minReplicas", pulumi.Int(s.MinReplicas))
	ctx.Export("kubeconfig", c.Kubeconfig)
	ctx.Export("context", c.Context)
	ctx.Export("image", image)
	return nil
}

func newCluster(ctx *pulumi.Context, s Settings) (*cluster.Cluster, error) {
	build := func(reference string) *kind.Build {
		target := madeBy(reference)
		if target == "" {
			return nil
		}
		return &kind.Build{Command: []string{"make", "-s", target}, Dir: ctx.RootDirectory()}
	}
	switch s.Provider {
	case ProviderKind:
		return cluster.NewKind(ctx, "kind", &cluster.KindArgs{
			Name:      s.ClusterName,
			Workers:   s.Workers,
			NodeImage: s.NodeImage,
			HostPort:  s.Port,
			NodePort:  s.NodePort,
			GRPC:      cluster.PortMapping{HostPort: s.GRPCPort, NodePort: s.GRPCNodePort},
			Owner:     fmt.Sprintf("stack %s of project %s", ctx.Stack(), ctx.Project()),
			Build:     build,
		})
	case ProviderExisting:
		return cluster.NewExisting(ctx, "existing", &cluster.ExistingArgs{
			Kubeconfig:  s.KubeconfigText,
			Context:     s.Context,
			KindCluster: s.KindCluster,
			Build:       build,
		})
	case ProviderGKE:
		return cluster.NewGKE(ctx, "gke", &cluster.GKEArgs{
			Name:        s.ClusterName,
			Project:     s.GKEProject,
			Region:      s.GKERegion,
			MachineType: s.GKEMachineType,
			MinNodes:    s.GKEMinNodes,
			MaxNodes:    s.GKEMaxNodes,
		})
	}
	return nil, errors.New("provider " + s.Provider + " is none") // Parse lets none such through
}

func newMetrics(ctx *pulumi.Context, s Settings, c *cluster.Cluster, opts []pulumi.ResourceOption) error {
	image, err := c.Image(ctx, "metrics-server", s.MetricsImage)
	if err != nil {
		return err
	}
	_, err = metrics.NewServer(ctx, "metrics-server", &metrics.ServerArgs{
		Image:            image,
		Resolution:       s.MetricsResolution,
		InsecureKubelets: s.Provider == ProviderKind || s.KindCluster != "",
		Timeout:          s.DeployTimeout,
	}, opts...)
	return err
}

// address is where callers reach the service.
func address(s Settings, service *corev1.Service) pulumi.StringOutput {
	switch {
	case s.URL != "":
		return pulumi.String(s.URL).ToStringOutput()
	case s.ServiceType == "NodePort": // on kind; elsewhere url must be set
		return pulumi.Sprintf("http://127.0.0.1:%d", s.Port)
	case s.ServiceType == "LoadBalancer":
		return balancer(service).ApplyT(func(host string) string {
			if host == "" {
				return ""
			}
			return "http://" + host
		}).(pulumi.StringOutput)
	}
	return pulumi.Sprintf("http://%s.%s.svc", s.Name, s.Namespace)
}

// grpcAddress is where callers reach gRPC, as HOST:PORT: from this machine if a port of
// it leads there, else from the cluster.
func grpcAddress(s Settings, service *corev1.Service) pulumi.StringOutput {
	switch {
	case s.ServiceType == "NodePort" && s.GRPCPort != 0:
		return pulumi.Sprintf("127.0.0.1:%d", s.GRPCPort)
	case s.ServiceType == "LoadBalancer":
		return balancer(service).ApplyT(func(host string) string {
			if host == "" {
				return ""
			}
			return net.JoinHostPort(host, strconv.Itoa(prediction.GRPCPort))
		}).(pulumi.StringOutput)
	}
	return pulumi.Sprintf("%s.%s.svc:%d", s.Name, s.Namespace, prediction.GRPCPort)
}

// balancer is a load balancer's address or name, empty while it has none.
func balancer(service *corev1.Service) pulumi.StringOutput {
	return service.Status.ApplyT(func(status *corev1.ServiceStatus) string {
		if status == nil || status.LoadBalancer == nil || len(status.LoadBalancer.Ingress) == 0 {
			return ""
		}
		in := status.LoadBalancer.Ingress[0]
		if in.Ip != nil {
			return *in.Ip
		}
		if in.Hostname != nil {
			return *in.Hostname
		}
		return ""
	}).(pulumi.StringOutput)
}
