package peer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Resident is the resident memory in megabytes (10^6 bytes) of the program, or of the
// largest of the processes that it started: of a server with a master and a worker the
// one that answers. What the others have is not counted, since they share pages.
func (p *Process) Resident() (float64, error) {
	megabytes, err := resident("/proc", p.cmd.Process.Pid)
	if err != nil {
		return 0, fmt.Errorf("the memory of %s: %w", p.name, err)
	}
	return megabytes, nil
}

// resident looks at a process and its descendants.
func resident(proc string, pid int) (float64, error) {
	most, err := status(proc, pid)
	if err != nil {
		return 0, err
	}
	lists, err := filepath.Glob(filepath.Join(proc, strconv.Itoa(pid), "task", "*", "children"))
	if err != nil {
		return 0, err
	}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for _, child := range strings.Fields(string(text)) {
			id, err := strconv.Atoi(child)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", list, err)
			}
			size, err := resident(proc, id)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return 0, err
			}
			most = max(most, size)
		}
	}
	return most, nil
}

// status reads a process's VmRSS.
func status(proc string, pid int) (float64, error) {
	path := filepath.Join(proc, strconv.Itoa(pid), "status")
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if size, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kibibytes, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(size), " kB"), 64)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", path, err)
			}
			return kibibytes * 1024 / 1e6, nil
		}
	}
	return 0, nil // a process that has just ended has none
}
