package kindprovider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"golang.org/x/sync/errgroup"
)

// Image is the resource kind:index:Image.
type Image struct{ m *Machine }

// Annotate describes the resource.
func (i *Image) Annotate(a infer.Annotator) {
	a.Describe(&i, "An image of the local Docker on every node of a kind cluster, under a name that carries its digest: an image that was built anew has another name and so rolls the pods that use it.")
}

// ImageArgs are the inputs of an image.
type ImageArgs struct {
	Cluster   string `pulumi:"cluster"`
	Instance  string `pulumi:"instance,optional"`
	Reference string `pulumi:"reference"`
	Build     *Build `pulumi:"build,optional"`
}

// Annotate describes the fields.
func (i *ImageArgs) Annotate(a infer.Annotator) {
	a.Describe(&i.Cluster, "The cluster's name.")
	a.Describe(&i.Instance, "The cluster's output instance, so that a cluster that was made again gets the image again.")
	a.Describe(&i.Reference, "The image in Docker, for example app:v1.")
	a.Describe(&i.Build, "How the image is made when Docker does not have it. Without it, that is an error.")
}

// ImageState is what is known of an image on the nodes.
type ImageState struct {
	ImageArgs
	Digest string   `pulumi:"digest"`
	Ref    string   `pulumi:"ref"`
	Nodes  []string `pulumi:"nodes"`
}

// Annotate describes the fields.
func (i *ImageState) Annotate(a infer.Annotator) {
	a.Describe(&i.Digest, "The image's ID in Docker.")
	a.Describe(&i.Ref, "The name under which the nodes have it.")
	a.Describe(&i.Nodes, "The nodes that have it.")
}

// Check refuses references that cannot be right.
func (i *Image) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[ImageArgs], error) {
	args, failures, err := infer.DefaultCheck[ImageArgs](ctx, req.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[ImageArgs]{Inputs: args, Failures: failures}, err
	}
	if _, err := versioned(args.Reference, strings.Repeat("0", 64)); err != nil && args.Reference != "" {
		failures = append(failures, p.CheckFailure{Property: "reference", Reason: err.Error()})
	}
	if args.Build != nil && len(args.Build.Command) == 0 {
		failures = append(failures, p.CheckFailure{Property: "build.command", Reason: "is empty: it must be a program and its arguments"})
	}
	return infer.CheckResponse[ImageArgs]{Inputs: args, Failures: failures}, nil
}

// Diff compares what Docker has now, and what the nodes have, with the state.
func (i *Image) Diff(ctx context.Context, req infer.DiffRequest[ImageArgs, ImageState]) (infer.DiffResponse, error) {
	diff := make(map[string]p.PropertyDiff)
	was, is := req.State, req.Inputs
	if was.Cluster != is.Cluster {
		diff["cluster"] = p.PropertyDiff{Kind: p.UpdateReplace, InputDiff: true}
	}
	if was.Instance != is.Instance {
		diff["instance"] = p.PropertyDiff{Kind: p.Update, InputDiff: true}
	}
	if was.Reference != is.Reference {
		diff["reference"] = p.PropertyDiff{Kind: p.Update, InputDiff: true}
	}
	id, err := i.m.Docker.ImageID(ctx, is.Reference)
	switch {
	case errors.Is(err, ErrNoImage):
		// What the nodes have is as good, as long as it is what is asked for.
		if len(diff) > 0 && is.Build == nil {
			return infer.DiffResponse{}, missing(is.Reference)
		}
	case err != nil:
		return infer.DiffResponse{}, err
	case id != was.Digest:
		diff["digest"] = p.PropertyDiff{Kind: p.Update}
	}
	if len(diff) == 0 {
		lacking, err := i.lacking(ctx, was)
		if err != nil {
			return infer.DiffResponse{}, err
		}
		if len(lacking) > 0 {
			p.GetLogger(ctx).Warningf("%s is not on %s and will be loaded again", was.Ref, strings.Join(lacking, ", "))
			diff["nodes"] = p.PropertyDiff{Kind: p.Update}
		}
	}
	return infer.DiffResponse{HasChanges: len(diff) > 0, DetailedDiff: diff}, nil
}

// lacking are the nodes of the cluster that do not have the image. A cluster
// that is not there lacks nothing: that is its own resource's news.
func (i *Image) lacking(ctx context.Context, state ImageState) ([]string, error) {
	nodes, err := i.m.Kind.Nodes(state.Cluster)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, n := range nodes {
		images, err := i.m.Kind.Images(ctx, state.Cluster, n)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(images, fullName(state.Ref)) {
			out = append(out, n)
		}
	}
	return out, nil
}

// Create loads the image onto every node.
func (i *Image) Create(ctx context.Context, req infer.CreateRequest[ImageArgs]) (infer.CreateResponse[ImageState], error) {
	state, err := i.place(ctx, req.Inputs, req.DryRun)
	return infer.CreateResponse[ImageState]{ID: req.Inputs.Cluster + "/" + req.Inputs.Reference, Output: state}, err
}

// Update loads the image that the inputs name now. The one before stays on
// the nodes: pods that are still to end were started from it.
func (i *Image) Update(ctx context.Context, req infer.UpdateRequest[ImageArgs, ImageState]) (infer.UpdateResponse[ImageState], error) {
	state, err := i.place(ctx, req.Inputs, req.DryRun)
	return infer.UpdateResponse[ImageState]{Output: state}, err
}

