package setup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Host is what this machine can and cannot do, as far as the set-up depends
// on it.
type Host struct {
	Root       bool
	Sudo       bool // sudo works without a password
	Systemd    bool // systemd is the init
	CgroupV1   bool
	BoundedCap uint64 // the capability bounding set, a bit a capability
	LastCap    int    // the highest capability that the kernel knows
}

// LookAtHost reads what this machine is.
func LookAtHost(ctx context.Context) (Host, error) {
	h := Host{Root: os.Geteuid() == 0}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return h, fmt.Errorf("this set-up is for Linux: %w", err)
	}
	if h.BoundedCap, err = boundingSet(string(status)); err != nil {
		return h, err
	}
	last, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		return h, fmt.Errorf("the kernel's capabilities: %w", err)
	}
	if h.LastCap, err = strconv.Atoi(strings.TrimSpace(string(last))); err != nil {
		return h, fmt.Errorf("the kernel's capabilities: %w", err)
	}
	_, err = os.Stat("/run/systemd/system")
	h.Systemd = err == nil
	_, err = os.Stat("/sys/fs/cgroup/cgroup.controllers")
	h.CgroupV1 = errors.Is(err, os.ErrNotExist)
	if !h.Root {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		h.Sudo = exec.CommandContext(ctx, "sudo", "-n", "true").Run() == nil
	}
	return h, nil
}

// boundingSet reads the capability bounding set out of a /proc/PID/status.
func boundingSet(status string) (uint64, error) {
	for _, line := range strings.Split(status, "\n") {
		if set, ok := strings.CutPrefix(line, "CapBnd:"); ok {
			v, err := strconv.ParseUint(strings.TrimSpace(set), 16, 64)
			if err != nil {
				return 0, fmt.Errorf("/proc/self/status: CapBnd: %w", err)
			}
			return v, nil
		}
	}
	return 0, errors.New("/proc/self/status has no line CapBnd")
}

// LacksCapabilities says whether a privileged container would be refused
// because this machine does not have every capability that its kernel knows.
func (h Host) LacksCapabilities() bool {
	all := uint64(1)<<(h.LastCap+1) - 1
	return h.BoundedCap&all != all
}

// AsRoot is the command line that runs name as root.
func (h Host) AsRoot(name string, args ...string) (string, []string, error) {
	if h.Root {
		return name, args, nil
	}
	if !h.Sudo {
		return "", nil, fmt.Errorf("%s needs root, this user is not root and sudo does not work without a password: run as root, or once `sudo -v`, and try again", name)
	}
	return "sudo", append([]string{"-n", name}, args...), nil
}

// FreeBytes is the space left for ordinary users on the file system of path,
// or of the nearest parent of it that exists.
func FreeBytes(path string) (uint64, error) {
	for {
		var st syscall.Statfs_t
		err := syscall.Statfs(path, &st)
		if err == nil {
			return st.Bavail * uint64(st.Bsize), nil
		}
		i := strings.LastIndexByte(path, '/')
		if !errors.Is(err, syscall.ENOENT) || i <= 0 {
			return 0, fmt.Errorf("free space of %s: %w", path, err)
		}
		path = path[:i]
	}
}
