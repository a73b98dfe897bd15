package kindprovider

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"syscall"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

// LocalNodeImage is the node image that the project builds where none can be
// pulled.
const LocalNodeImage = "rollproof/node:v1.37.0"

const (
	// createLimit bounds a whole creation, a pull of the node image included.
	createLimit = 15 * time.Minute
	// cleanupLimit bounds the removal of what an interrupted creation made.
	cleanupLimit = 2 * time.Minute
	// minFree is what a cluster of three nodes and its images need of Docker's
	// disk, with the node image there already.
	minFree = 2 << 30
)

// Create makes a cluster and waits until all of its nodes are ready. When it
// fails or is interrupted, nothing of the cluster stays.
func (c *Cluster) Create(ctx context.Context, req infer.CreateRequest[ClusterArgs]) (infer.CreateResponse[ClusterState], error) {
	args := req.Inputs
	resp := infer.CreateResponse[ClusterState]{ID: args.Name, Output: ClusterState{ClusterArgs: args, Context: contextOf(args.Name)}}
	if err := c.m.Docker.Ping(ctx); err != nil {
		return resp, err
	}
	if req.DryRun {
		return resp, c.preflight(ctx, args, true)
	}
	unlock, err := c.lock(ctx, args.Name)
	if err != nil {
		return resp, err
	}
	defer unlock()
	if err := c.preflight(ctx, args, false); err != nil {
		return resp, err
	}
	begun := Record{Owner: c.owner(args), Begun: time.Now()}
	if err := c.m.Owners.Put(args.Name, begun); err != nil {
		return resp, err
	}
	resp.Output, err = c.create(ctx, args)
	if err == nil {
		begun.Instance = resp.Output.Instance
		err = c.m.Owners.Put(args.Name, begun)
	}
	if err != nil {
		return resp, errors.Join(fmt.Errorf("create cluster %q: %w", args.Name, err), c.sweep(args.Name))
	}
	return resp, nil
}

func (c *Cluster) create(ctx context.Context, args ClusterArgs) (ClusterState, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, createLimit, fmt.Errorf("it took more than %s", createLimit))
	defer cancel()
	log := p.GetLogger(ctx)
	host, err := c.m.Host()
	if err != nil {
		return ClusterState{}, err
	}
	for _, w := range host.workarounds() {
		log.Info(w.says)
	}
	image, err := c.nodeImage(ctx, args)
	if err != nil {
		return ClusterState{}, err
	}
	made := make(chan error, 1)
	go func() { made <- c.m.Kind.Create(config(args, image, host), kindLogger{log}) }()
	select {
	case err = <-made:
	case <-ctx.Done():
		// kind cannot be interrupted, but it fails soon when the containers
		// that it works on go away; what it makes meanwhile goes away too.
		err = errors.Join(context.Cause(ctx), c.drain(args.Name, made))
	}
	if err == nil {
		err = c.waitReady(ctx, args)
	}
	if err != nil {
		return ClusterState{}, err
	}
	return c.look(ctx, args)
}

// drain deletes the cluster until its creation has given up.
func (c *Cluster) drain(name string, made <-chan error) error {
	limit := time.After(cleanupLimit)
	for {
		err := c.m.Kind.Delete(name)
		select {
		case <-made: //nolint:errcheck // it failed because of us, which is no news
			return nil
		case <-limit:
			return errors.Join(fmt.Errorf("its creation did not stop within %s", cleanupLimit), err)
		case <-time.After(c.m.Poll):
		}
	}
}

// sweep removes what a creation that failed made, also what comes late: where
// Ctrl-C reaches kind's `docker run` first, it ends and is reported as failed
// while Docker's daemon is still making the container that it asked for.
func (c *Cluster) sweep(name string) error {
	if err := c.m.Kind.Delete(name); err != nil {
		return fmt.Errorf("clean up after it: %w", err)
	}
	limit := time.Now().Add(cleanupLimit)
	for quiet := time.Now(); time.Since(quiet) < c.m.Settle; time.Sleep(c.m.Poll) {
		nodes, err := c.m.Kind.Nodes(name)
		if err == nil && len(nodes) > 0 {
			err = c.m.Kind.Delete(name)
			quiet = time.Now()
		}
		if err == nil && time.Now().After(limit) {
			err = fmt.Errorf("nodes still appear after %s", cleanupLimit)
		}
		if err != nil {
			return fmt.Errorf("clean up after it: %w", err)
		}
	}
	return c.m.Owners.Drop(name)
}

