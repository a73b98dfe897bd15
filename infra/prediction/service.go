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
	ports := corev1.ServicePortArray{b.servicePort("http", callersPort, "http", b.args.NodePort)}
	if b.args.GRPC {
		// HTTP/2 without TLS from the first byte, for proxies that have to know
		// (https://kubernetes.io/docs/concepts/services-networking/service/#application-protocol).
		ports = append(ports, b.servicePort("grpc", GRPCPort, "kubernetes.io/h2c", b.args.GRPCNodePort))
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
			Ports:    ports,
		},
	}, b.opts(pulumi.DependsOn([]pulumi.Resource{deployment}))...)
	if err != nil {
		return nil, fmt.Errorf("service: %w", err)
	}
	return service, nil
}

// servicePort leads to the container's port of the same name.
func (b *builder) servicePort(name string, port int, protocol string, nodePort int) *corev1.ServicePortArgs {
	p := &corev1.ServicePortArgs{
		Name:        pulumi.String(name),
		Port:        pulumi.Int(port),
		TargetPort:  pulumi.String(name),
		Protocol:    pulumi.String("TCP"),
		AppProtocol: pulumi.String(protocol),
	}
	if b.args.ServiceType == "NodePort" {
		p.NodePort = pulumi.Int(nodePort)
	}
	return p
}
