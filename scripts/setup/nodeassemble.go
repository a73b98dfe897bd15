package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// assembleNodeImage makes the node image: the node root with kind's files and
// the binaries, and in its containerd the images that kubeadm will ask for.
func (s *Setup) assembleNodeImage(ctx context.Context, log io.Writer, p nodeParts, key string) error {
	work, err := os.MkdirTemp(filepath.Join(s.Cache.Dir, "tmp"), "node-image-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }() // only copies

	rootTag, baseTag := "rollproof/node-root:"+key, "rollproof/node-base:"+key
	defer s.untag(ctx, rootTag, baseTag)
	if err := s.docker(ctx, log, "import", p.root, rootTag); err != nil {
		return err
	}
	images, err := s.kubeadmImages(ctx, p, work)
	if err != nil {
		return err
	}
	podnetKey, err := s.ownKey("scripts/podnet")
	if err != nil {
		return err
	}
	podnetImage := "rollproof.local/podnet:" + podnetKey
	archive, err := s.componentImages(ctx, log, p, work, images, rootTag, podnetImage)
	if err != nil {
		return err
	}

	files := filepath.Join(work, "base", "files")
	if err := nodeTree(p, files, images, podnetImage, s.Versions["KUBERNETES"]); err != nil {
		return err
	}
	for _, name := range []string{"Dockerfile", "setup.sh"} {
		if err := writeEmbedded(name, filepath.Join(work, "base", name), nil); err != nil {
			return err
		}
	}
	if err := s.dockerBuild(ctx, log, filepath.Join(work, "base"), baseTag, "--build-arg", "BASE="+rootTag); err != nil {
		return err
	}
	return s.preload(ctx, log, baseTag, archive, key)
}

// kubeadmImages asks the built kubeadm which images a control plane of its
// version takes, by their last part without the tag.
func (s *Setup) kubeadmImages(ctx context.Context, p nodeParts, work string) (map[string]string, error) {
	kubeadm := filepath.Join(work, "kubeadm")
	if err := os.Symlink(filepath.Join(p.kubernetes, "hyperkube"), kubeadm); err != nil {
		return nil, err
	}
	out, err := Command{}.Output(ctx, kubeadm, "config", "images", "list", "--kubernetes-version", s.Versions["KUBERNETES"])
	if err != nil {
		return nil, err
	}
	return imagesByName(out)
}

func imagesByName(list string) (map[string]string, error) {
	images := map[string]string{}
	for _, line := range strings.Fields(list) {
		repo, _, ok := strings.Cut(line[strings.LastIndexByte(line, '/')+1:], ":")
		if !ok {
			return nil, fmt.Errorf("kubeadm lists %q, which has no tag", line)
		}
		images[repo] = line
	}
	for _, want := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns", "pause", "etcd"} {
		if images[want] == "" {
			return nil, fmt.Errorf("kubeadm lists no image of %s: %q", want, list)
		}
	}
	return images, nil
}