// remove takes away what a failed creation left. What it cannot take away
// stays on record as ours, and the next creation tries again.
func (c *Cluster) remove(name string) error {
	if err := c.m.Kind.Delete(name); err != nil {
		return fmt.Errorf("clean up after it: %w", err)
	}
	return c.m.Owners.Drop(name)
}

// nodeImage is the image for the nodes; "" leaves the choice to kind.
func (c *Cluster) nodeImage(ctx context.Context, args ClusterArgs) (string, error) {
	if args.NodeImage != "" {
		return args.NodeImage, nil
	}
	_, err := c.m.Docker.ImageID(ctx, LocalNodeImage)
	if errors.Is(err, ErrNoImage) {
		p.GetLogger(ctx).Infof("Docker has no image %s; kind pulls its own default", LocalNodeImage)
		return "", nil
	}
	return LocalNodeImage, err
}

// config is what kind is asked for.
func config(args ClusterArgs, image string, host Host) *v1alpha4.Cluster {
	out := &v1alpha4.Cluster{
		TypeMeta:   v1alpha4.TypeMeta{Kind: "Cluster", APIVersion: "kind.x-k8s.io/v1alpha4"},
		Name:       args.Name,
		Networking: v1alpha4.Networking{KubeProxyMode: v1alpha4.NFTablesProxyMode},
		Nodes:      []v1alpha4.Node{{Role: v1alpha4.ControlPlaneRole, Image: image}},
	}
	for _, m := range args.Ports {
		out.Nodes[0].ExtraPortMappings = append(out.Nodes[0].ExtraPortMappings, v1alpha4.PortMapping{
			ContainerPort: int32(m.NodePort), HostPort: int32(m.HostPort), ListenAddress: "127.0.0.1", Protocol: v1alpha4.PortMappingProtocolTCP,
		})
	}
	for range args.Workers {
		out.Nodes = append(out.Nodes, v1alpha4.Node{Role: v1alpha4.WorkerRole, Image: image})
	}
	for _, w := range host.workarounds() {
		if w.kubeadmPatch != "" {
			out.KubeadmConfigPatches = append(out.KubeadmConfigPatches, w.kubeadmPatch)
		}
		if w.containerdPatch != "" {
			out.ContainerdConfigPatches = append(out.ContainerdConfigPatches, w.containerdPatch)
		}
	}
	v1alpha4.SetDefaultsCluster(out)
	return out
}

// waitReady polls until every node is ready.
func (c *Cluster) waitReady(ctx context.Context, args ClusterArgs) error {
	limit := time.Duration(args.WaitSeconds) * time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not ready within %s", limit))
	defer cancel()
	for {
		waiting, err := c.m.Kind.NotReady(ctx, args.Name)
		if err == nil && len(waiting) == 0 {
			return nil
		}
		p.GetLogger(ctx).InfoStatusf("waiting for nodes to be ready: %s", describe(waiting))
		select {
		case <-ctx.Done():
			if len(waiting) > 0 {
				return fmt.Errorf("%w: %s", context.Cause(ctx), describe(waiting))
			}
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(c.m.Poll):
		}
	}
}

// describe lists nodes that are not ready.
func describe(waiting map[string]string) string {
	var list []string
	for node, why := range waiting {
		list = append(list, fmt.Sprintf("node %s (%s)", node, why))
	}
	sort.Strings(list)
	return strings.Join(list, ", ")
}

