// Command runcbounded calls runc, after it has dropped from the bundle or
// process that Docker hands to runc what this machine cannot give.
//
// Docker asks for every capability that the kernel knows when a container is
// privileged. On a machine whose bounding set has fewer (nested virtual
// machines, LXC), runc refuses the whole container: "unable to apply caps:
// operation not permitted". Which are missing is read from the bounding set of
// this very process. A negative oom score adjustment, which takes
// CAP_SYS_RESOURCE, is raised to zero where that is missing.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "runcbounded:", err)
		os.Exit(1)
	}
}

// run edits what args point to and becomes runc; it returns only on errors.
func run(args []string) error {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	bounds, err := readBounds(string(status))
	if err != nil {
		return err
	}
	if bundle := value(args, "--bundle", "-b"); bundle != "" {
		err := edit(filepath.Join(bundle, "config.json"), func(spec map[string]any) {
			if process, ok := spec["process"].(map[string]any); ok {
				bounds.apply(process)
			}
		})
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if process := value(args, "--process", "-p"); process != "" {
		if err := edit(process, bounds.apply); err != nil {
			return err
		}
	}
	runc, err := exec.LookPath("runc")
	if err != nil {
		return err
	}
	return syscall.Exec(runc, append([]string{runc}, args...), os.Environ())
}

// value is what follows one of the names, as `--name value` or `--name=value`.
func value(args []string, names ...string) string {
	for i, a := range args {
		name, v, has := strings.Cut(a, "=")
		if !slices.Contains(names, name) {
			continue
		}
		if has {
			return v
		}
		if i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// bounds is a capability bounding set, a bit a capability.
type bounds uint64

func readBounds(status string) (bounds, error) {
	for _, line := range strings.Split(status, "\n") {
		if set, ok := strings.CutPrefix(line, "CapBnd:"); ok {
			v, err := strconv.ParseUint(strings.TrimSpace(set), 16, 64)
			return bounds(v), err
		}
	}
	return 0, errors.New("/proc/self/status has no line CapBnd")
}

// names are the capabilities in the order of their numbers (capability.h).
var names = strings.Fields(`
	CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID
	CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW
	CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT
	CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD
	CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG
	CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE`)

func (b bounds) has(name string) bool {
	i := slices.Index(names, name)
	return i < 0 || b&(1<<i) != 0 // one that we do not know is left to runc
}

// apply drops from an OCI process what the bounds do not have.
func (b bounds) apply(process map[string]any) {
	if sets, ok := process["capabilities"].(map[string]any); ok {
		for set, list := range sets {
			caps, ok := list.([]any)
			if !ok {
				continue
			}
			sets[set] = slices.DeleteFunc(caps, func(c any) bool {
				name, ok := c.(string)
				return ok && !b.has(name)
			})
		}
	}
	if score, ok := process["oomScoreAdj"].(json.Number); ok && !b.has("CAP_SYS_RESOURCE") {
		if n, err := score.Int64(); err == nil && n < 0 {
			process["oomScoreAdj"] = 0
		}
	}
}

// edit changes a JSON object in its file. Numbers keep their digits.
func edit(path string, change func(map[string]any)) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var doc map[string]any
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	change(doc)
	out, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	// Written in place: Docker passes the process by a file that it holds open.
	return os.WriteFile(path, out, info.Mode().Perm())
}