// componentImages builds the images of what runs in pods and saves them into
// one archive.
func (s *Setup) componentImages(ctx context.Context, log io.Writer, p nodeParts, work string, images map[string]string, rootTag, podnetImage string) (string, error) {
	pause, err := s.Build(ctx, s.nodeModules()["pause"])
	if err != nil {
		return "", err
	}
	build := func(name, dockerfile string, fill func(dir string) error, tags ...string) error {
		dir := filepath.Join(work, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := fill(dir); err != nil {
			return fmt.Errorf("image of %s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
			return err
		}
		if err := s.dockerBuild(ctx, log, dir, tags[0]); err != nil {
			return err
		}
		for _, t := range tags[1:] {
			if err := s.docker(ctx, log, "tag", tags[0], t); err != nil {
				return err
			}
		}
		return nil
	}
	one := func(from, name string) func(string) error {
		return func(dir string) error { return copyFile(from, filepath.Join(dir, name)) }
	}
	kube := []string{images["kube-apiserver"], images["kube-controller-manager"], images["kube-scheduler"], images["kube-proxy"]}
	all := append([]string{images["etcd"], images["coredns"], images["pause"], podnetImage}, kube...)
	defer s.untag(ctx, all...)
	err = errors.Join(
		build("kube", "FROM scratch\nCOPY root /\nENV PATH=/usr/local/bin:/usr/sbin\n", func(dir string) error { return kubeTree(ctx, p, rootTag, filepath.Join(dir, "root")) }, kube...),
		build("etcd", "FROM scratch\nCOPY etcd /usr/local/bin/etcd\nENV PATH=/usr/local/bin\n", one(filepath.Join(p.etcd, "etcd"), "etcd"), images["etcd"]),
		build("coredns", "FROM scratch\nCOPY coredns /coredns\nENTRYPOINT [\"/coredns\"]\n", one(filepath.Join(p.coredns, "coredns"), "coredns"), images["coredns"]),
		build("pause", "FROM scratch\nCOPY pause /pause\nUSER 65535:65535\nENTRYPOINT [\"/pause\"]\n", one(filepath.Join(pause, "pause"), "pause"), images["pause"]),
		build("podnet", "FROM scratch\nCOPY podnet /podnet\nENTRYPOINT [\"/podnet\"]\n", one(filepath.Join(p.own, "podnet"), "podnet"), podnetImage),
	)
	if err != nil {
		return "", err
	}
	archive := filepath.Join(work, "images.tar")
	return archive, s.docker(ctx, log, append([]string{"save", "-o", archive}, all...)...)
}

// kubeTree is what the images of the control plane and of kube-proxy hold:
// the one binary under each name, and nft with its libraries, which kube-proxy
// calls in its nftables mode.
func kubeTree(ctx context.Context, p nodeParts, rootTag, root string) error {
	bin := filepath.Join(root, "usr/local/bin")
	if err := copyFile(filepath.Join(p.kubernetes, "hyperkube"), filepath.Join(bin, "hyperkube")); err != nil {
		return err
	}
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"} {
		if err := os.Symlink("hyperkube", filepath.Join(bin, name)); err != nil {
			return err
		}
	}
	return extractNft(ctx, rootTag, root)
}

// nftClosure writes nft, the loader and the libraries that it links to, as the
// node root's own loader names them, in a tar archive without links.
const nftClosure = `tar -chf - /usr/sbin/nft $(ldd /usr/sbin/nft | grep -o '/[^ ]*')`

func extractNft(ctx context.Context, rootTag, dest string) error {
	archive, err := Command{}.Output(ctx, "docker", "run", "--rm", "--network", "none", rootTag, "sh", "-ec", nftClosure)
	if err != nil {
		return fmt.Errorf("nft in the node root: %w", err)
	}
	_, err = Command{Stdin: strings.NewReader(archive)}.Output(ctx, "tar", "-C", dest, "--no-same-owner", "-xf", "-")
	return err
}

var sandboxImage = regexp.MustCompile(`(?m)^(\s*sandbox_image = ).*$`)

// nodeTree lays out the files that the node image adds to its root.
func nodeTree(p nodeParts, files string, images map[string]string, podnetImage, kubernetes string) error {
	if err := copyTree(p.kindFiles, files); err != nil {
		return fmt.Errorf("kind's files: %w", err)
	}
	config := filepath.Join(files, "etc/containerd/config.toml")
	raw, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	if !sandboxImage.Match(raw) {
		return fmt.Errorf("%s names no sandbox_image", config)
	}
	raw = sandboxImage.ReplaceAll(raw, []byte(`${1}"`+images["pause"]+`"`))
	// A module's files are read-only, and so are their copies.
	if err := errors.Join(os.Chmod(config, 0o644), os.WriteFile(config, raw, 0o644)); err != nil {
		return err
	}
	for _, c := range []struct{ from, to string }{
		{filepath.Join(p.kubernetes, "hyperkube"), "usr/bin/hyperkube"},
		{filepath.Join(p.containerd, "containerd"), "usr/local/bin/containerd"},
		{filepath.Join(p.containerd, "containerd-shim-runc-v2"), "usr/local/bin/containerd-shim-runc-v2"},
		{filepath.Join(p.containerd, "ctr"), "usr/local/bin/ctr"},
	} {
		if err := copyFile(c.from, filepath.Join(files, c.to)); err != nil {
			return err
		}
	}
	if err := copyTree(p.cni, filepath.Join(files, "opt/cni/bin")); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(files, "kind/version"), []byte(kubernetes), 0o644); err != nil {
		return err
	}
	return writeEmbedded("default-cni.yaml", filepath.Join(files, "kind/manifests/default-cni.yaml"), func(text string) string {
		return strings.ReplaceAll(text, "PODNET_IMAGE", podnetImage)
	})
}

// preload imports the component images into the containerd of a container of
// the base image, and makes the node image of it.
func (s *Setup) preload(ctx context.Context, log io.Writer, base, archive, key string) (err error) {
	name := "rollproof-node-" + key
	_ = s.docker(ctx, io.Discard, "rm", "-f", "-v", name) // what an interrupted run left, if it did
	defer func() {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, s.docker(clean, log, "rm", "-f", "-v", name))
	}()
	if err := s.docker(ctx, log, "run", "-d", "--name", name, "--network", "none", "--entrypoint", "sleep", "--security-opt", "seccomp=unconfined", "--privileged", base, "infinity"); err != nil {
		return err
	}
	if err := s.docker(ctx, log, "cp", archive, name+":/images.tar"); err != nil {
		return err
	}
	if err := s.docker(ctx, log, "exec", "-d", name, "containerd"); err != nil {
		return err
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := s.docker(ctx, io.Discard, "exec", name, "ctr", "version")
		if err == nil {
			break
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("containerd in the node image does not start: %w", err)
		}
		time.Sleep(300 * time.Millisecond)
	}
	for _, line := range [][]string{
		{"exec", name, "ctr", "--namespace=k8s.io", "images", "import", "--all-platforms", "--no-unpack", "--digests", "/images.tar"},
		{"exec", name, "ctr", "--namespace=k8s.io", "images", "ls", "-q"},
		{"exec", name, "rm", "/images.tar"},
		// Asked to end and waited for, so that its database is whole.
		{"exec", name, "sh", "-c", "pkill -TERM -x containerd; while pgrep -x containerd >/dev/null; do sleep 0.1; done"},
	} {
		if err := s.docker(ctx, log, line...); err != nil {
			return err
		}
	}
	return s.docker(ctx, log, "commit",
		"--change", `ENTRYPOINT [ "/usr/local/bin/entrypoint", "/sbin/init" ]`,
		"--change", "CMD []",
		"--change", "LABEL "+keyLabel+"="+key, name, s.NodeImage())
}
