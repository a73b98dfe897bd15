package kind_test

import (
	"encoding/json"
	"os"
	"reflect"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"rollproof/infra/kind"
)

// schema is what the provider says of itself, kept by its own test.
type schema struct {
	Resources map[string]struct {
		InputProperties map[string]struct{ Type string }
		RequiredInputs  []string
		Properties      map[string]struct {
			Type   string
			Secret bool
		}
	}
	Types map[string]struct {
		Properties map[string]struct{ Type string }
		Required   []string
	}
}

func readSchema(t *testing.T) schema {
	t.Helper()
	raw, err := os.ReadFile("../kindprovider/testdata/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

type recorder struct {
	mu     sync.Mutex
	inputs map[string]resource.PropertyMap
}

func (r *recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inputs[args.TypeToken] = args.Inputs
	return args.Name, args.Inputs, nil
}

func (*recorder) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return resource.PropertyMap{}, nil
}

// TestAgainstTheProvidersSchema declares both resources with every input and
// holds what is sent, and what is read, against the schema.
func TestAgainstTheProvidersSchema(t *testing.T) {
	t.Parallel()
	r := &recorder{inputs: map[string]resource.PropertyMap{}}
	err := pulumi.RunErr(func(ctx *pulumi.Context) error {
		if _, err := kind.NewCluster(ctx, "c", &kind.ClusterArgs{
			Name: "c", Workers: 2, NodeImage: "n:1", WaitSeconds: 9, Owner: "me",
			Ports: []kind.PortMapping{{HostPort: 1, NodePort: 2, Setting: "port"}},
		}); err != nil {
			return err
		}
		_, err := kind.NewImage(ctx, "i", &kind.ImageArgs{
			Cluster: pulumi.String("c"), Instance: pulumi.String("x"), Reference: "app:v1",
			Build: &kind.Build{Command: []string{"true"}, Dir: "/"},
		})
		return err
	}, pulumi.WithMocks("p", "s", r))
	if err != nil {
		t.Fatal(err)
	}
	s := readSchema(t)
	for token, read := range map[string]any{kind.ClusterType: kind.Cluster{}, kind.ImageType: kind.Image{}} {
		spec, ok := s.Resources[token]
		if !ok {
			t.Fatalf("the provider has no %s", token)
		}
		var want []string
		for name := range spec.InputProperties {
			want = append(want, name)
		}
		sort.Strings(want)
		if d := cmp.Diff(want, names(r.inputs[token])); d != "" {
			t.Errorf("inputs of %s (-schema +sent):\n%s", token, d)
		}
		for field := range reflect.TypeOf(read).Fields() {
			if tag := field.Tag.Get("pulumi"); tag != "" {
				if _, ok := spec.Properties[tag]; !ok {
					t.Errorf("%s has no output %s", token, tag)
				}
			}
		}
	}
	if !s.Resources[kind.ClusterType].Properties["kubeconfig"].Secret {
		t.Error("the kubeconfig is no secret")
	}
	for token, sent := range map[string]resource.PropertyMap{
		"kind:index:PortMapping": r.inputs[kind.ClusterType]["ports"].ArrayValue()[0].ObjectValue(),
		"kind:index:Build":       r.inputs[kind.ImageType]["build"].ObjectValue(),
	} {
		var want []string
		for name := range s.Types[token].Properties {
			want = append(want, name)
		}
		sort.Strings(want)
		if d := cmp.Diff(want, names(sent)); d != "" {
			t.Errorf("%s (-schema +sent):\n%s", token, d)
		}
	}
}

func names(m resource.PropertyMap) []string {
	var out []string
	for k := range m {
		if !strings.HasPrefix(string(k), "__") {
			out = append(out, string(k))
		}
	}
	sort.Strings(out)
	return out
}
