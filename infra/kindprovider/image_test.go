package kindprovider

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

var imageURN = resource.NewURN("s", "p", "", "kind:index:Image", "server")

var (
	idOne = "sha256:" + strings.Repeat("1", 64)
	idTwo = "sha256:" + strings.Repeat("2", 64)
)

func imageInputs(change map[string]property.Value) property.Map {
	m := map[string]property.Value{"cluster": property.New("c"), "instance": property.New("i"), "reference": property.New("app:v1")}
	for k, v := range change {
		m[k] = v
	}
	return property.NewMap(m)
}

func TestImageIsOnEveryNodeUnderItsDigest(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.add("c", 2)
	f.images["app:v1"] = idOne
	s := serve(t, t.Context(), f.machine(t))
	made, err := s.Create(p.CreateRequest{Urn: imageURN, Properties: imageInputs(nil)})
	if err != nil {
		t.Fatal(err)
	}
	const ref = "app:v1-111111111111"
	if got := made.Properties.Get("ref").AsString(); got != ref {
		t.Errorf("ref %q, want %q", got, ref)
	}
	for _, n := range f.clusters["c"] {
		if !f.loaded[n][fullName(ref)] {
			t.Errorf("node %s does not have it", n)
		}
	}
}

func TestImageDiff(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change map[string]property.Value
		given  func(*fakeMachine)
		want   map[string]p.DiffKind
	}{
		{"nothing", nil, nil, map[string]p.DiffKind{}},
		{"built anew", nil, func(f *fakeMachine) { f.images["app:v1"] = idTwo }, map[string]p.DiffKind{"digest": p.Update}},
		{"another reference", map[string]property.Value{"reference": property.New("app:v2")}, func(f *fakeMachine) { f.images["app:v2"] = idTwo }, map[string]p.DiffKind{"digest": p.Update, "reference": p.Update}},
		{"another cluster of the name", map[string]property.Value{"instance": property.New("j")}, nil, map[string]p.DiffKind{"instance": p.Update}},
		{"another cluster", map[string]property.Value{"cluster": property.New("d")}, nil, map[string]p.DiffKind{"cluster": p.UpdateReplace}},
		{"a node lost it", nil, func(f *fakeMachine) { f.loaded["c-worker1"] = nil }, map[string]p.DiffKind{"nodes": p.Update}},
		{"pruned from Docker but on the nodes", nil, func(f *fakeMachine) { delete(f.images, "app:v1") }, map[string]p.DiffKind{}},
		{"how it is built", map[string]property.Value{"build": property.New(map[string]property.Value{"command": property.New([]property.Value{property.New("true")}), "dir": property.New("/")})}, nil, map[string]p.DiffKind{}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			f.add("c", 1)
			f.images["app:v1"] = idOne
			s := serve(t, t.Context(), f.machine(t))
			made, err := s.Create(p.CreateRequest{Urn: imageURN, Properties: imageInputs(nil)})
			if err != nil {
				t.Fatal(err)
			}
			if tc.given != nil {
				tc.given(f)
			}
			diff, err := s.Diff(p.DiffRequest{ID: made.ID, Urn: imageURN, State: made.Properties, Inputs: imageInputs(tc.change)})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]p.DiffKind{}
			for k, v := range diff.DetailedDiff {
				got[k] = v.Kind
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("diff (-want +got):\n%s", d)
			}
		})
	}
}

func TestImageThatDoesNotExist(t *testing.T) {
	t.Parallel()
	build := func(script string) map[string]property.Value {
		return map[string]property.Value{"build": property.New(map[string]property.Value{
			"command": property.New([]property.Value{property.New("sh"), property.New("-c"), property.New(script)}), "dir": property.New("/"),
		})}
	}
	tests := []struct {
		name    string
		change  map[string]property.Value
		preview bool
		want    []string
	}{
		{"at preview, with no way to make it", nil, true, []string{"app:v1", "no such image", "docker build"}},
		{"with no way to make it", nil, false, []string{"app:v1", "no such image"}},
		{"at preview, with a way to make it", build("exit 1"), true, nil},
		{"a build that fails", build("echo broken pipe organ; exit 3"), false, []string{"app:v1", "exit status 3", "broken pipe organ"}},
		{"a build that makes another", build("true"), false, []string{"app:v1", "made no image"}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			f.add("c", 0)
			_, err := serve(t, t.Context(), f.machine(t)).Create(p.CreateRequest{Urn: imageURN, Properties: imageInputs(tc.change), DryRun: tc.preview})
			if tc.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wantError(t, err, tc.want...)
		})
	}
}

func TestImageReadTellsWhichNodesHaveIt(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.add("c", 1)
	f.images["app:v1"] = idOne
	s := serve(t, t.Context(), f.machine(t))
	made, err := s.Create(p.CreateRequest{Urn: imageURN, Properties: imageInputs(nil)})
	if err != nil {
		t.Fatal(err)
	}
	read := func() p.ReadResponse {
		t.Helper()
		r, err := s.Read(p.ReadRequest{ID: made.ID, Urn: imageURN, Properties: made.Properties, Inputs: imageInputs(nil)})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	f.loaded["c-worker1"] = nil
	if r := read(); r.ID != made.ID || r.Properties.Get("nodes").AsArray().Len() != 1 {
		t.Errorf("read %q, nodes %v", r.ID, r.Properties.Get("nodes"))
	}
	f.loaded["c-control-plane"] = nil
	if r := read(); r.ID != "" {
		t.Errorf("an image that no node has is still %q", r.ID)
	}
}

func TestSchema(t *testing.T) {
	t.Parallel()
	resp, err := serve(t, t.Context(), newFake().machine(t)).GetSchema(p.GetSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "schema.json")
	if *update {
		if err := os.WriteFile(path, []byte(resp.Schema), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), resp.Schema); d != "" {
		t.Errorf("schema (-want +got); -update writes it anew:\n%s", d)
	}
}
