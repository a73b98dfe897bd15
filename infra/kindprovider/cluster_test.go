package kindprovider

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

var clusterURN = resource.NewURN("s", "p", "", "kind:index:Cluster", "kind")

func clusterInputs(change map[string]property.Value) property.Map {
	m := map[string]property.Value{
		"name": property.New("c"), "workers": property.New(2.0), "waitSeconds": property.New(1.0), "owner": property.New("me"),
		"ports": property.New([]property.Value{property.New(map[string]property.Value{
			"hostPort": property.New(30080.0), "nodePort": property.New(30080.0), "setting": property.New("app:port"),
		})}),
	}
	for k, v := range change {
		m[k] = v
	}
	return property.NewMap(m)
}

func create(t *testing.T, s integration.Server, inputs property.Map) p.CreateResponse {
	t.Helper()
	resp, err := s.Create(p.CreateRequest{Urn: clusterURN, Properties: inputs})
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func TestClusterIsMadeReadAndDeleted(t *testing.T) {
	t.Parallel()
	f := newFake()
	m := f.machine(t)
	s := serve(t, t.Context(), m)
	in := clusterInputs(nil)
	if _, err := s.Create(p.CreateRequest{Urn: clusterURN, Properties: in, DryRun: true}); err != nil || f.made != 0 {
		t.Fatalf("a preview: error %v, %d clusters made", err, f.made)
	}
	made := create(t, s, in)
	state := made.Properties
	if !state.Get("kubeconfig").Secret() {
		t.Error("the kubeconfig is no secret")
	}
	for k, want := range map[string]string{"context": "kind-c", "endpoint": "https://127.0.0.1:4000", "instance": "id-1-c-control-plane"} {
		if got := state.Get(k).AsString(); got != want {
			t.Errorf("%s is %q, want %q", k, got, want)
		}
	}
	if got := f.configs[0]; got.Networking.KubeProxyMode != "nftables" || got.Networking.DisableDefaultCNI || len(got.Nodes) != 3 ||
		got.Nodes[0].ExtraPortMappings[0].ListenAddress != "127.0.0.1" {
		t.Errorf("kind was asked for %+v", got)
	}
	read, err := s.Read(p.ReadRequest{ID: made.ID, Urn: clusterURN, Properties: state, Inputs: in})
	if err != nil || read.ID != made.ID {
		t.Fatalf("read: %q, %v", read.ID, err)
	}
	for range 2 { // the second finds nothing, and is content
		if err := s.Delete(p.DeleteRequest{ID: made.ID, Urn: clusterURN, Properties: state}); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.clusters) != 0 {
		t.Error("the cluster is still there")
	}
	if read, err = s.Read(p.ReadRequest{ID: made.ID, Urn: clusterURN, Properties: state, Inputs: in}); err != nil || read.ID != "" {
		t.Errorf("read of what is gone: %q, %v", read.ID, err)
	}
}

func TestClusterDiff(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change map[string]property.Value
		spoil  func(*fakeMachine)
		want   map[string]p.DiffKind
	}{
		{name: "nothing"},
		{"workers", map[string]property.Value{"workers": property.New(1.0)}, nil, map[string]p.DiffKind{"workers": p.UpdateReplace}},
		{"name", map[string]property.Value{"name": property.New("d")}, nil, map[string]p.DiffKind{"name": p.UpdateReplace}},
		{"node image", map[string]property.Value{"nodeImage": property.New("n:1")}, nil, map[string]p.DiffKind{"nodeImage": p.UpdateReplace}},
		{"ports", map[string]property.Value{"ports": property.New([]property.Value{})}, nil, map[string]p.DiffKind{"ports": p.UpdateReplace}},
		{"the wait only", map[string]property.Value{"waitSeconds": property.New(9.0)}, nil, map[string]p.DiffKind{"waitSeconds": p.Update}},
		{"deleted by hand", nil, func(f *fakeMachine) { _ = f.Delete("c") }, map[string]p.DiffKind{"instance": p.UpdateReplace}},
		{"made anew by hand", nil, func(f *fakeMachine) { f.add("c", 2) }, map[string]p.DiffKind{"instance": p.UpdateReplace}},
		{"a node deleted by hand", nil, func(f *fakeMachine) { f.clusters["c"] = f.clusters["c"][:2] }, map[string]p.DiffKind{"instance": p.UpdateReplace}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			s := serve(t, t.Context(), f.machine(t))
			made := create(t, s, clusterInputs(nil))
			if tc.spoil != nil {
				tc.spoil(f)
			}
			diff, err := s.Diff(p.DiffRequest{ID: made.ID, Urn: clusterURN, State: made.Properties, Inputs: clusterInputs(tc.change)})
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]p.DiffKind
			for k, v := range diff.DetailedDiff {
				if got == nil {
					got = map[string]p.DiffKind{}
				}
				got[k] = v.Kind
			}
			if d := cmp.Diff(tc.want, got); d != "" || diff.HasChanges != (len(tc.want) > 0) {
				t.Errorf("diff (-want +got), changes %v:\n%s", diff.HasChanges, d)
			}
		})
	}
}

func TestClusterCreateRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		given func(*fakeMachine, *Machine)
		want  []string
	}{
		{"Docker that does not answer", func(f *fakeMachine, _ *Machine) { f.down = errors.New("docker is down") }, []string{"docker is down"}},
		{"a port in use", func(f *fakeMachine, _ *Machine) { f.ports[30080] = "nginx (process 7)" }, []string{"app:port", "30080", "nginx (process 7)"}},
		{"a cluster that nobody here made", func(f *fakeMachine, _ *Machine) { f.add("c", 0) }, []string{`"c"`, "not ours", "left untouched"}},
		{"another owner's cluster", func(f *fakeMachine, m *Machine) {
			f.add("c", 0)
			_ = m.Owners.Put("c", Record{Owner: "them", Instance: f.ids["c-control-plane"]})
		}, []string{"belongs to them", "left untouched"}},
		{"ours by name, but made anew by hand", func(f *fakeMachine, m *Machine) {
			f.add("c", 0)
			_ = m.Owners.Put("c", Record{Owner: "me in here", Instance: "another container"})
		}, []string{"not ours"}},
	}
	for _, tc := range tests {
		for _, preview := range []bool{true, false} {
			name := tc.name
			if preview {
				name += ", at preview"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f := newFake()
				m := f.machine(t)
				tc.given(f, m)
				before := len(f.clusters)
				_, err := serve(t, t.Context(), m).Create(p.CreateRequest{Urn: clusterURN, Properties: clusterInputs(nil), DryRun: preview})
				wantError(t, err, tc.want...)
				if len(f.configs) != 0 || len(f.clusters) != before {
					t.Error("something was made or deleted")
				}
			})
		}
	}
}

func TestClusterLeftByAnInterruptedCreationIsMadeAgain(t *testing.T) {
	t.Parallel()
	f := newFake()
	m := f.machine(t)
	f.add("c", 2)
	c := &Cluster{m}
	if err := m.Owners.Put("c", Record{Owner: c.owner(ClusterArgs{Owner: "me"}), Begun: timeOf(f)}); err != nil {
		t.Fatal(err)
	}
	made := create(t, serve(t, t.Context(), m), clusterInputs(nil))
	if got := made.Properties.Get("instance").AsString(); got != "id-2-c-control-plane" {
		t.Errorf("instance %q: the leftover was not replaced", got)
	}
}

func TestClusterOfTheSameOwnerGivesWay(t *testing.T) {
	t.Parallel()
	f := newFake()
	m := f.machine(t)
	s := serve(t, t.Context(), m)
	old := create(t, s, clusterInputs(nil))
	renamed := clusterInputs(map[string]property.Value{"name": property.New("d")})
	if _, err := s.Create(p.CreateRequest{Urn: clusterURN, Properties: renamed, DryRun: true}); err != nil {
		t.Fatalf("at preview its port is no obstacle: %v", err)
	}
	create(t, s, renamed)
	if len(f.clusters) != 1 || len(f.clusters["d"]) == 0 {
		t.Errorf("clusters %v, want d alone", f.clusters)
	}
	if err := s.Delete(p.DeleteRequest{ID: old.ID, Urn: clusterURN, Properties: old.Properties}); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := m.Owners.Get("d"); !ok {
		t.Error("the new one's record went with the old one")
	}
}

func TestClusterThatIsNotReadyIsNamedAndRemoved(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.unready["c-worker1"] = "KubeletNotReady: no network"
	m := f.machine(t)
	_, err := serve(t, t.Context(), m).Create(p.CreateRequest{Urn: clusterURN, Properties: clusterInputs(nil)})
	wantError(t, err, `cluster "c"`, "node c-worker1", "no network", "1s")
	if len(f.clusters) != 0 {
		t.Error("the cluster was left")
	}
}

func TestClusterCreationThatIsCancelledCleansUp(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.hold = make(chan struct{})
	m := f.machine(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-f.entered
		cancel()
	}()
	_, err := serve(t, ctx, m).Create(p.CreateRequest{Urn: clusterURN, Properties: clusterInputs(nil)})
	wantError(t, err, `cluster "c"`, context.Canceled.Error())
	if _, ok, _ := m.Owners.Get("c"); ok || len(f.clusters) != 0 {
		t.Errorf("left: %v, record %v", f.clusters, ok)
	}
}

func TestClusterNodesThatComeLateAreRemovedToo(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.late = 10 * time.Millisecond
	m := f.machine(t)
	m.Settle = 500 * time.Millisecond
	_, err := serve(t, t.Context(), m).Create(p.CreateRequest{Urn: clusterURN, Properties: clusterInputs(nil)})
	wantError(t, err, "docker run: interrupted")
	if f.made != 1 {
		t.Fatalf("%d clusters were made, want the late one", f.made)
	}
	if _, ok, _ := m.Owners.Get("c"); ok || len(f.clusters) != 0 {
		t.Errorf("left: %v, record %v", f.clusters, ok)
	}
}

func TestClusterCheck(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]map[string]property.Value{
		"name":              {"name": property.New("Not A Name")},
		"workers":           {"workers": property.New(21.0)},
		"waitSeconds":       {"waitSeconds": property.New(-1.0)},
		"ports[0].hostPort": {"ports": property.New([]property.Value{property.New(map[string]property.Value{"hostPort": property.New(0.0), "nodePort": property.New(1.0)})})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp, err := serve(t, t.Context(), newFake().machine(t)).Check(p.CheckRequest{Urn: clusterURN, Inputs: clusterInputs(change)})
			if err != nil {
				t.Fatal(err)
			}
			if len(resp.Failures) != 1 || resp.Failures[0].Property != name {
				t.Errorf("failures %+v, want one of %s", resp.Failures, name)
			}
		})
	}
}
