package prediction

import (
	"fmt"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// newService makes the address that callers use. It comes after the
// Deployment: Pulumi waits for a Service to have endpoints, and a Deployment
// that cannot start should be reported once.
func (b *builder) newService(deployment *appsv1.Deployment) (*corev1.Service, error) {
	port := &corev1.ServicePortArgs{
		Name:        pulumi.String("http"),
		Port:        pulumi.Int(callersPort),
		TargetPort:  pulumi.String("http"),
		Protocol:    pulumi.String("TCP"),
		AppProtocol: pulumi.String("http"),
	}
	if b.args.ServiceType == "NodePort" {
		port.NodePort = pulumi.Int(b.args.NodePort)
	}
	meta := b.meta(b.args.Name)
	if b.args.ServiceType != "LoadBalancer" {
		// The pods are there already; the wait for endpoints would add ten
		// seconds. Only a load balancer's address has to be waited for.
		meta.Annotations = pulumi.StringMap{"pulumi.com/skipAwait": pulumi.String("true")}
	}
	service, err := corev1.NewService(b.ctx, b.name, &corev1.ServiceArgs{
		Metadata: meta,
		Spec: &corev1.ServiceSpecArgs{
			Type:     pulumi.String(b.args.ServiceType),
			Selector: b.selector(),
			Ports:    corev1.ServicePortArray{port},
		},
	}, b.opts(pulumi.DependsOn([]pulumi.Resource{deployment}))...)
	if err != nil {
		return nil, fmt.Errorf("service: %w", err)
	}
	return service, nil
}
