package setup

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// ToolDirs are the folders of the command line tools. A tool that was found
// on the PATH has none.
type ToolDirs struct {
	Pulumi, LanguageHost, Provider, Kubectl string
}

func (d ToolDirs) paths() []string {
	var paths []string
	for _, p := range []string{d.LanguageHost, d.Pulumi, d.Kubectl} {
		if p != "" && (len(paths) == 0 || paths[len(paths)-1] != p) {
			paths = append(paths, p)
		}
	}
	return paths
}

// tool is a program of a pinned version and the three ways to have it.
type tool struct {
	name, version string
	// found says whether the pinned version is on the PATH.
	found    func(ctx context.Context) bool
	url      string
	download func(ctx context.Context, d Downloader, url, dir string) error
	built    func() (dir string, ok bool) // what an earlier build left in the cache
	build    func(ctx context.Context) (dir string, err error)
}

// fromModule is the third way of a tool that a module of its own builds.
func (t tool) fromModule(s *Setup, m Module) tool {
	t.built = func() (string, bool) {
		key, err := s.moduleKey(m)
		if err != nil {
			return "", false // the build will say why
		}
		return s.Cache.Has(m.Name, key)
	}
	t.build = func(ctx context.Context) (string, error) { return s.Build(ctx, m) }
	return t
}

func (s *Setup) kubernetesModule() Module {
	v := s.Versions["KUBERNETES"]
	parts := strings.SplitN(strings.TrimPrefix(v, "v"), ".", 3)
	flags := map[string]string{}
	for _, p := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags[p+".gitMajor"], flags[p+".gitMinor"] = parts[0], parts[1]
		flags[p+".gitVersion"], flags[p+".gitTreeState"] = v, "clean"
	}
	return Module{Name: "kubernetes", Dir: clusterDir, Binaries: map[string]string{"hyperkube": "."}, LDFlags: versionFlags(flags), Expect: 8 * time.Minute}
}

func (s *Setup) pulumiModule() Module {
	return Module{
		Name:     "pulumi",
		Binaries: map[string]string{"pulumi": "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"},
		LDFlags:  versionFlags(map[string]string{"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": s.Versions["PULUMI"]}),
		Expect:   4 * time.Minute,
	}
}

func (s *Setup) languageHostModule() Module {
	return Module{
		Name:     "pulumi-language-go",
		Binaries: map[string]string{"pulumi-language-go": "."},
		LDFlags:  versionFlags(map[string]string{"main.version": strings.TrimPrefix(s.Versions["PULUMI"], "v")}),
	}
}

func (s *Setup) providerModule() Module {
	const module = "github.com/pulumi/pulumi-kubernetes/provider/v4"
	return Module{
		Name:     "pulumi-kubernetes",
		Binaries: map[string]string{"pulumi-resource-kubernetes": "."},
		LDFlags:  versionFlags(map[string]string{"main.version": strings.TrimPrefix(s.Versions["PULUMI_KUBERNETES"], "v")}),
		Expect:   8 * time.Minute,
		Carried: []CarriedFile{
			{module, "cmd/pulumi-resource-kubernetes/schema.json"},
			{module, "cmd/pulumi-resource-kubernetes/terraform-mapping.json"},
		},
	}
}

// Tools puts the command line tools in place and returns their folders.
func (s *Setup) Tools(ctx context.Context) (ToolDirs, error) {
	var dirs ToolDirs
	err := s.pulumiTools(ctx, &dirs)
	if err != nil {
		return dirs, err
	}
	dirs.Kubectl, err = s.kubectl(ctx)
	return dirs, err
}

// pulumiTools puts Pulumi's in place.
func (s *Setup) pulumiTools(ctx context.Context, dirs *ToolDirs) error {
	pulumi := tool{
		name: "pulumi", version: s.Versions["PULUMI"],
		found: func(ctx context.Context) bool {
			_, err := exec.LookPath("pulumi-language-go")
			return err == nil && prints(ctx, s.Versions["PULUMI"], "pulumi", "version")
		},
		url: "https://get.pulumi.com/releases/sdk/pulumi-" + s.Versions["PULUMI"] + "-linux-x64.tar.gz",
		download: func(ctx context.Context, d Downloader, url, dir string) error {
			return d.Archive(ctx, url, dir, "pulumi", "pulumi-language-go")
		},
	}.fromModule(s, s.pulumiModule())
	var built bool
	var err error
	if dirs.Pulumi, built, err = s.ensure(ctx, pulumi); err != nil {
		return err
	}
	if built { // the published archive holds the host, the module does not
		if dirs.LanguageHost, err = s.Build(ctx, s.languageHostModule()); err != nil {
			return err
		}
	}
	provider := tool{
		name: "pulumi-resource-kubernetes", version: s.Versions["PULUMI_KUBERNETES"],
		found: func(context.Context) bool { return false }, // Pulumi's own folder is asked by version, which is not ours to read
		url:   "https://get.pulumi.com/releases/plugins/pulumi-resource-kubernetes-" + s.Versions["PULUMI_KUBERNETES"] + "-linux-amd64.tar.gz",
		download: func(ctx context.Context, d Downloader, url, dir string) error {
			return d.Archive(ctx, url, dir, "pulumi-resource-kubernetes")
		},
	}.fromModule(s, s.providerModule())
	dirs.Provider, _, err = s.ensure(ctx, provider)
	return err
}

