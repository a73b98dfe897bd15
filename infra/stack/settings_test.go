package stack

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const kubeconfig = "current-context: a\ncontexts:\n- name: a\n- name: b\n"

func writeKubeconfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func with(pairs ...string) map[string]string {
	m := map[string]string{}
	for pair := range slices.Chunk(pairs, 2) {
		m[prefix+pair[0]] = pair[1]
	}
	return m
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	path := writeKubeconfig(t, kubeconfig)
	tests := []struct {
		name   string
		config map[string]string
		want   []string // parts of each line, in order
	}{
		{"an unknown key", with("minReplica", "3"), []string{`rollproof:minReplica: "3"`, "did you mean rollproof:minReplicas?"}},
		{"a key like no other", with("zzz", "1"), []string{`rollproof:zzz: "1"`, "a key that exists: provider, "}},
		{"another provider", with("provider", "eks"), []string{`rollproof:provider: "eks"`, "kind, existing or gke"}},
		{"one replica", with("minReplicas", "1"), []string{`rollproof:minReplicas: "1"`, "from 2 to"}},
		{"min over max", with("minReplicas", "7"), []string{`rollproof:minReplicas: "7"`, "at most rollproof:maxReplicas, which is 6"}},
		{"a grace that the drain does not fit", with("terminationGracePeriod", "10s"), []string{`rollproof:terminationGracePeriod: "10s"`, "17s or more", "drainDelay 5s", "shutdownTimeout 10s"}},
		{"a drain that does not fit its grace", with("drainDelay", "60s", "terminationGracePeriod", "30s"), []string{`rollproof:terminationGracePeriod: "30s"`, "1m12s or more: rollproof:drainDelay 1m0s"}},
		{"no drain without saying so", with("drainDelay", "0s"), []string{`rollproof:drainDelay: "0s"`, "unsafeDisableDrain"}},
		{"a duration without a unit", with("drainDelay", "5"), []string{`rollproof:drainDelay: "5"`, "written like 30s"}},
		{"a duration below zero", with("shutdownTimeout", "-5s"), []string{`rollproof:shutdownTimeout: "-5s"`}},
		{"part of a second", with("drainDelay", "1500ms"), []string{`rollproof:drainDelay: "1500ms"`, "whole seconds"}},
		{"no quantity", with("memory", "lots"), []string{`rollproof:memory: "lots"`, "128Mi"}},
		{"no CPU at all", with("cpuRequest", "0"), []string{`rollproof:cpuRequest: "0"`, "above zero"}},
		{"request over limit", with("cpuRequest", "2"), []string{`rollproof:cpuRequest: "2"`, "at most rollproof:cpuLimit, which is 1"}},
		{"a target of nothing", with("targetCPUPercent", "0"), []string{`rollproof:targetCPUPercent: "0"`}},
		{"a resolution that metrics-server refuses", with("metricsResolution", "5s"), []string{`rollproof:metricsResolution: "5s"`, "from 10s"}},
		{"no boolean", with("unsafeDisableDrain", "yes"), []string{`rollproof:unsafeDisableDrain: "yes"`, "true or false"}},
		{"no port", with("port", "70000"), []string{`rollproof:port: "70000"`, "1 to 65535"}},
		{"no node port", with("nodePort", "80"), []string{`rollproof:nodePort: "80"`, "30000 to 32767"}},
		{"no namespace", with("namespace", "Not This"), []string{`rollproof:namespace: "Not This"`}},
		{"no image", with("image", ""), []string{`rollproof:image: ""`}},
		{"no address range", with("allowFrom", "10.0.0.1/8"), []string{`rollproof:allowFrom: "10.0.0.1/8"`, "10.0.0.0/8"}},
		{"a load balancer on kind", with("serviceType", "LoadBalancer"), []string{`rollproof:serviceType: "LoadBalancer"`, "NodePort"}},
		{"a kubeconfig on kind", with("kubeconfig", "x"), []string{`rollproof:kubeconfig: "x"`, "provider existing"}},
		{"existing without a kubeconfig", with("provider", "existing"), []string{`rollproof:kubeconfig: ""`, "provider is existing"}},
		{"existing with one that is not there", with("provider", "existing", "kubeconfig", path+"x"), []string{"rollproof:kubeconfig:", "no such file"}},
		{"existing with another context", with("provider", "existing", "kubeconfig", path, "context", "c"), []string{`rollproof:context: "c"`, "a, b"}},
		{"existing by node port with no address", with("provider", "existing", "kubeconfig", path, "serviceType", "NodePort"), []string{`rollproof:url: ""`, "30080"}},
		{"gke without a project", with("provider", "gke"), []string{`rollproof:gkeProject: ""`, "provider is gke"}},
		{"gke with min over max", with("provider", "gke", "gkeProject", "p", "gkeMinNodes", "5"), []string{`rollproof:gkeMinNodes: "5"`, "gkeMaxNodes, which is 3"}},
		{"a port of gRPC without gRPC", with("grpcPort", "30081"), []string{`rollproof:grpcPort: "30081"`, "rollproof:grpc is false"}},
		{"a node port of gRPC without gRPC", with("grpcNodePort", "30081"), []string{`rollproof:grpcNodePort: "30081"`, "rollproof:grpc is false"}},
		{"gRPC on HTTP's port", with("grpc", "true", "grpcPort", "30080"), []string{`rollproof:grpcPort: "30080"`, "another port than rollproof:port, which is 30080"}},
		{"gRPC on HTTP's node port", with("grpc", "true", "nodePort", "30081"), []string{`rollproof:grpcNodePort: "30081"`, "another port than rollproof:nodePort, which is 30081"}},
		{"a port of this machine for gRPC on gke", with("provider", "gke", "gkeProject", "p", "grpc", "true", "grpcPort", "30081"), []string{`rollproof:grpcPort: "30081"`, "clusters of kind"}},
		{"no boolean for gRPC", with("grpc", "on"), []string{`rollproof:grpc: "on"`, "true or false"}},
		{"everything at once", with("minReplicas", "1", "drainDelay", "x", "portt", "y"), []string{"drainDelay", "minReplicas", "portt", "did you mean rollproof:port?"}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(tc.config)
			if err == nil {
				t.Fatal("no error")
			}
			rest := err.Error()
			for _, part := range tc.want {
				_, after, ok := strings.Cut(rest, part)
				if !ok {
					t.Fatalf("error\n%v\ndoes not say %q where it should", err, part)
				}
				rest = after
			}
		})
	}
}

