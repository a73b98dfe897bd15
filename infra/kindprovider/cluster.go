package kindprovider

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Cluster is the resource kind:index:Cluster.
type Cluster struct{ m *Machine }

// Annotate describes the resource.
func (c *Cluster) Annotate(a infer.Annotator) {
	a.Describe(&c, "A Kubernetes cluster of Docker containers: one control plane and workers. Its kube-proxy uses nftables.")
}

// PortMapping makes a node port reachable from this machine.
type PortMapping struct {
	HostPort int    `pulumi:"hostPort"`
	NodePort int    `pulumi:"nodePort"`
	Setting  string `pulumi:"setting,optional"`
}

// Annotate describes the fields.
func (m *PortMapping) Annotate(a infer.Annotator) {
	a.Describe(&m.HostPort, "The port of 127.0.0.1.")
	a.Describe(&m.NodePort, "The port of the control plane's node.")
	a.Describe(&m.Setting, "What the user calls this port, for messages.")
}

// ClusterArgs are the inputs of a cluster.
type ClusterArgs struct {
	Name        string        `pulumi:"name"`
	Workers     int           `pulumi:"workers"`
	NodeImage   string        `pulumi:"nodeImage,optional"`
	Ports       []PortMapping `pulumi:"ports,optional"`
	WaitSeconds int           `pulumi:"waitSeconds,optional"`
	Owner       string        `pulumi:"owner,optional"`
}

// Annotate describes the fields.
func (c *ClusterArgs) Annotate(a infer.Annotator) {
	a.Describe(&c.Name, "The cluster's name; its nodes' containers are named after it.")
	a.Describe(&c.Workers, "How many workers; with none the control plane takes the pods.")
	a.Describe(&c.NodeImage, "The nodes' image. By default the locally built "+LocalNodeImage+" where Docker has it, otherwise kind's own default, which is pulled.")
	a.Describe(&c.Ports, "Node ports that are reachable on 127.0.0.1.")
	a.Describe(&c.WaitSeconds, "How long the nodes may take to be ready once the cluster is made.")
	a.SetDefault(&c.WaitSeconds, 180)
	a.Describe(&c.Owner, "Who the cluster belongs to: one of the same name that belongs to another is left untouched.")
}

// ClusterState is what is known of a cluster that exists.
type ClusterState struct {
	ClusterArgs
	Kubeconfig string   `pulumi:"kubeconfig" provider:"secret"`
	Context    string   `pulumi:"context"`
	Endpoint   string   `pulumi:"endpoint"`
	Nodes      []string `pulumi:"nodes"`
	Instance   string   `pulumi:"instance"`
}

// Annotate describes the fields.
func (c *ClusterState) Annotate(a infer.Annotator) {
	a.Describe(&c.Kubeconfig, "A kubeconfig for this machine.")
	a.Describe(&c.Context, "The kubeconfig's context.")
	a.Describe(&c.Endpoint, "The address of the API server.")
	a.Describe(&c.Nodes, "The nodes' names, control plane first.")
	a.Describe(&c.Instance, "The control plane's container: another one means another cluster, whatever its name.")
}

