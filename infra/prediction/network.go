package prediction

import (
	"fmt"

	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// newNetworkPolicy lets callers reach the model, one namespace reach the
// metrics, and the pods reach nothing.
func (b *builder) newNetworkPolicy() error {
	callers := &networkingv1.NetworkPolicyIngressRuleArgs{Ports: policyPorts(servingPort)}
	if b.args.GRPC {
		callers.Ports = policyPorts(servingPort, GRPCPort)
	}
	var from networkingv1.NetworkPolicyPeerArray
	for _, cidr := range b.args.AllowFrom {
		from = append(from, &networkingv1.NetworkPolicyPeerArgs{IpBlock: &networkingv1.IPBlockArgs{Cidr: pulumi.String(cidr)}})
	}
	if len(from) > 0 {
		callers.From = from
	}
	_, err := networkingv1.NewNetworkPolicy(b.ctx, b.name, &networkingv1.NetworkPolicyArgs{
		Metadata: b.meta(b.args.Name),
		Spec: &networkingv1.NetworkPolicySpecArgs{
			PodSelector: &metav1.LabelSelectorArgs{MatchLabels: b.selector()},
			PolicyTypes: pulumi.ToStringArray([]string{"Ingress", "Egress"}),
			Ingress: networkingv1.NetworkPolicyIngressRuleArray{
				callers,
				&networkingv1.NetworkPolicyIngressRuleArgs{
					Ports: policyPorts(metricsPort),
					From: networkingv1.NetworkPolicyPeerArray{&networkingv1.NetworkPolicyPeerArgs{
						NamespaceSelector: &metav1.LabelSelectorArgs{MatchLabels: pulumi.StringMap{
							"kubernetes.io/metadata.name": pulumi.String(b.args.MetricsNamespace),
						}},
					}},
				},
			},
		},
	}, b.opts()...)
	if err != nil {
		return fmt.Errorf("network policy: %w", err)
	}
	return nil
}

func policyPorts(ports ...int) networkingv1.NetworkPolicyPortArray {
	var list networkingv1.NetworkPolicyPortArray
	for _, port := range ports {
		list = append(list, &networkingv1.NetworkPolicyPortArgs{Protocol: pulumi.String("TCP"), Port: pulumi.Int(port)})
	}
	return list
}