func TestParseDefaults(t *testing.T) {
	t.Parallel()
	s, err := Parse(map[string]string{"other:key": "is none of ours"})
	if err != nil {
		t.Fatal(err)
	}
	want := Settings{
		Provider: "kind", ClusterName: "rollproof", Workers: 2, Port: 30080, NodePort: 30080,
		GKERegion: "europe-west1", GKEMachineType: "e2-standard-4", GKEMinNodes: 1, GKEMaxNodes: 3,
		Image: "rollproof/server:v1", Namespace: "rollproof", Name: "prediction",
		MinReplicas: 2, MaxReplicas: 6, TargetCPUPercent: 60, ScaleDownWindow: 5 * time.Minute, MaxSurge: 1,
		CPURequest: "250m", CPULimit: "1", Memory: "128Mi",
		DrainDelay: 5 * time.Second, ShutdownTimeout: 10 * time.Second, TerminationGracePeriod: 20 * time.Second, LogLevel: "info",
		ServiceType: "NodePort", MetricsNamespace: "monitoring",
		MetricsServer: true, MetricsImage: "rollproof/metrics-server:v0.9.0", MetricsResolution: 15 * time.Second,
		DeployTimeout: 2 * time.Minute,
	}
	if d := cmp.Diff(want, s); d != "" {
		t.Errorf("defaults (-want +got):\n%s", d)
	}
}

