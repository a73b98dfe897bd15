// Package setup puts in place what the project needs on a machine: Docker,
// the Pulumi command line, its Go language host and Kubernetes provider,
// kubectl, the image that kind's nodes run, metrics-server's and our own
// images. Each is used if its pinned version is present, downloaded or pulled
// if the machine can, and otherwise installed from Debian or built from its
// Go module; which way was taken is said. What was made stays in a cache
// outside the checkout.
//
// What a cluster is and what runs on it is not here: that is the Pulumi
// program's, in infra.
package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Setup holds what every part of the set-up needs. Get one from New.
type Setup struct {
	Root     string // the checkout
	Cache    *Cache
	Versions Versions
	Host     Host
	Steps    *Steps
	Download Downloader
}

// New looks at the machine. root is the checkout; progress goes to out.
func New(ctx context.Context, root string, out io.Writer) (*Setup, error) {
	if _, err := os.Stat(filepath.Join(root, "scripts", "fromsource")); err != nil {
		return nil, fmt.Errorf("%s is not a checkout of rollproof: %w", root, err)
	}
	versions, err := LoadVersions()
	if err != nil {
		return nil, err
	}
	cache, err := OpenCache()
	if err != nil {
		return nil, err
	}
	if err := cache.Sweep(24 * time.Hour); err != nil {
		return nil, err
	}
	host, err := LookAtHost(ctx)
	if err != nil {
		return nil, err
	}
	return &Setup{
		Root:     root,
		Cache:    cache,
		Versions: versions,
		Host:     host,
		Steps:    &Steps{Out: out, Logs: filepath.Join(cache.Dir, "logs"), Tick: 30 * time.Second},
		Download: NewDownloader(),
	}, nil
}

// All puts everything in place, one thing after the other: two builds side by side on
// two cores took longer, by about an eighth, than one after the other.
func (s *Setup) All(ctx context.Context) error {
	if err := s.EnsureDocker(ctx); err != nil {
		return err
	}
	if _, err := s.Tools(ctx); err != nil {
		return err
	}
	if err := s.Programs(ctx); err != nil {
		return err
	}
	if err := s.EnsureNodeImage(ctx); err != nil {
		return err
	}
	if err := s.EnsureMetricsImage(ctx); err != nil {
		return err
	}
	return s.ServerImages(ctx)
}

// Env is what a shell must have to use the tools by hand, as export lines.
func (s *Setup) Env(ctx context.Context) (string, error) {
	dirs, err := s.Tools(ctx)
	if err != nil {
		return "", err
	}
	home, err := s.pulumiHome(dirs)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	export := func(name, value string) {
		_, _ = fmt.Fprintf(&b, "export %s=%s\n", name, shellQuote(value)) // a Builder's Write returns no error
	}
	if paths := dirs.paths(); len(paths) > 0 {
		_, _ = fmt.Fprintf(&b, "export PATH=%s:\"$PATH\"\n", shellQuote(strings.Join(paths, ":")))
	}
	export("PULUMI_HOME", home)
	export("PULUMI_BACKEND_URL", "file://"+s.Root)
	// The local state's secrets (the cluster's kubeconfig) are readable by
	// this user only and worth nothing elsewhere: no passphrase to type.
	if os.Getenv("PULUMI_CONFIG_PASSPHRASE_FILE") == "" {
		export("PULUMI_CONFIG_PASSPHRASE", os.Getenv("PULUMI_CONFIG_PASSPHRASE"))
	}
	export("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "1")
	export("PULUMI_SKIP_UPDATE_CHECK", "1")
	return b.String(), nil
}

func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// pulumiHome is a folder in which Pulumi finds the provider under its version.
func (s *Setup) pulumiHome(dirs ToolDirs) (string, error) {
	home := filepath.Join(s.Cache.Dir, "pulumi-home")
	plugin := filepath.Join(home, "plugins", "resource-kubernetes-"+s.Versions["PULUMI_KUBERNETES"])
	if dirs.Provider == "" {
		return home, os.MkdirAll(home, 0o755)
	}
	if err := os.MkdirAll(plugin, 0o755); err != nil {
		return "", fmt.Errorf("pulumi's home: %w", err)
	}
	link := filepath.Join(plugin, "pulumi-resource-kubernetes")
	target := filepath.Join(dirs.Provider, "pulumi-resource-kubernetes")
	if old, err := os.Readlink(link); err == nil && old == target {
		return home, nil
	}
	// Renamed into place: another run may be starting the provider just now.
	tmp := link + fmt.Sprintf(".%d", os.Getpid())
	if err := errors.Join(os.Symlink(target, tmp), os.Rename(tmp, link)); err != nil {
		return "", fmt.Errorf("pulumi's home: %w", err)
	}
	return home, nil
}
