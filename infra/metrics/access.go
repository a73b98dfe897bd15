package metrics

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	rbacv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/rbac/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const rbacGroup = "rbac.authorization.k8s.io"

// access makes the service account and gives it what metrics-server reads:
// the kubelets' metrics, pods and nodes, and who may ask it.
func access(ctx *pulumi.Context, name string, opts []pulumi.ResourceOption) (*corev1.ServiceAccount, error) {
	account, err := corev1.NewServiceAccount(ctx, name, &corev1.ServiceAccountArgs{Metadata: meta(app)}, opts...)
	if err != nil {
		return nil, fmt.Errorf("metrics-server: service account: %w", err)
	}
	const role = "system:metrics-server"
	clusterWide := func(name string) *metav1.ObjectMetaArgs {
		return &metav1.ObjectMetaArgs{Name: pulumi.String(name), Labels: labels()}
	}
	_, err = rbacv1.NewClusterRole(ctx, name, &rbacv1.ClusterRoleArgs{
		Metadata: clusterWide(role),
		Rules: rbacv1.PolicyRuleArray{
			&rbacv1.PolicyRuleArgs{ApiGroups: pulumi.ToStringArray([]string{""}), Resources: pulumi.ToStringArray([]string{"nodes/metrics"}), Verbs: pulumi.ToStringArray([]string{"get"})},
			&rbacv1.PolicyRuleArgs{ApiGroups: pulumi.ToStringArray([]string{""}), Resources: pulumi.ToStringArray([]string{"pods", "nodes"}), Verbs: pulumi.ToStringArray([]string{"get", "list", "watch"})},
		},
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("metrics-server: cluster role: %w", err)
	}
	subjects := rbacv1.SubjectArray{&rbacv1.SubjectArgs{Kind: pulumi.String("ServiceAccount"), Name: account.Metadata.Name().Elem(), Namespace: pulumi.String(namespace)}}
	for _, b := range []struct{ suffix, name, role string }{
		{"reader", role, role},
		{"auth-delegator", "metrics-server:system:auth-delegator", "system:auth-delegator"},
	} {
		_, err = rbacv1.NewClusterRoleBinding(ctx, name+"-"+b.suffix, &rbacv1.ClusterRoleBindingArgs{
			Metadata: clusterWide(b.name),
			RoleRef:  &rbacv1.RoleRefArgs{ApiGroup: pulumi.String(rbacGroup), Kind: pulumi.String("ClusterRole"), Name: pulumi.String(b.role)},
			Subjects: subjects,
		}, opts...)
		if err != nil {
			return nil, fmt.Errorf("metrics-server: cluster role binding %s: %w", b.name, err)
		}
	}
	_, err = rbacv1.NewRoleBinding(ctx, name, &rbacv1.RoleBindingArgs{
		Metadata: meta("metrics-server-auth-reader"),
		RoleRef:  &rbacv1.RoleRefArgs{ApiGroup: pulumi.String(rbacGroup), Kind: pulumi.String("Role"), Name: pulumi.String("extension-apiserver-authentication-reader")},
		Subjects: subjects,
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("metrics-server: role binding: %w", err)
	}
	return account, nil
}