// WireDependencies says what an update changes: which image it is depends on
// Docker too, so a preview only promises what place has looked up.
func (i *Image) WireDependencies(f infer.FieldSelector, args *ImageArgs, state *ImageState) {
	f.OutputField(&state.Nodes).DependsOn(f.InputField(&args.Cluster), f.InputField(&args.Instance))
	f.OutputField(&state.Digest).DependsOn(f.InputField(&args.Reference))
	f.OutputField(&state.Ref).DependsOn(f.InputField(&args.Reference))
}

// place makes the image if it must and loads it where it is missing.
func (i *Image) place(ctx context.Context, args ImageArgs, preview bool) (ImageState, error) {
	state := ImageState{ImageArgs: args}
	if err := i.m.Docker.Ping(ctx); err != nil {
		return state, err
	}
	id, err := i.m.Docker.ImageID(ctx, args.Reference)
	if errors.Is(err, ErrNoImage) {
		if args.Build == nil {
			return state, missing(args.Reference)
		}
		if preview {
			p.GetLogger(ctx).Infof("Docker has no image %s yet: `%s` will make it", args.Reference, strings.Join(args.Build.Command, " "))
			return state, nil
		}
		if err := args.Build.Run(ctx, args.Reference); err != nil {
			return state, err
		}
		id, err = i.m.Docker.ImageID(ctx, args.Reference)
		if errors.Is(err, ErrNoImage) {
			return state, fmt.Errorf("`%s` ended well but made no image %s: either it must make that one, or another reference is meant", strings.Join(args.Build.Command, " "), args.Reference)
		}
	}
	if err != nil {
		return state, err
	}
	state.Digest = id
	if state.Ref, err = versioned(args.Reference, strings.TrimPrefix(id, "sha256:")); err != nil {
		return state, err
	}
	if preview {
		return state, nil
	}
	return state, i.load(ctx, &state)
}

// load puts the image on every node that lacks it.
func (i *Image) load(ctx context.Context, state *ImageState) error {
	nodes, err := i.m.Kind.Nodes(state.Cluster)
	if err != nil {
		return err
	}
	if len(nodes) == 0 {
		return fmt.Errorf("image %s: there is no kind cluster %q to load it into", state.Reference, state.Cluster)
	}
	state.Nodes = nodes
	lacking, err := i.lacking(ctx, *state)
	if err != nil || len(lacking) == 0 {
		return err
	}
	archive, err := os.CreateTemp("", "kind-image-*.tar")
	if err != nil {
		return fmt.Errorf("image %s: %w", state.Reference, err)
	}
	defer func() { _ = os.Remove(archive.Name()) }() // a stray temporary file is no reason to fail
	err = i.m.Docker.Save(ctx, state.Digest, state.Ref, archive)
	if err = errors.Join(err, archive.Close()); err != nil {
		return fmt.Errorf("image %s: %w", state.Reference, err)
	}
	group, loading := errgroup.WithContext(ctx)
	for _, node := range lacking {
		group.Go(func() error {
			p.GetLogger(loading).InfoStatusf("loading %s into %s", state.Ref, node)
			return i.loadInto(loading, state, node, archive.Name())
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("image %s: %w", state.Reference, err)
	}
	if lacking, err = i.lacking(ctx, *state); err == nil && len(lacking) > 0 {
		err = fmt.Errorf("image %s: %s was loaded but is not on %s", state.Reference, state.Ref, strings.Join(lacking, ", "))
	}
	return err
}

func (i *Image) loadInto(ctx context.Context, state *ImageState, node, archive string) (err error) {
	var f io.ReadCloser
	if f, err = os.Open(archive); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return i.m.Kind.Load(ctx, state.Cluster, node, f)
}

// Read keeps what is true of the nodes; an image that no node has is gone.
func (i *Image) Read(ctx context.Context, req infer.ReadRequest[ImageArgs, ImageState]) (infer.ReadResponse[ImageArgs, ImageState], error) {
	var none infer.ReadResponse[ImageArgs, ImageState]
	if err := i.m.Docker.Ping(ctx); err != nil {
		return none, err
	}
	nodes, err := i.m.Kind.Nodes(req.State.Cluster)
	if err != nil {
		return none, err
	}
	lacking, err := i.lacking(ctx, req.State)
	if err != nil {
		return none, err
	}
	if len(lacking) == len(nodes) {
		return none, nil
	}
	state := req.State
	state.Nodes = slices.DeleteFunc(nodes, func(n string) bool { return slices.Contains(lacking, n) })
	return infer.ReadResponse[ImageArgs, ImageState]{ID: req.ID, Inputs: req.Inputs, State: state}, nil
}

// Delete leaves the image on the nodes: pods may still run from it, and the
// kubelet removes images that nobody uses when room gets short.
func (i *Image) Delete(context.Context, infer.DeleteRequest[ImageState]) (infer.DeleteResponse, error) {
	return infer.DeleteResponse{}, nil
}

func missing(reference string) error {
	return fmt.Errorf("image %s: %w: build or pull it first (docker build -t %s ... or docker pull %s), or name one that `docker image ls` shows", reference, ErrNoImage, reference, reference)
}
