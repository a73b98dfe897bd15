package prediction

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// newNamespace makes a namespace that refuses pods which are not restricted.
func (b *builder) newNamespace() error {
	labels := b.labels()
	for _, mode := range []string{"enforce", "warn", "audit"} {
		labels["pod-security.kubernetes.io/"+mode] = pulumi.String("restricted")
	}
	ns, err := corev1.NewNamespace(b.ctx, b.name, &corev1.NamespaceArgs{
		Metadata: &metav1.ObjectMetaArgs{Name: pulumi.String(b.args.Namespace), Labels: labels},
	}, b.opts()...)
	if err != nil {
		return fmt.Errorf("namespace: %w", err)
	}
	b.namespace = ns.Metadata.Name().Elem()
	return nil
}

// newServiceAccount makes an identity that no token is made for: the server
// does not talk to Kubernetes.
func (b *builder) newServiceAccount() (*corev1.ServiceAccount, error) {
	account, err := corev1.NewServiceAccount(b.ctx, b.name, &corev1.ServiceAccountArgs{
		Metadata:                     b.meta(b.args.Name),
		AutomountServiceAccountToken: pulumi.Bool(false),
	}, b.opts()...)
	if err != nil {
		return nil, fmt.Errorf("service account: %w", err)
	}
	return account, nil
}
