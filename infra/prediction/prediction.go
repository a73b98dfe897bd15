// Package prediction is the prediction service as one component: everything
// that one served model is on a Kubernetes cluster. It knows nothing of how
// the cluster was had, nor of what else runs on it.
package prediction

import (
	"fmt"
	"time"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	autoscalingv2 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/autoscaling/v2"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// The ports that the server listens on, and the one that callers use.
const (
	servingPort = 8080
	metricsPort = 9090
	callersPort = 80
	// GRPCPort is where callers of gRPC go, of the Service and of the pods.
	GRPCPort = 8081
)

// PredictionService is a served model: a namespace with the Deployment, its
// Service, autoscaler, disruption budget, network policy and settings.
//
//nolint:revive // prediction.PredictionService is the type token's own name
type PredictionService struct {
	pulumi.ResourceState

	Namespace  pulumi.StringOutput
	Deployment pulumi.StringOutput
	Autoscaler pulumi.StringOutput
	// Service is where callers go.
	Service *corev1.Service
}

// PredictionServiceArgs are a PredictionService's inputs. They are taken as
// they are: what fits together is checked where the settings are read.
//
//nolint:revive // see PredictionService
type PredictionServiceArgs struct {
	// Name is the name of the Deployment and all that goes with it.
	Name      string
	Namespace string
	Image     pulumi.StringInput

	MinReplicas, MaxReplicas int
	// TargetCPUPercent is the share of CPURequest that the autoscaler aims at.
	TargetCPUPercent int
	ScaleDownWindow  time.Duration
	// MaxSurge is how many pods more than wanted a rollout may run.
	MaxSurge int

	CPURequest, CPULimit, Memory string // Kubernetes quantities

	// DrainDelay is how long a pod that is to end goes on serving; after it,
	// requests under way have ShutdownTimeout to end, and both fit into
	// TerminationGracePeriod.
	DrainDelay, ShutdownTimeout, TerminationGracePeriod time.Duration
	// UnsafeDisableDrain makes the server stop at once.
	UnsafeDisableDrain bool
	LogLevel           string

	// ServiceType is NodePort, ClusterIP or LoadBalancer; NodePort is used
	// with the first only.
	ServiceType string
	NodePort    int

	// GRPC opens GRPCPort beside HTTP's. GRPCNodePort is used with NodePort only.
	GRPC         bool
	GRPCNodePort int

	// AllowFrom are the address ranges of callers; none means any.
	AllowFrom []string
	// MetricsNamespace is the namespace that may read the metrics.
	MetricsNamespace string

	// DeployTimeout bounds the wait for the Deployment and the Service.
	DeployTimeout time.Duration
}

// NewPredictionService deploys a model.
func NewPredictionService(ctx *pulumi.Context, name string, args *PredictionServiceArgs, opts ...pulumi.ResourceOption) (*PredictionService, error) {
	s := &PredictionService{}
	if err := ctx.RegisterComponentResource("rollproof:prediction:PredictionService", name, s, opts...); err != nil {
		return nil, fmt.Errorf("prediction service %s: %w", args.Name, err)
	}
	b := &builder{ctx: ctx, name: name, args: args, parent: s}
	if err := b.build(s); err != nil {
		return nil, fmt.Errorf("prediction service %s: %w", args.Name, err)
	}
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{
		"namespace":  s.Namespace,
		"deployment": s.Deployment,
		"autoscaler": s.Autoscaler,
	})
}

// builder makes the children of one PredictionService.
type builder struct {
	ctx    *pulumi.Context
	name   string
	args   *PredictionServiceArgs
	parent pulumi.Resource

	namespace pulumi.StringOutput
}

func (b *builder) build(s *PredictionService) error {
	if err := b.newNamespace(); err != nil {
		return err
	}
	account, err := b.newServiceAccount()
	if err != nil {
		return err
	}
	settings, err := b.newSettings()
	if err != nil {
		return err
	}
	// The policy and the budget come first: no pod runs without them.
	if err := b.newNetworkPolicy(); err != nil {
		return err
	}
	if err := b.newDisruptionBudget(); err != nil {
		return err
	}
	var deployment *appsv1.Deployment
	if deployment, err = b.newDeployment(account, settings); err != nil {
		return err
	}
	// The autoscaler needs the Deployment's name only, and does its first look
	// one period after it was made: it does not wait for the pods.
	var hpa *autoscalingv2.HorizontalPodAutoscaler
	if hpa, err = b.newAutoscaler(); err != nil {
		return err
	}
	if s.Service, err = b.newService(deployment); err != nil {
		return err
	}
	s.Namespace = b.namespace
	s.Deployment = deployment.Metadata.Name().Elem()
	s.Autoscaler = hpa.Metadata.Name().Elem()
	return nil
}

// opts are the options of every child.
func (b *builder) opts(more ...pulumi.ResourceOption) []pulumi.ResourceOption {
	timeout := b.args.DeployTimeout.String()
	return append([]pulumi.ResourceOption{
		pulumi.Parent(b.parent),
		pulumi.Timeouts(&pulumi.CustomTimeouts{Create: timeout, Update: timeout}),
	}, more...)
}

// labels are on everything; selector, a part of them that can never change,
// finds the pods.
func (b *builder) labels() pulumi.StringMap {
	return pulumi.StringMap{
		"app.kubernetes.io/name":       pulumi.String(b.args.Name),
		"app.kubernetes.io/part-of":    pulumi.String("rollproof"),
		"app.kubernetes.io/managed-by": pulumi.String("pulumi"),
	}
}

func (b *builder) selector() pulumi.StringMap {
	return pulumi.StringMap{"app.kubernetes.io/name": pulumi.String(b.args.Name)}
}

func (b *builder) meta(name string) *metav1.ObjectMetaArgs {
	return &metav1.ObjectMetaArgs{Name: pulumi.String(name), Namespace: b.namespace, Labels: b.labels()}
}

func seconds(d time.Duration) pulumi.Int {
	return pulumi.Int((d + time.Second - 1) / time.Second)
}
