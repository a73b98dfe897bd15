package setup

import (
	"context"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// nodeFiles are the Dockerfile, the script that it runs and the pod network's
// manifest.
//
//go:embed nodeimage
var nodeFiles embed.FS

const (
	// keyLabel says on an image what it was made from.
	keyLabel = "dev.rollproof.key"
	// bounded is how long any single Docker command may take.
	dockerBound = 10 * time.Minute
)

// nodePackages are what a node root needs beside Debian's minbase variant.
var nodePackages = []string{
	"systemd", "systemd-sysv", "dbus", "libseccomp2", "conntrack", "iptables", "nftables", "iproute2", "ethtool",
	"util-linux", "mount", "kmod", "pigz", "procps", "bash", "ca-certificates", "curl", "jq", "runc", "e2fsprogs",
}

// NodeImage is the name of the node image in Docker, however it was had.
func (s *Setup) NodeImage() string { return "rollproof/node:" + s.Versions["KUBERNETES"] }

// EnsureNodeImage pulls kind's node image or builds one of the same
// Kubernetes version.
func (s *Setup) EnsureNodeImage(ctx context.Context) error {
	key, err := s.nodeImageKey()
	if err != nil {
		return err
	}
	unlock, err := s.Cache.Lock(ctx, "node-image")
	if err != nil {
		return err
	}
	defer unlock()
	if s.current(ctx, s.NodeImage(), key, s.Versions["NODE_IMAGE"]) {
		return nil
	}
	if s.pull(ctx, s.Versions["NODE_IMAGE"], s.NodeImage()) {
		return nil
	}
	parts, err := s.nodeParts(ctx)
	if err != nil {
		return fmt.Errorf("node image: %w", err)
	}
	err = s.Steps.Do(ctx, "assemble the node image", 45*time.Second, func(ctx context.Context, log io.Writer) error {
		return s.assembleNodeImage(ctx, log, parts, key)
	})
	if err != nil {
		return fmt.Errorf("node image: %w", err)
	}
	return nil
}

// nodeParts is what a node image is assembled from.
type nodeParts struct {
	root                                            string // a tar file
	kubernetes, containerd, cni, etcd, coredns, own string
	kindFiles                                       string
}

func (s *Setup) nodeModules() map[string]Module {
	return map[string]Module{
		"kubernetes": s.kubernetesModule(),
		"containerd": {
			Name: "containerd",
			Binaries: map[string]string{
				"containerd":              "github.com/containerd/containerd/v2/cmd/containerd",
				"containerd-shim-runc-v2": "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
				"ctr":                     "github.com/containerd/containerd/v2/cmd/ctr",
			},
			LDFlags: versionFlags(map[string]string{"github.com/containerd/containerd/v2/version.Version": s.Versions["CONTAINERD"]}),
			Expect:  2 * time.Minute,
		},
		"cni": {
			Name: "cni",
			Binaries: map[string]string{
				"host-local": "github.com/containernetworking/plugins/plugins/ipam/host-local",
				"loopback":   "github.com/containernetworking/plugins/plugins/main/loopback",
				"ptp":        "github.com/containernetworking/plugins/plugins/main/ptp",
				"portmap":    "github.com/containernetworking/plugins/plugins/meta/portmap",
			},
			LDFlags: versionFlags(map[string]string{"github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion": s.Versions["CNI_PLUGINS"]}),
		},
		"etcd":    {Name: "etcd", Dir: clusterDir, Binaries: map[string]string{"etcd": "./etcd"}, Expect: 30 * time.Second},
		"coredns": {Name: "coredns", Dir: clusterDir, Binaries: map[string]string{"coredns": "./coredns"}, Expect: time.Minute},
		"pause":   {Name: "pause", Binaries: map[string]string{"pause": "."}},
	}
}

// ownNodePrograms builds the programs of this module that go into the image.
func (s *Setup) ownNodePrograms(ctx context.Context) (string, error) {
	key, err := s.ownKey("scripts/podnet")
	if err != nil {
		return "", err
	}
	return s.Cache.Make(ctx, "podnet", key, func(ctx context.Context, dir string) error {
		return s.Steps.Do(ctx, "build the pod network's daemon", 30*time.Second, func(ctx context.Context, log io.Writer) error {
			return goBuild(ctx, log, s.Root, filepath.Join(dir, "podnet"), "./scripts/podnet", "")
		})
	})
}

// boundedRuntime builds the program that calls runc on machines that lack
// capabilities.
func (s *Setup) boundedRuntime(ctx context.Context) (string, error) {
	key, err := s.ownKey("scripts/runcbounded")
	if err != nil {
		return "", err
	}
	dir, err := s.Cache.Make(ctx, "runcbounded", key, func(ctx context.Context, dir string) error {
		return goBuild(ctx, io.Discard, s.Root, filepath.Join(dir, "runcbounded"), "./scripts/runcbounded", "")
	})
	return filepath.Join(dir, "runcbounded"), err
}

// ownKey is the key of what is built from packages of this module.
func (s *Setup) ownKey(paths ...string) (string, error) {
	k := &Key{}
	if err := k.Files(s.Root, append([]string{"go.sum"}, paths...)...); err != nil {
		return "", err
	}
	return k.String(), nil
}

// nodeImageKey hashes everything that a built node image is made from.
func (s *Setup) nodeImageKey() (string, error) {
	k := (&Key{}).Text(s.Versions["NODE_DEBIAN"], s.Versions["KIND"])
	k.Text(nodePackages...)
	for _, name := range []string{"kubernetes", "containerd", "cni", "etcd", "coredns", "pause"} {
		key, err := s.moduleKey(s.nodeModules()[name])
		if err != nil {
			return "", fmt.Errorf("node image: %w", err)
		}
		k.Text(key)
	}
	if err := k.Files(s.Root, "scripts/podnet", "scripts/setup/nodeimage", "scripts/setup/nodeimage.go", "scripts/setup/nodeassemble.go"); err != nil {
		return "", fmt.Errorf("node image: %w", err)
	}
	return k.String(), nil
}

// nodeParts builds what is not there yet, one after the other.
func (s *Setup) nodeParts(ctx context.Context) (nodeParts, error) {
	var p nodeParts
	var err error
	if p.root, err = s.nodeRoot(ctx); err != nil {
		return p, err
	}
	modules := s.nodeModules()
	for name, dir := range map[string]*string{"kubernetes": &p.kubernetes, "containerd": &p.containerd, "cni": &p.cni, "etcd": &p.etcd, "coredns": &p.coredns} {
		if *dir, err = s.Build(ctx, modules[name]); err != nil {
			return p, err
		}
	}
	if _, err = s.Build(ctx, modules["pause"]); err != nil {
		return p, err
	}
	if p.own, err = s.ownNodePrograms(ctx); err != nil {
		return p, err
	}
	kind, err := moduleDir(ctx, s.Root, "sigs.k8s.io/kind")
	p.kindFiles = filepath.Join(kind, "images/base/files")
	return p, err
}

// nodeRoot makes the node's root file system out of Debian packages, as a tar
// file.
func (s *Setup) nodeRoot(ctx context.Context) (string, error) {
	release := s.Versions["NODE_DEBIAN"]
	key := (&Key{}).Text(release).Text(nodePackages...).String()
	dir, err := s.Cache.Make(ctx, "noderoot", key, func(ctx context.Context, dir string) error {
		if _, err := exec.LookPath("debootstrap"); err != nil {
			if err := s.aptInstall(ctx, "install debootstrap from Debian", 0, "debootstrap"); err != nil {
				return err
			}
		}
		return s.Steps.Do(ctx, "make a node root of Debian packages", 3*time.Minute, func(ctx context.Context, log io.Writer) error {
			mirror, err := debianMirror(ctx)
			if err != nil {
				return err
			}
			// On a path without this machine's name in it, and removed as root.
			tree := filepath.Join(dir, "tree")
			args := []string{"--variant=minbase", "--include=" + strings.Join(nodePackages, ","), release, tree}
			if mirror != "" {
				args = append(args, mirror)
			}
			defer s.removeAsRoot(ctx, tree, log)
			for _, line := range [][]string{
				append([]string{"debootstrap"}, args...),
				{"tar", "-C", tree, "--exclude=./var/cache/apt/archives/*.deb", "--exclude=./var/lib/apt/lists/*", "-cf", filepath.Join(dir, "root.tar"), "."},
			} {
				name, args, err := s.Host.AsRoot(line[0], line[1:]...)
				if err != nil {
					return err
				}
				if err := (Command{Log: log}).Run(ctx, name, args...); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return filepath.Join(dir, "root.tar"), err
}

// removeAsRoot removes a tree whose files are root's; it also runs when the
// step was stopped, so its time is its own.
func (s *Setup) removeAsRoot(ctx context.Context, tree string, log io.Writer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	name, args, err := s.Host.AsRoot("rm", "-rf", "--one-file-system", tree)
	if err == nil {
		err = Command{Log: log}.Run(ctx, name, args...)
	}
	if err != nil {
		s.Steps.Say("    %s is left over: %v", tree, err)
	}
}

// debianMirror is where apt gets Debian's main archive from on this machine,
// or empty for debootstrap's own default.
func debianMirror(ctx context.Context) (string, error) {
	if !onPath("apt-get") {
		return "", nil
	}
	out, err := Command{}.Output(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN) $(COMPONENT) $(SUITE)", "Created-By: Packages")
	if err != nil {
		return "", err
	}
	for _, line := range strings.Split(out, "\n") {
		f := strings.Fields(line)
		if len(f) >= 3 && f[1] == "Debian" && f[2] == "main" && !strings.Contains(f[0], "security") {
			return f[0], nil
		}
	}
	return "", nil
}

// writeEmbedded writes one of the embedded files.
func writeEmbedded(name, dest string, change func(string) string) error {
	content, err := fs.ReadFile(nodeFiles, "nodeimage/"+name)
	if err != nil {
		return err
	}
	text := string(content)
	if change != nil {
		text = change(text)
	}
	if err := os.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
		return err
	}
	return os.WriteFile(dest, []byte(text), 0o644)
}