// preflight refuses what would fail later, before anything is made. In a
// preview what is ours and will be replaced is no obstacle; otherwise what is
// ours and in the way is removed.
func (c *Cluster) preflight(ctx context.Context, args ClusterArgs, preview bool) error {
	log := p.GetLogger(ctx)
	switch s, err := c.standing(ctx, args); {
	case err != nil:
		return err
	case s == foreign:
		record, ok, err := c.m.Owners.Get(args.Name)
		whose := "nothing here made it"
		if err == nil && ok && record.Owner != c.owner(args) {
			whose = "it belongs to " + record.Owner
		}
		return fmt.Errorf("a kind cluster %q exists and is not ours (%s): it is left untouched; choose another name, or remove it with `kind delete cluster --name %s`", args.Name, whose, args.Name)
	case s != absent && !preview:
		if s == leftover {
			log.Infof("cluster %q was left by a creation that was interrupted; it is removed and made again", args.Name)
		} else {
			log.Infof("cluster %q is removed and made again", args.Name)
		}
		if err := c.remove(args.Name); err != nil {
			return err
		}
	}
	if !preview {
		if err := c.removeOther(ctx, args); err != nil {
			return err
		}
	}
	if err := c.portsFree(ctx, args, preview); err != nil {
		return err
	}
	dir, err := c.m.Docker.RootDir(ctx)
	if err != nil {
		return err
	}
	var st syscall.Statfs_t
	if dir == "" || syscall.Statfs(dir, &st) != nil {
		return nil //nolint:nilerr // Docker's disk is not on this machine or not ours to look at
	}
	if free := st.Bavail * uint64(st.Bsize); free < minFree {
		return fmt.Errorf("docker's disk (%s) has %d MiB left and a cluster needs %d: see `docker system df`, make room with `docker system prune`", dir, free>>20, minFree>>20)
	}
	return nil
}

// removeOther removes the cluster of another name that this owner has: the one
// that the new one replaces.
func (c *Cluster) removeOther(ctx context.Context, args ClusterArgs) error {
	names, err := c.m.Owners.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == args.Name {
			continue
		}
		other := args
		other.Name = name
		s, err := c.standing(ctx, other)
		if err != nil {
			return err
		}
		if s == leftover || s == complete {
			p.GetLogger(ctx).Infof("cluster %q is removed: %q takes its place", name, args.Name)
			if err := c.remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// portsFree refuses ports that something else listens on.
func (c *Cluster) portsFree(ctx context.Context, args ClusterArgs, preview bool) error {
	var errs []error
	for i, m := range args.Ports {
		container, kindCluster, err := c.m.Docker.Publisher(ctx, m.HostPort)
		if err != nil {
			return err
		}
		if preview && kindCluster != "" {
			record, ok, err := c.m.Owners.Get(kindCluster)
			if err != nil {
				return err
			}
			if ok && record.Owner == c.owner(args) {
				continue // it goes before the new one comes
			}
		}
		who, err := c.m.PortHolder(m.HostPort)
		if err != nil {
			return err
		}
		if who == "" && container == "" {
			continue
		}
		if container != "" {
			who = "container " + container
		}
		name := fmt.Sprintf("ports[%d].hostPort", i)
		if m.Setting != "" {
			name = m.Setting
		}
		errs = append(errs, fmt.Errorf("%s: port %d of 127.0.0.1 is in use by %s; stop that, or set %s to a port that is free", name, m.HostPort, who, name))
	}
	return errors.Join(errs...)
}

// standing is what a cluster of a name is to us.
type standing int

const (
	absent   standing = iota
	foreign           // not ours
	leftover          // ours, from a creation that was interrupted
	complete          // ours and complete
)

func (c *Cluster) standing(ctx context.Context, args ClusterArgs) (standing, error) {
	nodes, err := c.m.Kind.Nodes(args.Name)
	if err != nil || len(nodes) == 0 {
		return absent, err
	}
	record, ok, err := c.m.Owners.Get(args.Name)
	if err != nil {
		return foreign, err
	}
	if !ok || record.Owner != c.owner(args) {
		return foreign, nil
	}
	node, err := c.m.Docker.Container(ctx, nodes[0])
	if err != nil {
		return foreign, err
	}
	if record.Instance != "" {
		if node.ID == record.Instance {
			return complete, nil
		}
		return foreign, nil
	}
	// Containers made long after our creation began are somebody else's.
	if node.Created.Before(record.Begun.Add(-time.Minute)) || node.Created.After(record.Begun.Add(createLimit)) {
		return foreign, nil
	}
	return leftover, nil
}
