package kindprovider

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Host is what of this machine changes how a cluster must be made.
type Host struct {
	// CgroupV1 hosts are refused by today's kubelet unless it is told.
	CgroupV1 bool
	// NoSysResource: without CAP_SYS_RESOURCE nothing may lower a process's
	// oom score, which containerd does for every pod unless it is told.
	NoSysResource bool
}

// capSysResource is CAP_SYS_RESOURCE's number in capability.h.
const capSysResource = 24

// ReadHost looks at this machine.
func ReadHost() (Host, error) {
	_, err := os.Stat("/sys/fs/cgroup/cgroup.controllers")
	h := Host{CgroupV1: errors.Is(err, os.ErrNotExist)}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return h, fmt.Errorf("capabilities of this machine: %w", err)
	}
	set, err := boundingSet(string(status))
	if err != nil {
		return h, err
	}
	h.NoSysResource = set&(1<<capSysResource) == 0
	return h, nil
}

// boundingSet reads the capability bounding set out of a /proc/PID/status.
func boundingSet(status string) (uint64, error) {
	for line := range strings.Lines(status) {
		if set, ok := strings.CutPrefix(line, "CapBnd:"); ok {
			v, err := strconv.ParseUint(strings.TrimSpace(set), 16, 64)
			if err != nil {
				return 0, fmt.Errorf("capability bounding set: %w", err)
			}
			return v, nil
		}
	}
	return 0, errors.New("capability bounding set: no line CapBnd in the process's status")
}

// workaround is a change of a cluster's configuration that only some machines
// need, and the sentence that says so.
type workaround struct {
	says            string
	kubeadmPatch    string
	containerdPatch string
}

func (h Host) workarounds() []workaround {
	var list []workaround
	if h.CgroupV1 {
		list = append(list, workaround{
			says:         "this machine has cgroup v1, which the kubelet refuses by default: failCgroupV1 is set to false",
			kubeadmPatch: "kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\nfailCgroupV1: false\n",
		})
	}
	if h.NoSysResource {
		// The configuration of kind's node images is of version 2, whose name
		// for the plugin this is; containerd 2 migrates it when it starts.
		list = append(list, workaround{
			says:            "this machine lacks CAP_SYS_RESOURCE, so pods cannot lower their oom score: containerd's restrict_oom_score_adj is set to true",
			containerdPatch: "[plugins.\"io.containerd.grpc.v1.cri\"]\n  restrict_oom_score_adj = true\n",
		})
	}
	return list
}