func TestParseTakes(t *testing.T) {
	t.Parallel()
	path := writeKubeconfig(t, kubeconfig)
	tests := []struct {
		name   string
		config map[string]string
		look   func(Settings) (got, want any)
	}{
		{"a drain, and computes its grace", with("drainDelay", "30s"), func(s Settings) (any, any) { return s.TerminationGracePeriod, 45 * time.Second }},
		{"no drain where that is said", with("drainDelay", "0s", "unsafeDisableDrain", "true", "terminationGracePeriod", "12s"), func(s Settings) (any, any) { return s.UnsafeDisableDrain, true }},
		{"a kubeconfig and its current context", with("provider", "existing", "kubeconfig", path), func(s Settings) (any, any) {
			return []string{s.Context, s.ServiceType, s.KubeconfigText}, []string{"a", "ClusterIP", kubeconfig}
		}},
		{"an existing kind cluster", with("provider", "existing", "kubeconfig", path, "kindCluster", "k"), func(s Settings) (any, any) {
			return []any{s.ServiceType, s.MetricsServer}, []any{"NodePort", true}
		}},
		{"gke", with("provider", "gke", "gkeProject", "p"), func(s Settings) (any, any) {
			return []any{s.ServiceType, s.MetricsServer}, []any{"LoadBalancer", false}
		}},
		{"address ranges", with("allowFrom", "10.0.0.0/8, 192.168.0.0/16"), func(s Settings) (any, any) {
			return s.AllowFrom, []string{"10.0.0.0/8", "192.168.0.0/16"}
		}},
		{"gRPC, and its node port", with("grpc", "true"), func(s Settings) (any, any) {
			return []any{s.GRPC, s.GRPCPort, s.GRPCNodePort}, []any{true, 0, 30081}
		}},
		{"quantities as Kubernetes writes them", with("cpuRequest", "0.5", "memory", "1024Mi"), func(s Settings) (any, any) {
			return []string{s.CPURequest, s.Memory}, []string{"500m", "1Gi"}
		}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, err := Parse(tc.config)
			if err != nil {
				t.Fatal(err)
			}
			got, want := tc.look(s)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// TestParsedDrainFits: whatever is taken, a pod has time to end in order.
func TestParsedDrainFits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		seconds := func(name string, most int) string {
			return (time.Duration(rapid.IntRange(0, most).Draw(t, name)) * time.Second).String()
		}
		config := with("drainDelay", seconds("drain", 700), "shutdownTimeout", seconds("shutdown", 700))
		if rapid.Bool().Draw(t, "grace is given") {
			maps.Copy(config, with("terminationGracePeriod", seconds("grace", 1500)))
		}
		s, err := Parse(config)
		if err == nil && s.TerminationGracePeriod < s.DrainDelay+s.ShutdownTimeout+minSlack {
			t.Fatalf("taken: drain %s, shutdown %s, grace %s", s.DrainDelay, s.ShutdownTimeout, s.TerminationGracePeriod)
		}
	})
}

func TestEveryDefaultCanBeRead(t *testing.T) {
	t.Parallel()
	for _, k := range keys() {
		var s Settings
		if k.def == "" {
			continue
		}
		if want := k.read(&s, k.def); want != "" {
			t.Errorf("the default of %s, %q, is refused: want %s", k.name, k.def, want)
		}
	}
}

var row = regexp.MustCompile("(?m)^\\| `([A-Za-z]+)` \\| (.*) \\| (.*) \\|$")

// TestReadmeHasEveryKey holds the table of infra/README.md against the keys.
func TestReadmeHasEveryKey(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, m := range row.FindAllStringSubmatch(string(raw), -1) {
		got = append(got, m[1]+" | "+m[2]+" | "+m[3])
	}
	for _, k := range keys() {
		def := "`" + k.def + "`"
		if k.def == "" {
			def = ""
		}
		want = append(want, k.name+" | "+def+" | "+k.about)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the table of settings (-keys +README):\n%s", d)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("drainDelay", "5s")
	f.Add("allowFrom", "::/0,")
	f.Add("memory", "1e9")
	f.Add("x", "\x00")
	f.Fuzz(func(t *testing.T, key, value string) {
		if key == "kubeconfig" {
			return // reads files
		}
		s, err := Parse(with(key, value))
		if err == nil && (s.MinReplicas < 2 || s.MaxReplicas < s.MinReplicas || s.TerminationGracePeriod < s.neededGrace()) {
			t.Errorf("%s=%q is taken and gives %+v", key, value, s)
		}
	})
}
