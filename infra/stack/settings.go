// Package stack is the Pulumi program: it reads the settings, refuses what
// does not fit together, and wires cluster, add-ons and prediction service to
// the stack's outputs. How each of them is made lives in its own package.
package stack

import (
	"time"
)

// Settings is everything that a stack may choose, under rollproof: in its
// file. The table in keys.go says what each key means and its default.
type Settings struct {
	Provider    string
	ClusterName string

	Workers   int
	NodeImage string
	Port      int
	NodePort  int

	GRPC         bool
	GRPCPort     int // 0: none
	GRPCNodePort int // 0 without GRPC

	Kubeconfig     string // the path
	KubeconfigText string // what is in it
	Context        string
	KindCluster    string
	URL            string

	GKEProject, GKERegion, GKEMachineType string
	GKEMinNodes, GKEMaxNodes              int

	Image            string
	Namespace        string
	Name             string
	MinReplicas      int
	MaxReplicas      int
	TargetCPUPercent int
	ScaleDownWindow  time.Duration
	MaxSurge         int
	CPURequest       string
	CPULimit         string
	Memory           string

	DrainDelay             time.Duration
	ShutdownTimeout        time.Duration
	TerminationGracePeriod time.Duration
	UnsafeDisableDrain     bool
	LogLevel               string

	ServiceType      string
	AllowFrom        []string
	MetricsNamespace string

	MetricsServer     bool
	MetricsImage      string
	MetricsResolution time.Duration

	DeployTimeout time.Duration
}

// What provider may be.
const (
	ProviderKind     = "kind"
	ProviderExisting = "existing"
	ProviderGKE      = "gke"
)

// graceSlack is what the grace period has beyond drain and shutdown by
// default, and minSlack what it must have: time for the process to end.
const (
	graceSlack = 5 * time.Second
	minSlack   = 2 * time.Second
)

// neededGrace is the shortest grace period in which a pod can end in order.
func (s *Settings) neededGrace() time.Duration {
	drain := s.DrainDelay
	if s.UnsafeDisableDrain {
		drain = 0
	}
	return drain + s.ShutdownTimeout + minSlack
}

// fill sets the defaults that depend on other settings. given has the keys
// that the stack's file sets.
func (s *Settings) fill(given map[string]string) {
	unset := func(key string) bool { _, ok := given[key]; return !ok }
	onKind := s.onKind()
	if unset("terminationGracePeriod") {
		s.TerminationGracePeriod = s.DrainDelay + s.ShutdownTimeout + graceSlack
	}
	if unset("serviceType") {
		switch {
		case onKind:
			s.ServiceType = "NodePort"
		case s.Provider == ProviderGKE:
			s.ServiceType = "LoadBalancer"
		default:
			s.ServiceType = "ClusterIP"
		}
	}
	if unset("metricsServer") {
		s.MetricsServer = onKind // other clusters bring their own
	}
	if s.GRPC && unset("grpcNodePort") {
		s.GRPCNodePort = 30081
	}
}

// onKind says whether the cluster is one of kind's, here or made by somebody else.
func (s *Settings) onKind() bool {
	return s.Provider == ProviderKind || s.Provider == ProviderExisting && s.KindCluster != ""
}
