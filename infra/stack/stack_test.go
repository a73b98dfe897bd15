package stack

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

var update = flag.Bool("update", false, "write golden files anew")

// mocks answers for every provider and keeps what was asked.
type mocks struct {
	mu   sync.Mutex
	seen map[string]recorded
}

// recorded is one resource as a golden file has it.
type recorded struct {
	Type     string `json:"type"`
	Name     string `json:"name"`
	Provider string `json:"provider,omitempty"`
	Inputs   any    `json:"inputs"`
}

func (m *mocks) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	provider := args.Provider
	if i := strings.LastIndex(provider, "::"); i >= 0 { // without the ID
		provider = provider[:i]
	}
	m.seen[args.TypeToken+" "+args.Name] = recorded{args.TypeToken, args.Name, provider, plain(resource.NewProperty(args.Inputs))}
	out := args.Inputs.Copy()
	set := func(k, v string) { out[resource.PropertyKey(k)] = resource.NewProperty(v) }
	switch args.TypeToken {
	case "kind:index:Cluster":
		set("kubeconfig", "the kubeconfig")
		set("context", "kind-"+args.Inputs["name"].StringValue())
		set("instance", "the instance")
	case "kind:index:Image":
		set("ref", args.Inputs["reference"].StringValue()+"-0123456789ab")
	case "gcp:container/cluster:Cluster":
		set("endpoint", "192.0.2.1")
		out["masterAuth"] = resource.NewProperty(resource.PropertyMap{"clusterCaCertificate": resource.NewProperty("Q0E=")})
	case "gcp:serviceaccount/account:Account":
		set("email", "nodes@example.com")
		set("member", "serviceAccount:nodes@example.com")
	case "kubernetes:core/v1:Service":
		out["status"] = resource.NewProperty(resource.PropertyMap{"loadBalancer": resource.NewProperty(resource.PropertyMap{
			"ingress": resource.NewProperty([]resource.PropertyValue{resource.NewProperty(resource.PropertyMap{"ip": resource.NewProperty("192.0.2.2")})}),
		})})
	}
	return args.Name, out, nil
}

func (*mocks) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return resource.PropertyMap{}, nil
}

// plain is a property as JSON has it; a secret shows that it is one.
func plain(v resource.PropertyValue) any {
	switch {
	case v.IsSecret():
		return map[string]any{"secret": plain(v.SecretValue().Element)}
	case v.IsOutput():
		return plain(v.OutputValue().Element)
	case v.IsObject():
		out := map[string]any{}
		for k, e := range v.ObjectValue() {
			out[string(k)] = plain(e)
		}
		return out
	case v.IsArray():
		out := []any{}
		for _, e := range v.ArrayValue() {
			out = append(out, plain(e))
		}
		return out
	default:
		return v.V
	}
}

// TestDeployAgainstGolden holds every input of every resource of every
// provider against a file.
func TestDeployAgainstGolden(t *testing.T) {
	t.Parallel()
	path := writeKubeconfig(t, kubeconfig)
	tests := map[string]map[string]string{
		"kind":            with(),
		"kind-unsafe":     with("unsafeDisableDrain", "true", "image", "other/app:v3", "clusterName", "c", "port", "8080"),
		"existing":        with("provider", "existing", "kubeconfig", path, "context", "b", "allowFrom", "10.0.0.0/8"),
		"kind-grpc":       with("grpc", "true", "grpcPort", "30081"),
		"gke-grpc":        with("provider", "gke", "gkeProject", "p", "grpc", "true", "allowFrom", "10.0.0.0/8"),
		"existing-kind":   with("provider", "existing", "kubeconfig", path, "kindCluster", "k"),
		"gke":             with("provider", "gke", "gkeProject", "p"),
		"gke-cluster-svc": with("provider", "gke", "gkeProject", "p", "serviceType", "ClusterIP", "gkeMinNodes", "2", "gkeMaxNodes", "9", "gkeRegion", "europe-north1", "gkeMachineType", "n2-standard-8"),
	}
	for name, config := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Parse(config)
			if err != nil {
				t.Fatal(err)
			}
			m := &mocks{seen: map[string]recorded{}}
			err = pulumi.RunErr(func(ctx *pulumi.Context) error { return Deploy(ctx, s) },
				pulumi.WithMocks("rollproof", "test", m), func(r *pulumi.RunInfo) { r.RootDirectory = "ROOT" })
			if err != nil {
				t.Fatal(err)
			}
			list := make([]recorded, 0, len(m.seen))
			for _, r := range m.seen {
				list = append(list, r)
			}
			sort.Slice(list, func(i, j int) bool { return list[i].Type+list[i].Name < list[j].Type+list[j].Name })
			got, err := json.MarshalIndent(list, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(golden, append(got, '\n'), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(got)+"\n"); d != "" {
				t.Errorf("resources (-want +got); -update writes them anew:\n%s", d)
			}
		})
	}
}

// TestDeploymentNeverSetsReplicas: they belong to the autoscaler.
func TestDeploymentNeverSetsReplicas(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var list []struct {
			Type, Name string
			Inputs     struct{ Spec map[string]any }
		}
		if err := json.Unmarshal(raw, &list); err != nil {
			t.Fatal(err)
		}
		found := false
		for _, r := range list {
			if r.Type == "kubernetes:apps/v1:Deployment" && r.Name == "prediction" {
				found = true
				if _, ok := r.Inputs.Spec["replicas"]; ok {
					t.Errorf("%s: the Deployment sets replicas", f)
				}
			}
		}
		if !found {
			t.Errorf("%s: no Deployment", f)
		}
	}
}
