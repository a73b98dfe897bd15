package setup

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"text/tabwriter"
)

// Finding is what the doctor says of one thing: whether it is there, and
// otherwise how it would be had.
type Finding struct {
	What  string
	OK    bool
	State string // what is there
	Cure  string // what `make` would do, when it is not there
}

// Doctor looks at everything that All would put in place and changes nothing.
func (s *Setup) Doctor(ctx context.Context) []Finding {
	var f []Finding
	add := func(what string, ok bool, state, cure string) { f = append(f, Finding{what, ok, state, cure}) }

	add("Go", true, runtime.Version(), "")
	rights := "root"
	if !s.Host.Root {
		rights = "sudo without a password"
	}
	add("rights to install", s.Host.Root || s.Host.Sudo, rights, "run as root, or `sudo -v` first")
	free, err := FreeBytes(s.Cache.Dir)
	add("disk of the cache", err == nil && free > dockerNeeds, fmt.Sprintf("%.0f GB free in %s", float64(free)/1e9, s.Cache.Dir), "make room, or set ROLLPROOF_CACHE to a folder on another disk")

	version, err := DockerInfo(ctx, "{{.ServerVersion}}")
	docker := err == nil
	cure := "start the installed daemon"
	if _, err := exec.LookPath("dockerd"); err != nil {
		cure = "install docker.io from Debian and start it"
	}
	add("Docker", docker, version, cure)
	if s.Host.LacksCapabilities() {
		add("capabilities", true, "fewer than the kernel knows: where this project starts Docker, runc is called through runcbounded", "")
	}
	if s.Host.CgroupV1 {
		add("cgroups", true, "version 1: the kubelets of a cluster made here are told to accept it", "")
	}

	add("pulumi "+s.Versions["PULUMI"], s.hasTool("pulumi", "PULUMI", s.pulumiModule()) || prints(ctx, s.Versions["PULUMI"], "pulumi", "version"), "present", "download it, or build it from its Go module (about 3 min)")
	add("its Kubernetes provider "+s.Versions["PULUMI_KUBERNETES"], s.hasTool("pulumi-resource-kubernetes", "PULUMI_KUBERNETES", s.providerModule()), "present", "download it, or build it from its Go module (about 8 min)")
	if docker {
		key, err := s.nodeImageKey()
		ok := err == nil && s.current(ctx, s.NodeImage(), key, s.Versions["NODE_IMAGE"])
		add("node image "+s.NodeImage(), ok, "present", "pull "+s.Versions["NODE_IMAGE"]+", or build it from Debian packages and Go modules (about 17 min)")
		add("image "+s.MetricsImage(), s.imageID(ctx, s.MetricsImage()) != "", "present", "pull it, or build it from its Go module (about 3 min)")
		for _, v := range ServerVersions {
			key, err := s.ownKey(serverSources...)
			add("image "+ServerImage(v), err == nil && s.imageLabel(ctx, ServerImage(v)) == key, "present", "build it from this checkout (seconds)")
		}
	}
	return f
}

func (s *Setup) hasTool(name, version string, m Module) bool {
	if _, ok := s.Cache.Has(name+"-downloaded", s.Versions[version]); ok {
		return true
	}
	key, err := s.moduleKey(m)
	if err != nil {
		return false
	}
	_, ok := s.Cache.Has(m.Name, key)
	return ok
}

// PrintFindings writes a table and says whether everything is there.
func PrintFindings(out io.Writer, findings []Finding) (bool, error) {
	all := true
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	for _, f := range findings {
		mark, state := "ok", f.State
		if !f.OK {
			all = false
			mark, state = "missing", "make would: "+f.Cure
		}
		if _, err := fmt.Fprintf(w, "%s\t%s\t%s\n", mark, f.What, state); err != nil {
			return false, err
		}
	}
	return all, w.Flush()
}