// programs are the Pulumi program and its own provider, which Pulumi's language host
// builds at their first run.
var programs = []string{"infra", "infra/kindprovider/pulumi-resource-kind"}

// Programs compiles what Pulumi will build, into Go's own cache and with the flags of
// the language host, so that the first `pulumi up` need not wait minutes for it.
func (s *Setup) Programs(ctx context.Context) error {
	key, err := s.ownKey("infra")
	if err != nil {
		return err
	}
	_, err = s.Cache.Make(ctx, "programs", (&Key{}).Text(runtime.Version(), key).String(), func(ctx context.Context, _ string) error {
		return s.Steps.Do(ctx, "compile the Pulumi program and its kind provider", time.Minute, func(ctx context.Context, log io.Writer) error {
			for _, dir := range programs {
				// Listing packages with their compiled form compiles them; nothing is linked.
				c := Command{Dir: filepath.Join(s.Root, dir), Log: log, Env: []string{"CGO_ENABLED=0"}}
				if err := c.Run(ctx, "go", "list", "-trimpath", "-export", "-deps", "-f", "{{if .Error}}{{.Error}}{{end}}", "."); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return err
}

// kubectl is found, downloaded, or a name of the Kubernetes build that the
// node image needs anyhow.
func (s *Setup) kubectl(ctx context.Context) (string, error) {
	v := s.Versions["KUBERNETES"]
	t := tool{
		name: "kubectl", version: v,
		found: func(ctx context.Context) bool {
			return prints(ctx, "Client Version: "+v, "kubectl", "version", "--client")
		},
		url: "https://dl.k8s.io/release/" + v + "/bin/linux/amd64/kubectl",
		download: func(ctx context.Context, d Downloader, url, dir string) error {
			return d.File(ctx, url, filepath.Join(dir, "kubectl"))
		},
		built: func() (string, bool) {
			key, err := s.moduleKey(s.kubernetesModule())
			if err != nil {
				return "", false
			}
			return s.Cache.Has("kubectl-built", key)
		},
		build: func(ctx context.Context) (string, error) {
			hyperkube, err := s.Build(ctx, s.kubernetesModule())
			if err != nil {
				return "", err
			}
			key := strings.TrimPrefix(filepath.Base(hyperkube), "kubernetes-")
			return s.Cache.Make(ctx, "kubectl-built", key, func(_ context.Context, dir string) error {
				return os.Symlink(filepath.Join(hyperkube, "hyperkube"), filepath.Join(dir, "kubectl"))
			})
		},
	}
	dir, _, err := s.ensure(ctx, t)
	return dir, err
}

// ensure finds, downloads or builds a tool. The folder is empty for a tool
// that is on the PATH.
func (s *Setup) ensure(ctx context.Context, t tool) (dir string, built bool, err error) {
	if t.found(ctx) {
		return "", false, nil
	}
	if dir, ok := s.Cache.Has(t.name+"-downloaded", t.version); ok {
		return dir, false, nil
	}
	// What was built is asked for before the network is: a second clone
	// starts in seconds also where the network only times out.
	if dir, ok := t.built(); ok {
		return dir, true, nil
	}
	dir, err = s.Cache.Make(ctx, t.name+"-downloaded", t.version, func(ctx context.Context, dir string) error {
		err := t.download(ctx, s.Download, t.url, dir)
		if err == nil {
			s.Steps.Say("==> downloaded %s %s", t.name, t.version)
		}
		return err
	})
	if err == nil {
		return dir, false, nil
	}
	if ctx.Err() != nil {
		return "", false, fmt.Errorf("%s %s: %w", t.name, t.version, context.Cause(ctx))
	}
	s.Steps.Say("    %s %s cannot be downloaded here (%v): it is built", t.name, t.version, err)
	dir, err = t.build(ctx)
	if err != nil {
		return "", false, fmt.Errorf("%s %s: %w", t.name, t.version, err)
	}
	return dir, true, nil
}

// onPath says whether a program can be called by its name.
func onPath(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}

// prints says whether a program is on the PATH and prints want.
func prints(ctx context.Context, want, name string, args ...string) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := Command{}.Output(ctx, name, args...)
	if err != nil {
		return false
	}
	for _, line := range strings.Split(out, "\n") {
		if strings.TrimSpace(line) == want {
			return true
		}
	}
	return false
}

// Lint finds or builds the linter and returns its path.
func (s *Setup) Lint(ctx context.Context) (string, error) {
	v := s.Versions["GOLANGCI_LINT"]
	dir, err := s.Build(ctx, Module{
		Name:     "golangci-lint",
		Binaries: map[string]string{"golangci-lint": "github.com/golangci/golangci-lint/v2/cmd/golangci-lint"},
		LDFlags:  versionFlags(map[string]string{"main.version": v}),
		Expect:   4 * time.Minute,
	})
	return filepath.Join(dir, "golangci-lint"), err
}

// Clients finds or builds the gRPC clients that the server is tested with, grpcurl and
// ghz, and returns their folder.
func (s *Setup) Clients(ctx context.Context) (string, error) {
	return s.Build(ctx, Module{
		Name: "clients",
		Binaries: map[string]string{
			"grpcurl": "github.com/fullstorydev/grpcurl/cmd/grpcurl",
			"ghz":     "github.com/bojand/ghz/cmd/ghz",
		},
		Expect: 2 * time.Minute,
	})
}
