//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	kind "sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
)

// nodePort is the port of a cluster made by hand that is mapped to the host.
const nodePort = 30080

// handMadeCluster makes a kind cluster without Pulumi and returns its kubeconfig.
// It is removed when the test ends, also when ctx has ended meanwhile.
func handMadeCluster(ctx context.Context, t *testing.T, name string, hostPort, workers int) string {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	provider := kind.NewProvider(kind.ProviderWithDocker())
	image := "rollproof/node:" + nodeVersion(t)
	config := &v1alpha4.Cluster{
		Networking: v1alpha4.Networking{KubeProxyMode: v1alpha4.NFTablesProxyMode},
		Nodes: []v1alpha4.Node{{
			Role: v1alpha4.ControlPlaneRole, Image: image,
			ExtraPortMappings: []v1alpha4.PortMapping{{ContainerPort: nodePort, HostPort: int32(hostPort), ListenAddress: "127.0.0.1"}},
		}},
		// Both are what this machine may need and any other may have.
		KubeadmConfigPatches:    []string{"kind: KubeletConfiguration\nfailCgroupV1: false\n"},
		ContainerdConfigPatches: []string{"[plugins.\"io.containerd.grpc.v1.cri\"]\n  restrict_oom_score_adj = true\n"},
	}
	for range workers {
		config.Nodes = append(config.Nodes, v1alpha4.Node{Role: v1alpha4.WorkerRole, Image: image})
	}
	t.Cleanup(func() {
		if err := provider.Delete(name, kubeconfig); err != nil {
			t.Errorf("delete cluster %s: %v", name, err)
		}
	})
	made := make(chan error, 1)
	go func() {
		made <- provider.Create(name, kind.CreateWithV1Alpha4Config(config), kind.CreateWithKubeconfigPath(kubeconfig),
			kind.CreateWithDisplayUsage(false), kind.CreateWithDisplaySalutation(false), kind.CreateWithWaitForReady(2*time.Minute))
	}()
	err := context.Cause(ctx)
	for done := false; !done; {
		select {
		case err = <-made:
			done = true
		case <-ctx.Done():
			// kind cannot be interrupted, but it fails soon when its containers go.
			err = errors.Join(context.Cause(ctx), provider.Delete(name, kubeconfig))
			select {
			case <-made: //nolint:errcheck // it failed because of us, which is no news
				done = true
			case <-time.After(time.Second):
			}
		}
	}
	if err != nil {
		t.Fatalf("make cluster %s: %v", name, err)
	}
	return kubeconfig
}

// loadImage puts an image of Docker's on every node of a cluster.
func loadImage(t *testing.T, cluster, image string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "image.tar")
	docker(t, "save", "-o", file, image)
	list, err := kind.NewProvider(kind.ProviderWithDocker()).ListInternalNodes(cluster)
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range list {
		archive, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(nodeutils.LoadImageArchive(node, io.Reader(archive)), archive.Close())
		if err != nil {
			t.Fatal(fmt.Errorf("load %s into node %s: %w", image, node, err))
		}
	}
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
