package observe

import (
	"bytes"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// Rights says who is to get the rights that an Observer needs, and where.
type Rights struct {
	Namespace string // of the Deployment or StatefulSet
	Name      string // of the Role and the RoleBinding
	Subject   rbacv1.Subject
	Nodes     bool // also a ClusterRole for nodes, which are optional
}

// verbs are all that an Observer does.
func verbs() []string { return []string{"get", "list", "watch"} }

// rules are the rights that Start needs; a test holds them to what it asks for.
func rules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{"apps"}, Resources: []string{"deployments", "replicasets", "statefulsets"}, Verbs: verbs()},
		{APIGroups: []string{""}, Resources: []string{"pods", "events"}, Verbs: verbs()},
		{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: verbs()},
		{APIGroups: []string{"autoscaling"}, Resources: []string{"horizontalpodautoscalers"}, Verbs: verbs()},
	}
}

// Objects returns a Role and its RoleBinding, and with Nodes a ClusterRole and
// its ClusterRoleBinding, whose names carry the namespace.
func (r Rights) Objects() []runtime.Object {
	meta := metav1.ObjectMeta{Name: r.Name, Namespace: r.Namespace}
	out := []runtime.Object{
		&rbacv1.Role{TypeMeta: kind("Role"), ObjectMeta: meta, Rules: rules()},
		&rbacv1.RoleBinding{
			TypeMeta: kind("RoleBinding"), ObjectMeta: meta,
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: r.Name},
			Subjects: []rbacv1.Subject{r.Subject},
		},
	}
	if !r.Nodes {
		return out
	}
	wide := metav1.ObjectMeta{Name: r.Namespace + "-" + r.Name + "-nodes"}
	return append(out,
		&rbacv1.ClusterRole{
			TypeMeta: kind("ClusterRole"), ObjectMeta: wide,
			Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: verbs()}},
		},
		&rbacv1.ClusterRoleBinding{
			TypeMeta: kind("ClusterRoleBinding"), ObjectMeta: wide,
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: wide.Name},
			Subjects: []rbacv1.Subject{r.Subject},
		})
}

func kind(name string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: name}
}

// YAML returns the objects as one file for kubectl apply.
func (r Rights) YAML() ([]byte, error) {
	var b bytes.Buffer
	for i, object := range r.Objects() {
		if i > 0 {
			b.WriteString("---\n")
		}
		text, err := yaml.Marshal(object)
		if err != nil {
			return nil, fmt.Errorf("rights in namespace %s: %w", r.Namespace, err)
		}
		b.Write(text)
	}
	return b.Bytes(), nil
}
