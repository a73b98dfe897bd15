package setup

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// docker runs a Docker command, bounded.
func (s *Setup) docker(ctx context.Context, log io.Writer, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, dockerBound)
	defer cancel()
	return Command{Log: log}.Run(ctx, "docker", args...)
}

// dockerBuild builds an image with the builder that this client has: newer
// clients come without the old one, Debian's without the new one.
func (s *Setup) dockerBuild(ctx context.Context, log io.Writer, dir, tag string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, dockerBound)
	defer cancel()
	c := Command{Log: log}
	if exec.CommandContext(ctx, "docker", "buildx", "version").Run() != nil {
		c.Env = []string{"DOCKER_BUILDKIT=0"}
	}
	return c.Run(ctx, "docker", append(append([]string{"build", "-q", "-t", tag}, args...), dir)...)
}

// pull pulls an image under another name, if the machine can.
func (s *Setup) pull(ctx context.Context, image, as string) bool {
	short, cancel := context.WithTimeout(ctx, dockerBound)
	defer cancel()
	out, err := exec.CommandContext(short, "docker", "pull", "-q", image).CombinedOutput()
	if err != nil {
		s.Steps.Say("    %s cannot be pulled here (%s): it is built", image, lastLines(strings.TrimSpace(string(out)), 1))
		return false
	}
	if err := s.docker(short, io.Discard, "tag", image, as); err != nil {
		return false
	}
	s.Steps.Say("==> pulled %s", image)
	return true
}

// untag takes names from images; it also runs when a step was stopped.
func (s *Setup) untag(ctx context.Context, tags ...string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	_ = s.docker(ctx, io.Discard, append([]string{"rmi"}, tags...)...) // some may not have been made
}

// imageID is the ID of an image in Docker, or empty.
func (s *Setup) imageID(ctx context.Context, image string) string {
	return s.inspect(ctx, image, "{{.Id}}")
}

func (s *Setup) imageLabel(ctx context.Context, image string) string {
	return s.inspect(ctx, image, `{{index .Config.Labels "`+keyLabel+`"}}`)
}

// current says whether an image is the one that was built from what key
// stands for, or the published one under our name.
func (s *Setup) current(ctx context.Context, image, key, published string) bool {
	id := s.imageID(ctx, image)
	return id != "" && (s.imageLabel(ctx, image) == key || id == s.imageID(ctx, published))
}

func (s *Setup) inspect(ctx context.Context, image, format string) string {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := Command{}.Output(ctx, "docker", "image", "inspect", "--format", format, image)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}

// MetricsImage is the name of metrics-server's image in Docker.
func (s *Setup) MetricsImage() string {
	return "rollproof/metrics-server:" + s.Versions["METRICS_SERVER"]
}

// EnsureMetricsImage pulls metrics-server's image or builds it.
func (s *Setup) EnsureMetricsImage(ctx context.Context) error {
	published := "registry.k8s.io/metrics-server/metrics-server:" + s.Versions["METRICS_SERVER"]
	m := Module{
		Name:     "metrics-server",
		Dir:      clusterDir,
		Binaries: map[string]string{"metrics-server": "sigs.k8s.io/metrics-server/cmd/metrics-server"},
		Expect:   45 * time.Second,
	}
	key, err := s.moduleKey(m)
	if err != nil {
		return err
	}
	if s.current(ctx, s.MetricsImage(), key, published) {
		return nil
	}
	if s.pull(ctx, published, s.MetricsImage()) {
		return nil
	}
	dir, err := s.Build(ctx, m)
	if err != nil {
		return fmt.Errorf("image of metrics-server: %w", err)
	}
	return s.scratchImage(ctx, s.MetricsImage(), key, "FROM scratch\nCOPY metrics-server /metrics-server\nUSER 65534:65534\nENTRYPOINT [\"/metrics-server\"]\n",
		func(work string) error {
			return copyFile(filepath.Join(dir, "metrics-server"), filepath.Join(work, "metrics-server"))
		})
}

// ServerImage is the name of the prediction server's image with one version
// of the shipped model.
func ServerImage(version string) string { return "rollproof/server:v" + version }

// ServerVersions are the versions of the shipped model.
var ServerVersions = []string{"1", "2"}

// serverSources are the folders that the server and its models are made from.
var serverSources = []string{"server", "model"}

// ServerImages builds the prediction server and an image of it with each
// version of the shipped model. An image that is up to date is left alone.
func (s *Setup) ServerImages(ctx context.Context) error {
	key, err := s.ownKey(serverSources...)
	if err != nil {
		return err
	}
	unlock, err := s.Cache.Lock(ctx, "server-images")
	if err != nil {
		return err
	}
	defer unlock()
	current := true
	for _, v := range ServerVersions {
		current = current && s.imageLabel(ctx, ServerImage(v)) == key
	}
	if current {
		return nil
	}
	bin, err := s.Cache.Make(ctx, "server", key, func(ctx context.Context, dir string) error {
		return s.Steps.Do(ctx, "build the prediction server", 20*time.Second, func(ctx context.Context, log io.Writer) error {
			return goBuild(ctx, log, s.Root, filepath.Join(dir, "server"), "./server", "-X main.version="+key)
		})
	})
	if err != nil {
		return fmt.Errorf("prediction server: %w", err)
	}
	dockerfile, err := os.ReadFile(filepath.Join(s.Root, "server/Dockerfile"))
	if err != nil {
		return fmt.Errorf("image of the prediction server: %w", err)
	}
	for _, v := range ServerVersions {
		err := s.scratchImage(ctx, ServerImage(v), key, string(dockerfile), func(work string) error {
			if err := copyFile(filepath.Join(bin, "server"), filepath.Join(work, "server")); err != nil {
				return err
			}
			artifacts := filepath.Join(s.Root, "model/breastcancer", "v"+v)
			return copyTree(artifacts, filepath.Join(work, "models/breastcancer", v))
		})
		if err != nil {
			return err
		}
		s.Steps.Say("    %s is %s", ServerImage(v), s.imageID(ctx, ServerImage(v)))
	}
	return nil
}

// scratchImage builds an image out of a folder that fill fills.
func (s *Setup) scratchImage(ctx context.Context, tag, key, dockerfile string, fill func(dir string) error) error {
	return s.Steps.Do(ctx, "build the image "+tag, 0, func(ctx context.Context, log io.Writer) error {
		work, err := os.MkdirTemp(filepath.Join(s.Cache.Dir, "tmp"), "image-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(work) }() // only copies
		if err := fill(work); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(work, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
			return err
		}
		return s.dockerBuild(ctx, log, work, tag, "--label", keyLabel+"="+key)
	})
}
