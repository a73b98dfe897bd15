package setup

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"time"
)

// Module is one of the Go modules under scripts/fromsource: each pins a
// program's module and everything under it by a go.mod and go.sum of its own,
// and holds a main where the program's own is not published.
type Module struct {
	Name     string            // of the artifact
	Dir      string            // the folder under scripts/fromsource; the name if it is empty
	Binaries map[string]string // the binaries' names and their packages
	LDFlags  string            // beside -s -w
	Expect   time.Duration
	// Carried are files of a module that the main embeds: go:embed does not
	// reach into another module, so they are copied beside it.
	Carried []CarriedFile
}

// CarriedFile is a file that a module carries.
type CarriedFile struct{ Module, Path string }

func (m Module) dir() string {
	if m.Dir != "" {
		return filepath.Join("scripts/fromsource", m.Dir)
	}
	return filepath.Join("scripts/fromsource", m.Name)
}

func (s *Setup) moduleKey(m Module) (string, error) {
	k := (&Key{}).Text(runtime.Version(), runtime.GOARCH, m.LDFlags)
	names := make([]string, 0, len(m.Binaries))
	for name, pkg := range m.Binaries {
		names = append(names, name+"="+pkg)
	}
	sort.Strings(names)
	k.Text(names...)
	for _, c := range m.Carried {
		k.Text(c.Module, c.Path)
	}
	if err := k.Files(s.Root, m.dir()); err != nil {
		return "", err
	}
	return k.String(), nil
}

// Build compiles a module's binaries, or finds them in the cache, and returns
// their folder.
func (s *Setup) Build(ctx context.Context, m Module) (string, error) {
	key, err := s.moduleKey(m)
	if err != nil {
		return "", fmt.Errorf("build %s: %w", m.Name, err)
	}
	return s.Cache.Make(ctx, m.Name, key, func(ctx context.Context, dir string) error {
		return s.Steps.Do(ctx, "build "+m.Name+" from its Go module", m.Expect, func(ctx context.Context, log io.Writer) error {
			// Compiled in a copy: what is carried must not land in the checkout.
			src, err := os.MkdirTemp(filepath.Join(s.Cache.Dir, "tmp"), m.Name+"-source-")
			if err != nil {
				return err
			}
			defer func() { _ = os.RemoveAll(src) }() // only a copy
			if err := copyTree(filepath.Join(s.Root, m.dir()), src); err != nil {
				return err
			}
			for _, c := range m.Carried {
				from, err := moduleDir(ctx, src, c.Module)
				if err != nil {
					return err
				}
				if err := copyFile(filepath.Join(from, c.Path), filepath.Join(src, filepath.Base(c.Path))); err != nil {
					return err
				}
			}
			for name, pkg := range m.Binaries {
				if err := goBuild(ctx, log, src, filepath.Join(dir, name), pkg, m.LDFlags); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// clusterDir is the module of everything that a cluster's nodes run and that is made
// of Kubernetes' libraries: one set of versions, so that each is compiled once.
const clusterDir = "cluster"

// goBuild compiles one static binary. The Makefile builds the harness with the same
// flags, and go.mod has the versions of the cluster's module where it can: what they
// share, client-go above all, is compiled once.
func goBuild(ctx context.Context, log io.Writer, dir, out, pkg, ldflags string) error {
	c := Command{Dir: dir, Log: log, Env: []string{"CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly"}}
	return c.Run(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", strings.TrimSpace("-s -w "+ldflags), "-o", out, pkg)
}

// moduleDir is the folder that holds a module's source, downloaded if it is
// not there.
func moduleDir(ctx context.Context, dir, module string) (string, error) {
	c := Command{Dir: dir, Env: []string{"GOWORK=off", "GOFLAGS=-mod=readonly"}}
	if _, err := c.Output(ctx, "go", "mod", "download", module); err != nil {
		return "", err
	}
	out, err := c.Output(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(out), nil
}

// versionFlags sets string variables of packages by the linker.
func versionFlags(values map[string]string) string {
	names := make([]string, 0, len(values))
	for n := range values {
		names = append(names, n)
	}
	sort.Strings(names)
	flags := make([]string, 0, len(names))
	for _, n := range names {
		flags = append(flags, "-X "+n+"="+values[n])
	}
	return strings.Join(flags, " ")
}
