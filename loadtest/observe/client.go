package observe

import (
	"context"
	"fmt"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// Target says which cluster and what in it is watched.
type Target struct {
	Kubeconfig string // empty: $KUBECONFIG, then ~/.kube/config
	Context    string // empty: the kubeconfig's current one
	Namespace  string // empty: the context's
	// Deployment and StatefulSet name what is watched: one of them is set.
	Deployment  string
	StatefulSet string `json:",omitempty"`
}

// The kinds that can be watched.
const (
	kindDeployment  = "Deployment"
	kindStatefulSet = "StatefulSet"
)

// String names what is watched: "deployment web".
func (t Target) String() string {
	if t.StatefulSet != "" {
		return "statefulset " + t.StatefulSet
	}
	return "deployment " + t.Deployment
}

// Start begins to watch the target in that namespace.
func (t Target) Start(ctx context.Context, client kubernetes.Interface, namespace string) (*Observer, error) {
	if t.StatefulSet != "" {
		return StartStatefulSet(ctx, client, namespace, t.StatefulSet)
	}
	return Start(ctx, client, namespace, t.Deployment)
}

// Client returns a client for the target's cluster and the namespace it means.
func (t Target) Client() (kubernetes.Interface, string, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	if t.Kubeconfig != "" {
		rules.ExplicitPath = t.Kubeconfig
	}
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: t.Context})
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("kubeconfig: %w", err)
	}
	// Seven watches and a handful of lists: the default limits of 5 a second would
	// make the start wait.
	config.QPS, config.Burst = 50, 100
	config.UserAgent = "rollproof-loadtest"
	namespace := t.Namespace
	if namespace == "" {
		if namespace, _, err = loader.Namespace(); err != nil {
			return nil, "", fmt.Errorf("kubeconfig: namespace: %w", err)
		}
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, "", fmt.Errorf("kubeconfig: %w", err)
	}
	return client, namespace, nil
}