// nameRule is kind's own rule for names (its v1alpha4 validation), shortened
// so that a node's name stays a host name.
var nameRule = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,38}[a-z0-9])?$`)

// maxWorkers keeps a slip of the finger from filling the machine.
const maxWorkers = 20

// Check refuses inputs that cannot be right, all at once.
func (c *Cluster) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[ClusterArgs], error) {
	args, failures, err := infer.DefaultCheck[ClusterArgs](ctx, req.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[ClusterArgs]{Inputs: args, Failures: failures}, err
	}
	fail := func(property, format string, a ...any) {
		failures = append(failures, p.CheckFailure{Property: property, Reason: fmt.Sprintf(format, a...)})
	}
	if !nameRule.MatchString(args.Name) {
		fail("name", "%q is not a name for a cluster: lower-case letters, digits, - and ., at most 40, beginning and ending with a letter or digit", args.Name)
	}
	if args.Workers < 0 || args.Workers > maxWorkers {
		fail("workers", "%d is not a number of workers from 0 to %d", args.Workers, maxWorkers)
	}
	if args.WaitSeconds < 1 || args.WaitSeconds > 3600 {
		fail("waitSeconds", "%d is not a number of seconds from 1 to 3600", args.WaitSeconds)
	}
	for i, m := range args.Ports {
		if m.HostPort < 1 || m.HostPort > 65535 {
			fail(fmt.Sprintf("ports[%d].hostPort", i), "%d is not a port from 1 to 65535", m.HostPort)
		}
		if m.NodePort < 1 || m.NodePort > 65535 {
			fail(fmt.Sprintf("ports[%d].nodePort", i), "%d is not a port from 1 to 65535", m.NodePort)
		}
	}
	return infer.CheckResponse[ClusterArgs]{Inputs: args, Failures: failures}, nil
}

// Diff also looks whether the cluster is still there: one that was deleted
// behind Pulumi's back is made again by an update, without a refresh.
func (c *Cluster) Diff(ctx context.Context, req infer.DiffRequest[ClusterArgs, ClusterState]) (infer.DiffResponse, error) {
	diff := make(map[string]p.PropertyDiff)
	replace := func(property string, changed bool) {
		if changed {
			diff[property] = p.PropertyDiff{Kind: p.UpdateReplace, InputDiff: true}
		}
	}
	update := func(property string, changed bool) {
		if changed {
			diff[property] = p.PropertyDiff{Kind: p.Update, InputDiff: true}
		}
	}
	was, is := req.State, req.Inputs
	// kind can change none of these in place.
	replace("name", was.Name != is.Name)
	replace("workers", was.Workers != is.Workers)
	replace("nodeImage", was.NodeImage != is.NodeImage)
	replace("ports", !slices.EqualFunc(was.Ports, is.Ports, func(a, b PortMapping) bool {
		return a.HostPort == b.HostPort && a.NodePort == b.NodePort
	}))
	update("waitSeconds", was.WaitSeconds != is.WaitSeconds)
	update("owner", was.Owner != is.Owner)

	why, err := c.gone(ctx, was)
	if err != nil {
		return infer.DiffResponse{}, err
	}
	if why != "" {
		p.GetLogger(ctx).Warningf("%s; it will be made again", why)
		diff["instance"] = p.PropertyDiff{Kind: p.UpdateReplace}
	}
	// The new one's creation removes the old one, and not the engine by
	// DeleteBeforeReplace: that would first delete what is on the old cluster,
	// with a Kubernetes provider that the engine (3.259) has closed by then.
	return infer.DiffResponse{HasChanges: len(diff) > 0, DetailedDiff: diff}, nil
}

// gone says why the cluster of a state is no more; "" when it is there.
func (c *Cluster) gone(ctx context.Context, was ClusterState) (string, error) {
	if err := c.m.Docker.Ping(ctx); err != nil {
		return "", err
	}
	nodes, err := c.m.Kind.Nodes(was.Name)
	if err != nil {
		return "", err
	}
	if len(nodes) == 0 {
		return fmt.Sprintf("cluster %q was deleted by something other than Pulumi", was.Name), nil
	}
	for _, n := range was.Nodes {
		if !slices.Contains(nodes, n) {
			return fmt.Sprintf("node %s of cluster %q was deleted by something other than Pulumi", n, was.Name), nil
		}
	}
	control, err := c.m.Docker.Container(ctx, nodes[0])
	if err != nil {
		return "", err
	}
	if control.ID != was.Instance {
		return fmt.Sprintf("cluster %q is not the one that Pulumi made: something else deleted that one and made another", was.Name), nil
	}
	for _, n := range nodes {
		node, err := c.m.Docker.Container(ctx, n)
		if err != nil {
			return "", err
		}
		if !node.Running {
			p.GetLogger(ctx).Warningf("node %s is stopped: `docker start %s` starts it", n, n)
		}
	}
	return "", nil
}

// Read refreshes a cluster's outputs; a cluster that is gone has no ID.
func (c *Cluster) Read(ctx context.Context, req infer.ReadRequest[ClusterArgs, ClusterState]) (infer.ReadResponse[ClusterArgs, ClusterState], error) {
	var none infer.ReadResponse[ClusterArgs, ClusterState]
	if req.State.Instance == "" {
		return none, fmt.Errorf("cluster %q cannot be imported: only clusters that Pulumi made are managed", req.ID)
	}
	why, err := c.gone(ctx, req.State)
	if err != nil {
		return none, err
	}
	if why != "" {
		p.GetLogger(ctx).Warning(why)
		return none, nil
	}
	state, err := c.look(ctx, req.State.ClusterArgs)
	if err != nil {
		return none, err
	}
	return infer.ReadResponse[ClusterArgs, ClusterState]{ID: req.ID, Inputs: req.Inputs, State: state}, nil
}

// look reads the outputs of a cluster that exists.
func (c *Cluster) look(ctx context.Context, args ClusterArgs) (ClusterState, error) {
	state := ClusterState{ClusterArgs: args, Context: contextOf(args.Name)}
	var err error
	if state.Nodes, err = c.m.Kind.Nodes(args.Name); err != nil {
		return state, err
	}
	if len(state.Nodes) == 0 {
		return state, fmt.Errorf("cluster %q has no nodes", args.Name)
	}
	control, err := c.m.Docker.Container(ctx, state.Nodes[0])
	if err != nil {
		return state, err
	}
	state.Instance = control.ID
	if state.Kubeconfig, err = c.m.Kind.KubeConfig(args.Name); err != nil {
		return state, err
	}
	state.Endpoint = endpointOf(state.Kubeconfig)
	return state, nil
}

// contextOf is how kind names the context of a cluster.
func contextOf(name string) string { return "kind-" + name }

// endpointOf finds the server in a kubeconfig of one cluster.
func endpointOf(kubeconfig string) string {
	for line := range strings.Lines(kubeconfig) {
		if server, ok := strings.CutPrefix(strings.TrimSpace(line), "server:"); ok {
			return strings.TrimSpace(server)
		}
	}
	return ""
}

// Update takes over the inputs that do not concern the cluster itself.
func (c *Cluster) Update(_ context.Context, req infer.UpdateRequest[ClusterArgs, ClusterState]) (infer.UpdateResponse[ClusterState], error) {
	state := req.State
	state.ClusterArgs = req.Inputs
	if req.DryRun {
		return infer.UpdateResponse[ClusterState]{Output: state}, nil
	}
	record := Record{Owner: c.owner(req.Inputs), Begun: time.Now(), Instance: state.Instance}
	return infer.UpdateResponse[ClusterState]{Output: state}, c.m.Owners.Put(state.Name, record)
}

// WireDependencies says that an update changes no output but the inputs that
// it was for.
func (c *Cluster) WireDependencies(f infer.FieldSelector, _ *ClusterArgs, state *ClusterState) {
	f.OutputField(&state.Kubeconfig).AlwaysSecret()
}

// owner is the full name of who the cluster belongs to. An owner has one
// cluster at a time.
func (c *Cluster) owner(args ClusterArgs) string {
	return fmt.Sprintf("%s in %s", args.Owner, c.m.Home)
}

// Delete removes the cluster that Pulumi made; one that another made since is
// left alone.
func (c *Cluster) Delete(ctx context.Context, req infer.DeleteRequest[ClusterState]) (infer.DeleteResponse, error) {
	var done infer.DeleteResponse
	if err := c.m.Docker.Ping(ctx); err != nil {
		return done, err
	}
	unlock, err := c.lock(ctx, req.State.Name)
	if err != nil {
		return done, err
	}
	defer unlock()
	ours, err := c.stillOurs(ctx, req.State)
	if err != nil {
		return done, err
	}
	if !ours {
		return done, nil
	}
	if err := c.m.Kind.Delete(req.State.Name); err != nil {
		return done, fmt.Errorf("delete cluster %q: %w", req.State.Name, err)
	}
	return done, c.m.Owners.Drop(req.State.Name)
}

// stillOurs says whether what has the name of a state's cluster is that
// cluster, or what is left of it.
func (c *Cluster) stillOurs(ctx context.Context, was ClusterState) (bool, error) {
	nodes, err := c.m.Kind.Nodes(was.Name)
	if err != nil || len(nodes) == 0 {
		return false, err
	}
	if len(was.Nodes) > 0 && nodes[0] != was.Nodes[0] { // without its control plane
		record, ok, err := c.m.Owners.Get(was.Name)
		return ok && record.Instance == was.Instance, err
	}
	control, err := c.m.Docker.Container(ctx, nodes[0])
	if errors.Is(err, ErrNoContainer) {
		return false, nil
	}
	if err == nil && control.ID != was.Instance {
		record, ok, err := c.m.Owners.Get(was.Name)
		if err != nil {
			return false, err
		}
		if !ok || record.Instance != control.ID { // else it is the one that replaced this one
			p.GetLogger(ctx).Warningf("cluster %q is not the one that Pulumi made and is left untouched", was.Name)
		}
	}
	return control.ID == was.Instance, err
}

// lock waits a little for another process that works on the same cluster.
func (c *Cluster) lock(ctx context.Context, name string) (func(), error) {
	ctx, cancel := context.WithTimeout(ctx, 30*c.m.Poll)
	defer cancel()
	return c.m.Owners.Lock(ctx, name, c.m.Poll)
}
