package kindprovider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
	"sigs.k8s.io/kind/pkg/exec"
	"sigs.k8s.io/kind/pkg/log"
)

// Kind is what the resources need of kind.
type Kind interface {
	// Nodes are the names of a cluster's nodes, control plane first; none when
	// there is no such cluster.
	Nodes(name string) ([]string, error)
	// Create makes a cluster; it cannot be interrupted, and it never touches
	// the user's own kubeconfig.
	Create(config *v1alpha4.Cluster, logger log.Logger) error
	// Delete removes a cluster and is content when there is none.
	Delete(name string) error
	// KubeConfig is the kubeconfig of a cluster, for this machine.
	KubeConfig(name string) (string, error)
	// NotReady says which nodes are not ready and why, by their names.
	NotReady(ctx context.Context, name string) (map[string]string, error)
	// Images are the full names of the images that a node has.
	Images(ctx context.Context, clusterName, node string) ([]string, error)
	// Load imports an archive as `docker save` writes it into a node.
	Load(ctx context.Context, clusterName, node string, archive io.Reader) error
}

// Library is Kind on sigs.k8s.io/kind with Docker.
type Library struct{}

func provider(logger log.Logger) *cluster.Provider {
	return cluster.NewProvider(cluster.ProviderWithDocker(), cluster.ProviderWithLogger(logger))
}

// Nodes lists a cluster's nodes.
func (l Library) Nodes(name string) ([]string, error) {
	list, err := l.list(name)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, n := range list {
		names = append(names, n.String())
	}
	return names, nil
}

func (Library) list(name string) ([]nodes.Node, error) {
	list, err := provider(log.NoopLogger{}).ListInternalNodes(name)
	if err != nil {
		return nil, fmt.Errorf("nodes of cluster %q: %w", name, explain(err))
	}
	roles := make(map[string]string, len(list))
	for _, n := range list {
		role, err := n.Role()
		if err != nil {
			return nil, fmt.Errorf("role of node %s: %w", n, explain(err))
		}
		roles[n.String()] = role
	}
	sort.Slice(list, func(i, j int) bool { // "control-plane" sorts before "worker"
		a, b := list[i].String(), list[j].String()
		if roles[a] != roles[b] {
			return roles[a] < roles[b]
		}
		return a < b
	})
	return list, nil
}

// Create makes a cluster, without a wait for its nodes: kind's own only warns.
func (Library) Create(config *v1alpha4.Cluster, logger log.Logger) error {
	return withKubeconfig(func(path string) error {
		err := provider(logger).Create(config.Name,
			cluster.CreateWithV1Alpha4Config(config),
			cluster.CreateWithKubeconfigPath(path),
			cluster.CreateWithDisplayUsage(false),
			cluster.CreateWithDisplaySalutation(false))
		return explain(err)
	})
}

// Delete removes a cluster.
func (Library) Delete(name string) error {
	return withKubeconfig(func(path string) error {
		return explain(provider(log.NoopLogger{}).Delete(name, path))
	})
}

// withKubeconfig lends a path for a kubeconfig that nobody else reads.
func withKubeconfig(use func(path string) error) error {
	dir, err := os.MkdirTemp("", "kind-kubeconfig-")
	if err != nil {
		return err
	}
	return errors.Join(use(filepath.Join(dir, "config")), os.RemoveAll(dir))
}

// KubeConfig reads a cluster's kubeconfig from its control plane.
func (Library) KubeConfig(name string) (string, error) {
	config, err := provider(log.NoopLogger{}).KubeConfig(name, false)
	if err != nil {
		return "", fmt.Errorf("kubeconfig of cluster %q: %w", name, explain(err))
	}
	return config, nil
}

// NotReady asks the cluster's own kubectl.
func (l Library) NotReady(ctx context.Context, name string) (map[string]string, error) {
	list, err := l.list(name)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("cluster %q has no nodes", name)
	}
	raw, err := output(list[0].CommandContext(ctx, "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf",
		"--request-timeout=5s", "get", "nodes", "--output=json"))
	if err != nil {
		return nil, fmt.Errorf("nodes of cluster %q: %w", name, err)
	}
	names := make([]string, len(list))
	for i, n := range list {
		names[i] = n.String()
	}
	return notReady(raw, names)
}

// notReady reads a NodeList and says which of the nodes are not ready, and
// why.
func notReady(nodeList []byte, names []string) (map[string]string, error) {
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct {
				Conditions []struct{ Type, Status, Reason, Message string }
			}
		}
	}
	if err := json.Unmarshal(nodeList, &list); err != nil {
		return nil, fmt.Errorf("list of nodes: %w", err)
	}
	out := make(map[string]string)
	for _, n := range names {
		out[n] = "has not joined"
	}
	for _, item := range list.Items {
		if !slices.Contains(names, item.Metadata.Name) {
			continue
		}
		out[item.Metadata.Name] = "has no condition Ready yet"
		for _, c := range item.Status.Conditions {
			switch {
			case c.Type != "Ready":
			case c.Status == "True":
				delete(out, item.Metadata.Name)
			default:
				out[item.Metadata.Name] = strings.TrimSpace(c.Reason + ": " + c.Message)
			}
		}
	}
	return out, nil
}

func (l Library) node(clusterName, name string) (nodes.Node, error) {
	list, err := l.list(clusterName)
	if err != nil {
		return nil, err
	}
	for _, n := range list {
		if n.String() == name {
			return n, nil
		}
	}
	return nil, fmt.Errorf("cluster %q has no node %q", clusterName, name)
}

// Images asks the node's containerd.
func (l Library) Images(ctx context.Context, clusterName, name string) ([]string, error) {
	n, err := l.node(clusterName, name)
	if err != nil {
		return nil, err
	}
	raw, err := output(n.CommandContext(ctx, "ctr", "--namespace=k8s.io", "images", "list", "--quiet"))
	if err != nil {
		return nil, fmt.Errorf("images of node %s: %w", name, err)
	}
	return strings.Fields(string(raw)), nil
}

// Load imports an archive into a node.
func (l Library) Load(_ context.Context, clusterName, name string, archive io.Reader) error {
	n, err := l.node(clusterName, name)
	if err != nil {
		return err
	}
	if err := nodeutils.LoadImageArchive(n, archive); err != nil {
		return fmt.Errorf("load into node %s: %w", name, explain(err))
	}
	return nil
}

func output(cmd exec.Cmd) ([]byte, error) {
	raw, err := exec.Output(cmd)
	return raw, explain(err)
}

// explain adds to an error of kind what the failed command printed: kind
// itself keeps it apart.
func explain(err error) error {
	run := exec.RunErrorForError(err)
	if err == nil || run == nil {
		return hint(err)
	}
	text := strings.TrimSpace(string(run.Output))
	if text == "" || strings.Contains(err.Error(), text) {
		return hint(err)
	}
	return hint(fmt.Errorf("%w\n%s", err, lastLines(text, 15)))
}

func lastLines(s string, n int) string {
	lines := strings.Split(s, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
