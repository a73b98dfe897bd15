package stack

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// key is one setting: what it is called, its default as it would be written,
// and how a value is read. read returns what would be right when it is not.
type key struct {
	name, def, about string
	read             func(s *Settings, value string) (want string)
}

// keys are all settings, in the order in which people meet them. The table in
// infra/README.md has the same rows, which a test holds.
func keys() []key {
	return []key{
		{"provider", ProviderKind, "where the cluster comes from: kind, existing or gke", oneOf(func(s *Settings) *string { return &s.Provider }, ProviderKind, ProviderExisting, ProviderGKE)},
		{"clusterName", "rollproof", "the cluster's name (kind, gke)", text(func(s *Settings) *string { return &s.ClusterName })},
		{"workers", "2", "worker nodes (kind)", number(func(s *Settings) *int { return &s.Workers }, 0, 20)},
		{"nodeImage", "", "the nodes' image (kind); by default the locally built one, or kind's own where there is none", text(func(s *Settings) *string { return &s.NodeImage })},
		{"port", "30080", "the port of 127.0.0.1 that the model answers on (kind)", number(func(s *Settings) *int { return &s.Port }, 1, 65535)},
		{"nodePort", "30080", "the Service's port on the nodes, with serviceType NodePort", number(func(s *Settings) *int { return &s.NodePort }, 30000, 32767)},
		{"grpc", "false", "serve gRPC too, on port 8081 of the Service and of the pods", boolean(func(s *Settings) *bool { return &s.GRPC })},
		{"grpcPort", "", "the port of 127.0.0.1 that gRPC answers on, with grpc (kind); by default none", number(func(s *Settings) *int { return &s.GRPCPort }, 1, 65535)},
		{"grpcNodePort", "", "the Service's port for gRPC on the nodes, with grpc and serviceType NodePort; by default 30081", number(func(s *Settings) *int { return &s.GRPCNodePort }, 30000, 32767)},
		{"kubeconfig", "", "path of a kubeconfig (existing); required there", text(func(s *Settings) *string { return &s.Kubeconfig })},
		{"context", "", "the kubeconfig's context to use (existing); by default its current one", text(func(s *Settings) *string { return &s.Context })},
		{"kindCluster", "", "the name in kind of an existing cluster of the local Docker: images are loaded into it, others must be pullable (existing)", text(func(s *Settings) *string { return &s.KindCluster })},
		{"url", "", "the output url, where it cannot be known from the cluster (existing)", text(func(s *Settings) *string { return &s.URL })},
		{"gkeProject", "", "the Google Cloud project (gke); required there", text(func(s *Settings) *string { return &s.GKEProject })},
		{"gkeRegion", "europe-west1", "the region (gke)", text(func(s *Settings) *string { return &s.GKERegion })},
		{"gkeMachineType", "e2-standard-4", "the nodes' machine type (gke)", text(func(s *Settings) *string { return &s.GKEMachineType })},
		{"gkeMinNodes", "1", "fewest nodes a zone (gke)", number(func(s *Settings) *int { return &s.GKEMinNodes }, 1, 100)},
		{"gkeMaxNodes", "3", "most nodes a zone (gke)", number(func(s *Settings) *int { return &s.GKEMaxNodes }, 1, 100)},
		{"image", "rollproof/server:v1", "the server's image with its model", text(func(s *Settings) *string { return &s.Image })},
		{"namespace", "rollproof", "the namespace of the service", text(func(s *Settings) *string { return &s.Namespace })},
		{"name", "prediction", "the name of the Deployment, Service and autoscaler", text(func(s *Settings) *string { return &s.Name })},
		{"minReplicas", "2", "fewest pods; one cannot be replaced without a gap", number(func(s *Settings) *int { return &s.MinReplicas }, 2, 1000)},
		{"maxReplicas", "6", "most pods", number(func(s *Settings) *int { return &s.MaxReplicas }, 2, 1000)},
		{"targetCPUPercent", "60", "the share of cpuRequest that the autoscaler aims at", number(func(s *Settings) *int { return &s.TargetCPUPercent }, 1, 1000)},
		{"scaleDownWindow", "300s", "how long fewer pods must have been enough before some go", duration(func(s *Settings) *time.Duration { return &s.ScaleDownWindow }, 0, time.Hour)},
		{"maxSurge", "1", "how many pods more than wanted a rollout may run", number(func(s *Settings) *int { return &s.MaxSurge }, 1, 100)},
		{"cpuRequest", "250m", "CPU that a pod is promised", quantity(func(s *Settings) *string { return &s.CPURequest })},
		{"cpuLimit", "1", "CPU that a pod may use", quantity(func(s *Settings) *string { return &s.CPULimit })},
		{"memory", "128Mi", "memory that a pod is promised and may use", quantity(func(s *Settings) *string { return &s.Memory })},
		{"drainDelay", "5s", "how long a pod that is to end goes on serving", duration(func(s *Settings) *time.Duration { return &s.DrainDelay }, 0, 10*time.Minute)},
		{"shutdownTimeout", "10s", "how long requests under way then have to end", duration(func(s *Settings) *time.Duration { return &s.ShutdownTimeout }, time.Second, 10*time.Minute)},
		{"terminationGracePeriod", "", "when Kubernetes kills a pod that is to end; by default drainDelay + shutdownTimeout + 5s", duration(func(s *Settings) *time.Duration { return &s.TerminationGracePeriod }, time.Second, time.Hour)},
		{"unsafeDisableDrain", "false", "stop pods at once and lose requests; for proofs that losses are seen", boolean(func(s *Settings) *bool { return &s.UnsafeDisableDrain })},
		{"logLevel", "info", "the server's: debug, info, warn or error", oneOf(func(s *Settings) *string { return &s.LogLevel }, "debug", "info", "warn", "error")},
		{"serviceType", "", "NodePort, ClusterIP or LoadBalancer; by default NodePort on kind, LoadBalancer on gke, otherwise ClusterIP", oneOf(func(s *Settings) *string { return &s.ServiceType }, "NodePort", "ClusterIP", "LoadBalancer")},
		{"allowFrom", "", "address ranges of callers, separated by commas; by default any", ranges},
		{"metricsNamespace", "monitoring", "the namespace whose pods may read the metrics", text(func(s *Settings) *string { return &s.MetricsNamespace })},
		{"metricsServer", "", "install metrics-server; by default on kind only, since others bring it", boolean(func(s *Settings) *bool { return &s.MetricsServer })},
		{"metricsImage", "rollproof/metrics-server:v0.9.0", "metrics-server's image", text(func(s *Settings) *string { return &s.MetricsImage })},
		{"metricsResolution", "15s", "how often metrics-server asks the nodes", duration(func(s *Settings) *time.Duration { return &s.MetricsResolution }, 10*time.Second, 5*time.Minute)},
		{"deployTimeout", "120s", "how long an update may take to be ready before it fails", duration(func(s *Settings) *time.Duration { return &s.DeployTimeout }, 20*time.Second, time.Hour)},
	}
}

