// Package metrics installs metrics-server, which tells the autoscaler how much
// CPU pods use, as one component. It is for clusters that do not bring it.
package metrics

import (
	"fmt"
	"time"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiregistration/v1"
	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// namespace and app are upstream's own, so that tools find it where they
// expect it.
const (
	namespace = "kube-system"
	app       = "metrics-server"
	port      = 10250
)

// Server is metrics-server and all that it needs.
type Server struct {
	pulumi.ResourceState

	Deployment *appsv1.Deployment
	APIService *v1.APIService
}

// ServerArgs are a Server's inputs.
type ServerArgs struct {
	Image pulumi.StringInput
	// Resolution is how often every kubelet is asked.
	Resolution time.Duration
	// InsecureKubelets is for clusters whose kubelets serve with certificates
	// that they signed themselves, as kind's do.
	InsecureKubelets bool
	// Timeout bounds the wait until it serves.
	Timeout time.Duration
}

// NewServer installs metrics-server.
func NewServer(ctx *pulumi.Context, name string, args *ServerArgs, opts ...pulumi.ResourceOption) (*Server, error) {
	s := &Server{}
	if err := ctx.RegisterComponentResource("rollproof:metrics:Server", name, s, opts...); err != nil {
		return nil, fmt.Errorf("metrics-server: %w", err)
	}
	child := []pulumi.ResourceOption{pulumi.Parent(s), pulumi.Timeouts(&pulumi.CustomTimeouts{
		Create: args.Timeout.String(), Update: args.Timeout.String(),
	})}
	account, err := access(ctx, name, child)
	if err != nil {
		return nil, err
	}
	s.Deployment, err = deployment(ctx, name, args, account, child)
	if err != nil {
		return nil, err
	}
	announced := meta(app)
	announced.Annotations = pulumi.StringMap{"pulumi.com/skipAwait": pulumi.String("true")} // the pod is ready before
	service, err := corev1.NewService(ctx, name, &corev1.ServiceArgs{
		Metadata: announced,
		Spec: &corev1.ServiceSpecArgs{
			Selector: labels(),
			Ports: corev1.ServicePortArray{&corev1.ServicePortArgs{
				Name: pulumi.String("https"), Port: pulumi.Int(443), TargetPort: pulumi.String("https"), AppProtocol: pulumi.String("https"),
			}},
		},
	}, append(child, pulumi.DependsOn([]pulumi.Resource{s.Deployment}))...)
	if err != nil {
		return nil, fmt.Errorf("metrics-server: service: %w", err)
	}
	// Registered last: an API that is announced and does not answer yet slows
	// down everybody who asks the API server what there is.
	s.APIService, err = v1.NewAPIService(ctx, name, &v1.APIServiceArgs{
		Metadata: &metav1.ObjectMetaArgs{Name: pulumi.String("v1beta1.metrics.k8s.io"), Labels: labels()},
		Spec: &v1.APIServiceSpecArgs{
			Service:               &v1.ServiceReferenceArgs{Namespace: pulumi.String(namespace), Name: service.Metadata.Name().Elem()},
			Group:                 pulumi.String("metrics.k8s.io"),
			Version:               pulumi.String("v1beta1"),
			InsecureSkipTLSVerify: pulumi.Bool(true), // it signs its certificate itself, as upstream's does
			GroupPriorityMinimum:  pulumi.Int(100),
			VersionPriority:       pulumi.Int(100),
		},
	}, append(child, pulumi.DependsOn([]pulumi.Resource{s.Deployment, service}))...)
	if err != nil {
		return nil, fmt.Errorf("metrics-server: API service: %w", err)
	}
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{})
}

func labels() pulumi.StringMap {
	return pulumi.StringMap{"k8s-app": pulumi.String(app)}
}

func meta(name string) *metav1.ObjectMetaArgs {
	return &metav1.ObjectMetaArgs{Name: pulumi.String(name), Namespace: pulumi.String(namespace), Labels: labels()}
}
