package setup

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"golang.org/x/mod/modfile"
)

// TestModulesHoldThePinnedVersions holds every go.mod against the one list.
func TestModulesHoldThePinnedVersions(t *testing.T) {
	t.Parallel()
	v, err := LoadVersions()
	if err != nil {
		t.Fatal(err)
	}
	staging := regexp.MustCompile(`^v1`).ReplaceAllString(v["KUBERNETES"], "v0")
	for _, tc := range []struct{ dir, module, want string }{
		{"scripts/fromsource/cluster", "k8s.io/kubernetes", v["KUBERNETES"]},
		{"scripts/fromsource/cluster", "k8s.io/component-base", staging},
		{"scripts/fromsource/containerd", "github.com/containerd/containerd/v2", v["CONTAINERD"]},
		{"scripts/fromsource/cni", "github.com/containernetworking/plugins", v["CNI_PLUGINS"]},
		{"scripts/fromsource/cluster", "go.etcd.io/etcd/server/v3", v["ETCD"]},
		{"scripts/fromsource/cluster", "github.com/coredns/coredns", v["COREDNS"]},
		{"scripts/fromsource/cluster", "sigs.k8s.io/metrics-server", v["METRICS_SERVER"]},
		{"scripts/fromsource/pulumi", "github.com/pulumi/pulumi/pkg/v3", v["PULUMI"]},
		{"scripts/fromsource/pulumi-language-go", "github.com/pulumi/pulumi/sdk/v3", v["PULUMI"]},
		{"scripts/fromsource/pulumi-kubernetes", "github.com/pulumi/pulumi-kubernetes/provider/v4", v["PULUMI_KUBERNETES_MODULE"]},
		{"scripts/fromsource/golangci-lint", "github.com/golangci/golangci-lint/v2", v["GOLANGCI_LINT"]},
		{"scripts/fromsource/clients", "github.com/fullstorydev/grpcurl", v["GRPCURL"]},
		{"scripts/fromsource/clients", "github.com/bojand/ghz", v["GHZ"]},
		{"scripts/fromsource/protobuf", "github.com/bufbuild/protocompile", v["PROTOCOMPILE"]},
		{"scripts/fromsource/protobuf", "google.golang.org/protobuf", v["PROTOC_GEN_GO"]},
		{"scripts/fromsource/protobuf", "google.golang.org/grpc/cmd/protoc-gen-go-grpc", v["PROTOC_GEN_GO_GRPC"]},
		{".", "sigs.k8s.io/kind", v["KIND"]},
		{".", "github.com/pulumi/pulumi/sdk/v3", v["PULUMI_SDK"]},
		{"infra/kindprovider", "github.com/pulumi/pulumi/sdk/v3", v["PULUMI_SDK"]},
		{"scripts/fromsource/pulumi-kubernetes", "github.com/pulumi/pulumi/sdk/v3", v["PULUMI_SDK"]},
		{".", "github.com/pulumi/pulumi-kubernetes/sdk/v4", v["PULUMI_KUBERNETES"]},
		{".", "k8s.io/client-go", staging},
	} {
		path := filepath.Join("../..", tc.dir, "go.mod")
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		mod, err := modfile.Parse(path, raw, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := "nothing"
		for _, r := range mod.Require {
			if r.Mod.Path == tc.module {
				got = r.Mod.Version
			}
		}
		if got != tc.want {
			t.Errorf("%s requires %s %s, versions.env says %q", path, tc.module, got, tc.want)
		}
		// Every replaced Kubernetes module is of the same release.
		for _, r := range mod.Replace {
			if r.New.Version != staging && tc.module == "k8s.io/kubernetes" {
				t.Errorf("%s replaces %s by %s, want %s", path, r.Old.Path, r.New.Version, staging)
			}
		}
	}
	if want := "kindest/node:" + v["KUBERNETES"] + "@sha256:"; len(v["NODE_IMAGE"]) <= len(want) || v["NODE_IMAGE"][:len(want)] != want {
		t.Errorf("NODE_IMAGE is %s, want one of Kubernetes %s, pinned by digest", v["NODE_IMAGE"], v["KUBERNETES"])
	}
}

func TestParseVersionsRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no value":  "GO=\n",
		"no equals": "GO 1\n",
		"twice":     "GO=1\nGO=2\n",
	} {
		if _, err := parseVersions(text); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