func text(at func(*Settings) *string) func(*Settings, string) string {
	return func(s *Settings, v string) string {
		if v != strings.TrimSpace(v) {
			return "without space around it"
		}
		*at(s) = v
		return ""
	}
}

func oneOf(at func(*Settings) *string, allowed ...string) func(*Settings, string) string {
	return func(s *Settings, v string) string {
		for _, a := range allowed {
			if v == a {
				*at(s) = v
				return ""
			}
		}
		last := len(allowed) - 1
		return strings.Join(allowed[:last], ", ") + " or " + allowed[last]
	}
}

func number(at func(*Settings) *int, least, most int) func(*Settings, string) string {
	return func(s *Settings, v string) string {
		n, err := strconv.Atoi(v)
		if err != nil || n < least || n > most {
			return fmt.Sprintf("a whole number from %d to %d", least, most)
		}
		*at(s) = n
		return ""
	}
}

func boolean(at func(*Settings) *bool) func(*Settings, string) string {
	return func(s *Settings, v string) string {
		switch v {
		case "true", "false":
			*at(s) = v == "true"
			return ""
		}
		return "true or false"
	}
}

func duration(at func(*Settings) *time.Duration, least, most time.Duration) func(*Settings, string) string {
	return func(s *Settings, v string) string {
		d, err := time.ParseDuration(v)
		if err != nil || d < least || d > most || d%time.Second != 0 {
			return fmt.Sprintf("whole seconds from %s to %s, written like 30s or 2m", least, most)
		}
		*at(s) = d
		return ""
	}
}

func quantity(at func(*Settings) *string) func(*Settings, string) string {
	return func(s *Settings, v string) string {
		q, err := resource.ParseQuantity(v)
		if err != nil || q.Sign() <= 0 {
			return "a Kubernetes quantity above zero, such as 250m for CPU or 128Mi for memory"
		}
		*at(s) = q.String() // as the API server writes it, so that it sees no change
		return ""
	}
}

func ranges(s *Settings, v string) string {
	s.AllowFrom = nil
	for _, part := range strings.Split(v, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		p, err := netip.ParsePrefix(part)
		if err != nil || p != p.Masked() {
			return "address ranges such as 10.0.0.0/8, separated by commas"
		}
		s.AllowFrom = append(s.AllowFrom, part)
	}
	return ""
}
