//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	kind "sigs.k8s.io/kind/pkg/cluster"
)

// handMadeCluster makes a kind cluster of one node without Pulumi and returns
// its kubeconfig.
func handMadeCluster(t *testing.T) string {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	provider := kind.NewProvider(kind.ProviderWithDocker())
	config := &v1alpha4.Cluster{
		Networking: v1alpha4.Networking{KubeProxyMode: v1alpha4.NFTablesProxyMode},
		Nodes: []v1alpha4.Node{{
			Role:              v1alpha4.ControlPlaneRole,
			Image:             "rollproof/node:" + nodeVersion(t),
			ExtraPortMappings: []v1alpha4.PortMapping{{ContainerPort: 30080, HostPort: 30997, ListenAddress: "127.0.0.1"}},
		}},
		// Both are what this machine may need and any other may have.
		KubeadmConfigPatches:    []string{"kind: KubeletConfiguration\nfailCgroupV1: false\n"},
		ContainerdConfigPatches: []string{"[plugins.\"io.containerd.grpc.v1.cri\"]\n  restrict_oom_score_adj = true\n"},
	}
	t.Cleanup(func() {
		if err := provider.Delete(byHand, kubeconfig); err != nil {
			t.Errorf("delete the cluster made by hand: %v", err)
		}
	})
	if err := provider.Create(byHand, kind.CreateWithV1Alpha4Config(config), kind.CreateWithKubeconfigPath(kubeconfig), kind.CreateWithWaitForReady(2*time.Minute)); err != nil {
		t.Fatalf("make a cluster by hand: %v", err)
	}
	return kubeconfig
}

// nodeVersion is the tag of the node image, from the pinned version list.
func nodeVersion(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root(), "scripts/setup/versions.env"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if v, ok := strings.CutPrefix(line, "KUBERNETES="); ok {
			return strings.TrimSpace(v)
		}
	}
	t.Fatal("versions.env has no KUBERNETES")
	return ""
}
