package kindprovider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi-go-provider/integration"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/kind/pkg/log"
)

// fakeMachine is kind and Docker in memory.
type fakeMachine struct {
	mu       sync.Mutex
	down     error               // Docker does not answer
	clusters map[string][]string // names of nodes
	ids      map[string]string   // container IDs by node
	made     int
	configs  []*v1alpha4.Cluster
	unready  map[string]string
	images   map[string]string          // in Docker: reference to ID
	loaded   map[string]map[string]bool // on nodes: node to full names
	ports    map[int]string             // who holds a port, outside Docker
	late     time.Duration              // Create fails, and a node appears that much later
	hold     chan struct{}              // Create waits for it, if not nil, or for its cluster's deletion
	entered  chan struct{}              // closed when Create waits
}

func newFake() *fakeMachine {
	return &fakeMachine{
		clusters: map[string][]string{}, ids: map[string]string{}, unready: map[string]string{},
		images: map[string]string{}, loaded: map[string]map[string]bool{}, ports: map[int]string{},
		entered: make(chan struct{}),
	}
}

// add makes a cluster's nodes.
func (f *fakeMachine) add(name string, workers int) {
	f.made++
	nodes := []string{name + "-control-plane"}
	for i := range workers {
		nodes = append(nodes, fmt.Sprintf("%s-worker%d", name, i+1))
	}
	f.clusters[name] = nodes
	for _, n := range nodes {
		f.ids[n] = fmt.Sprintf("id-%d-%s", f.made, n)
		f.loaded[n] = map[string]bool{}
	}
}

func (f *fakeMachine) Nodes(name string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.clusters[name]), nil
}

func (f *fakeMachine) Create(config *v1alpha4.Cluster, _ log.Logger) error {
	f.mu.Lock()
	f.configs = append(f.configs, config)
	if f.late > 0 {
		defer f.mu.Unlock()
		time.AfterFunc(f.late, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.add(config.Name, 0)
		})
		return errors.New("docker run: interrupted")
	}
	f.add(config.Name, len(config.Nodes)-1)
	hold := f.hold
	f.mu.Unlock()
	if hold != nil {
		close(f.entered)
		<-hold
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.clusters[config.Name]) == 0 {
			return errors.New("the containers went away")
		}
	}
	return nil
}

func (f *fakeMachine) Delete(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.clusters[name] {
		delete(f.ids, n)
		delete(f.loaded, n)
	}
	delete(f.clusters, name)
	if f.hold != nil {
		select {
		case <-f.hold:
		default:
			close(f.hold)
		}
	}
	return nil
}

func (f *fakeMachine) KubeConfig(name string) (string, error) {
	return "clusters:\n- cluster:\n    server: https://127.0.0.1:4000\n  name: kind-" + name + "\n", nil
}

func (f *fakeMachine) NotReady(context.Context, string) (map[string]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.unready, nil
}

func (f *fakeMachine) Images(_ context.Context, _, node string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for name := range f.loaded[node] {
		out = append(out, name)
	}
	return out, nil
}

func (f *fakeMachine) Load(_ context.Context, _, node string, archive io.Reader) error {
	ref, err := io.ReadAll(archive)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loaded[node][fullName(string(ref))] = true
	return nil
}

func (f *fakeMachine) Ping(context.Context) error              { return f.down }
func (f *fakeMachine) RootDir(context.Context) (string, error) { return "", nil }

func (f *fakeMachine) ImageID(_ context.Context, reference string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if id, ok := f.images[reference]; ok {
		return id, nil
	}
	return "", ErrNoImage
}

func (f *fakeMachine) Save(_ context.Context, _, ref string, w io.Writer) error {
	_, err := io.WriteString(w, ref)
	return err
}

func (f *fakeMachine) Container(_ context.Context, name string) (Container, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if id, ok := f.ids[name]; ok {
		return Container{ID: id, Created: time.Now(), Running: true}, nil
	}
	return Container{}, ErrNoContainer
}

// Publisher says that a running cluster publishes the ports it was asked for.
func (f *fakeMachine) Publisher(_ context.Context, port int) (container, kindCluster string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.configs {
		if len(f.clusters[c.Name]) == 0 {
			continue
		}
		for _, m := range c.Nodes[0].ExtraPortMappings {
			if int(m.HostPort) == port {
				return c.Name + "-control-plane", c.Name, nil
			}
		}
	}
	return "", "", nil
}

func (f *fakeMachine) machine(t *testing.T) *Machine {
	return &Machine{
		Kind: f, Docker: f, Owners: Owners{Dir: t.TempDir()},
		Host:       func() (Host, error) { return Host{}, nil },
		PortHolder: func(port int) (string, error) { return f.ports[port], nil },
		Home:       "here",
		Poll:       time.Millisecond,
		Settle:     50 * time.Millisecond,
	}
}

// serve runs the provider as the engine would call it.
func serve(t *testing.T, ctx context.Context, m *Machine) integration.Server { //nolint:revive // the context is the odd one out here
	t.Helper()
	p, err := New(m)
	if err != nil {
		t.Fatal(err)
	}
	s, err := integration.NewServer(ctx, Name, semver.MustParse(Version), integration.WithProvider(p))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q does not say %q", err, p)
		}
	}
}
