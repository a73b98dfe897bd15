package kindprovider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Docker is what the resources need of Docker.
type Docker interface {
	// Ping says why Docker cannot be used, or nil.
	Ping(ctx context.Context) error
	// RootDir is the folder on this machine where Docker keeps its data.
	RootDir(ctx context.Context) (string, error)
	// ImageID is the digest of an image's configuration ("sha256:..."), or
	// ErrNoImage.
	ImageID(ctx context.Context, reference string) (string, error)
	// Save writes the image of that ID as an archive that carries it under
	// the name ref.
	Save(ctx context.Context, id, ref string, w io.Writer) error
	// Container looks at a container: ErrNoContainer when there is none.
	Container(ctx context.Context, name string) (Container, error)
	// Publisher is the container that publishes a port of this machine, and
	// the kind cluster that it is a node of; both "" when there is none.
	Publisher(ctx context.Context, port int) (name, kindCluster string, err error)
}

// Container is what Docker knows of a container.
type Container struct {
	ID      string
	Created time.Time
	Running bool
}

// What Docker does not have.
var (
	ErrNoImage     = errors.New("no such image in Docker")
	ErrNoContainer = errors.New("no such container")
)

// CLI is Docker by its command.
type CLI struct{}

// Ping asks the daemon for its version.
func (c CLI) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if _, err := c.run(ctx, nil, "version", "--format", "{{.Server.Version}}"); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return fmt.Errorf("docker is not installed, or not on the PATH: install it (Debian: apt-get install docker.io), then try again: %w", err)
		}
		return fmt.Errorf("docker does not answer; start its daemon (systemctl start docker, or dockerd) or take the right to use it, then try again: %w", err)
	}
	return nil
}

// RootDir asks the daemon.
func (c CLI) RootDir(ctx context.Context) (string, error) {
	return c.run(ctx, nil, "info", "--format", "{{.DockerRootDir}}")
}

// ImageID inspects an image.
func (c CLI) ImageID(ctx context.Context, reference string) (string, error) {
	id, err := c.run(ctx, nil, "image", "inspect", "--format", "{{.Id}}", reference)
	if err != nil && strings.Contains(strings.ToLower(err.Error()), "no such image") {
		return "", fmt.Errorf("image %s: %w", reference, ErrNoImage)
	}
	return id, err
}

// Save tags the image by its ID, so that what is saved is what was looked at
// even if its reference moves meanwhile, and takes the tag away again.
func (c CLI) Save(ctx context.Context, id, ref string, w io.Writer) (err error) {
	if _, err := c.run(ctx, nil, "image", "tag", id, ref); err != nil {
		return err
	}
	defer func() {
		_, untag := c.run(context.WithoutCancel(ctx), nil, "image", "rm", "--no-prune", ref)
		err = errors.Join(err, untag)
	}()
	_, err = c.run(ctx, w, "image", "save", ref)
	return err
}

// Container inspects a container.
func (c CLI) Container(ctx context.Context, name string) (Container, error) {
	out, err := c.run(ctx, nil, "container", "inspect", "--format", "{{.Id}} {{.Created}} {{.State.Running}}", name)
	if err != nil {
		if strings.Contains(strings.ToLower(err.Error()), "no such container") {
			return Container{}, fmt.Errorf("container %s: %w", name, ErrNoContainer)
		}
		return Container{}, err
	}
	fields := strings.Fields(out)
	if len(fields) != 3 {
		return Container{}, fmt.Errorf("container %s: docker answered %q, not an ID, a time and a state", name, out)
	}
	created, err := time.Parse(time.RFC3339Nano, fields[1])
	if err != nil {
		return Container{}, fmt.Errorf("container %s: %w", name, err)
	}
	return Container{ID: fields[0], Created: created, Running: fields[2] == "true"}, nil
}

// Publisher asks for the running container that publishes a port.
func (c CLI) Publisher(ctx context.Context, port int) (name, kindCluster string, err error) {
	out, err := c.run(ctx, nil, "ps", "--filter", fmt.Sprintf("publish=%d/tcp", port),
		"--format", `{{.Names}} {{.Label "io.x-k8s.kind.cluster"}}`)
	if err != nil || out == "" {
		return "", "", err
	}
	first, _, _ := strings.Cut(out, "\n")
	name, kindCluster, _ = strings.Cut(strings.TrimSpace(first), " ")
	return name, kindCluster, nil
}

// run runs docker to its end. Its standard output goes to w, or is returned
// without surrounding space when w is nil.
func (CLI) run(ctx context.Context, w io.Writer, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if w != nil {
		cmd.Stdout = w
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return "", hint(fmt.Errorf("docker %s %s: %w: %s", args[0], args[len(args)-1], err, strings.TrimSpace(stderr.String())))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// hint says what to do about errors that are known by what Docker prints.
func hint(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	switch {
	case strings.Contains(text, "no space left on device"), strings.Contains(text, "disk quota exceeded"):
		return fmt.Errorf("docker's disk is full; see `docker system df`, make room with `docker system prune`, then try again: %w", err)
	case strings.Contains(text, "port is already allocated"), strings.Contains(text, "address already in use"):
		return fmt.Errorf("a port that the cluster needs is in use; free it or choose another: %w", err)
	}
	return err
}
