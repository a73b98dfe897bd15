package stack

import (
	"fmt"
	"regexp"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
)

var gkeName = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,22}[a-z0-9])?$`) // with -nodes it must fit an account's 30

// check finds what does not fit together. Values that could not be read are
// reported elsewhere and stand here with their defaults.
func (s *Settings) check() []*SettingError {
	var out []*SettingError
	refuse := func(key string, value any, format string, a ...any) {
		out = append(out, &SettingError{key, fmt.Sprint(value), fmt.Sprintf(format, a...)})
	}
	for _, k := range []struct{ key, value string }{
		{"namespace", s.Namespace}, {"name", s.Name}, {"metricsNamespace", s.MetricsNamespace},
	} {
		if len(validation.IsDNS1123Label(k.value)) > 0 || len(k.value) > 50 {
			refuse(k.key, k.value, "a Kubernetes name: lower-case letters, digits and -, at most 50")
		}
	}
	if s.Image == "" {
		refuse("image", s.Image, "an image reference such as rollproof/server:v1")
	}
	if s.MinReplicas > s.MaxReplicas {
		refuse("minReplicas", s.MinReplicas, "at most %smaxReplicas, which is %d", prefix, s.MaxReplicas)
	}
	if more(s.CPURequest, s.CPULimit) {
		refuse("cpuRequest", s.CPURequest, "at most %scpuLimit, which is %s", prefix, s.CPULimit)
	}
	if s.TerminationGracePeriod < s.neededGrace() {
		refuse("terminationGracePeriod", s.TerminationGracePeriod, "%s or more: %sdrainDelay %s, %sshutdownTimeout %s and %s to end; or leave it out and it is computed",
			s.neededGrace(), prefix, s.DrainDelay, prefix, s.ShutdownTimeout, minSlack)
	}
	if s.DrainDelay < time.Second && !s.UnsafeDisableDrain {
		refuse("drainDelay", s.DrainDelay, "1s or more, because callers learn of a pod's end only after a while; %sunsafeDisableDrain true is how to go without", prefix)
	}
	s.checkGRPC(refuse)
	switch s.Provider {
	case ProviderKind:
		s.checkKind(refuse)
	case ProviderExisting:
		s.checkExisting(refuse)
	case ProviderGKE:
		s.checkGKE(refuse)
	}
	if s.MetricsServer && s.MetricsImage == "" {
		refuse("metricsImage", s.MetricsImage, "an image reference, because %smetricsServer is true", prefix)
	}
	return out
}

type refusal func(key string, value any, format string, a ...any)

func (s *Settings) checkGRPC(refuse refusal) {
	for _, k := range []struct {
		key         string
		port, other int
		otherKey    string
	}{{"grpcPort", s.GRPCPort, s.Port, "port"}, {"grpcNodePort", s.GRPCNodePort, s.NodePort, "nodePort"}} {
		switch {
		case k.port == 0:
		case !s.GRPC:
			refuse(k.key, k.port, "nothing, because %sgrpc is false", prefix)
		case k.port == k.other:
			refuse(k.key, k.port, "another port than %s%s, which is %d", prefix, k.otherKey, k.other)
		}
	}
	if s.GRPCPort != 0 && !s.onKind() {
		refuse("grpcPort", s.GRPCPort, "nothing with %sprovider %s; it is for clusters of kind", prefix, s.Provider)
	}
}

func (s *Settings) checkKind(refuse refusal) {
	if len(s.ClusterName) > 40 || len(validation.IsDNS1123Subdomain(s.ClusterName)) > 0 {
		refuse("clusterName", s.ClusterName, "lower-case letters, digits, - and ., at most 40")
	}
	s.notWith(refuse, "provider kind, which makes its own cluster")
	if s.ServiceType != "NodePort" {
		refuse("serviceType", s.ServiceType, "NodePort, the only one that kind makes reachable")
	}
	s.onlyGKE(refuse)
}

func (s *Settings) checkExisting(refuse refusal) {
	if s.Kubeconfig == "" {
		refuse("kubeconfig", s.Kubeconfig, "the path of the cluster's kubeconfig, because %sprovider is existing", prefix)
	} else if err := s.readKubeconfig(); err != nil {
		refuse(err.key, err.value, "%s", err.want)
	}
	if s.ServiceType == "NodePort" && s.KindCluster == "" && s.URL == "" {
		refuse("url", s.URL, "the address of a node with port %d, because %sserviceType is NodePort and a node's address is not known", s.NodePort, prefix)
	}
	s.onlyGKE(refuse)
}

func (s *Settings) checkGKE(refuse refusal) {
	if s.GKEProject == "" {
		refuse("gkeProject", s.GKEProject, "the Google Cloud project, because %sprovider is gke", prefix)
	}
	if !gkeName.MatchString(s.ClusterName) {
		refuse("clusterName", s.ClusterName, "lower-case letters, digits and -, at most 24, beginning with a letter")
	}
	if s.GKEMinNodes > s.GKEMaxNodes {
		refuse("gkeMinNodes", s.GKEMinNodes, "at most %sgkeMaxNodes, which is %d", prefix, s.GKEMaxNodes)
	}
	if s.ServiceType == "NodePort" {
		refuse("serviceType", s.ServiceType, "LoadBalancer or ClusterIP: the nodes have no public addresses")
	}
	s.notWith(refuse, "provider gke, which makes its own cluster")
}

// notWith refuses what only an existing cluster takes: whoever sets it may
// think that it has an effect.
func (s *Settings) notWith(refuse refusal, provider string) {
	for _, k := range []struct{ key, value string }{
		{"kubeconfig", s.Kubeconfig}, {"context", s.Context}, {"kindCluster", s.KindCluster}, {"url", s.URL},
	} {
		if k.value != "" {
			refuse(k.key, k.value, "nothing with %s%s; it is for provider existing", prefix, provider)
		}
	}
}

func (s *Settings) onlyGKE(refuse refusal) {
	if s.GKEProject != "" {
		refuse("gkeProject", s.GKEProject, "nothing with %sprovider %s; it is for provider gke", prefix, s.Provider)
	}
}

// more compares quantities that have been read already.
func more(a, b string) bool {
	qa, errA := resource.ParseQuantity(a)
	qb, errB := resource.ParseQuantity(b)
	return errA == nil && errB == nil && qa.Cmp(qb) > 0
}
