// Package machine says what was measured on, and which of its cores may be used. It
// changes nothing.
package machine

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Machine describes the one that this program runs on.
type Machine struct {
	Processor string  `json:"processor"`
	Cores     int     `json:"cores"`
	MemoryGiB float64 `json:"memory_gib"`
	System    string  `json:"system"`
	Kernel    string  `json:"kernel"`
	Go        string  `json:"go"`
}

// Look reads the description. What the machine does not tell is "unknown" or 0.
func Look() Machine {
	m := Machine{
		Processor: "unknown", Cores: online(), System: "unknown", Kernel: "unknown",
		Go: strings.TrimPrefix(runtime.Version(), "go"),
	}
	if v, ok := field("/proc/cpuinfo", ':', "model name"); ok {
		m.Processor = v
	}
	if v, ok := field("/etc/os-release", '=', "PRETTY_NAME"); ok {
		m.System = strings.Trim(v, `"`)
	}
	if v, ok := field("/proc/meminfo", ':', "MemTotal"); ok {
		m.MemoryGiB = gibibytes(v)
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	return m
}

// String is the description in one line.
func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, %.0f GiB, %s, kernel %s, Go %s", m.Processor, m.Cores, m.MemoryGiB, m.System, m.Kernel, m.Go)
}

// online is how many cores the machine has, also for a process that is bound to one:
// runtime.NumCPU counts those that it may use.
func online() int {
	out, err := os.ReadFile("/proc/cpuinfo")
	if n := strings.Count("\n"+string(out), "\nprocessor\t"); err == nil && n > 0 {
		return n
	}
	return runtime.NumCPU()
}

func field(path string, separator byte, name string) (string, bool) {
	file, err := os.Open(path)
	if err != nil {
		return "", false
	}
	defer func() { _ = file.Close() }() // it was only read
	return find(file, separator, name)
}

// find returns the value of the first line "name<separator>value".
func find(in io.Reader, separator byte, name string) (string, bool) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), string(separator))
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value), true
		}
	}
	return "", false
}

// gibibytes reads a size as /proc/meminfo has it: "1024 kB".
func gibibytes(size string) float64 {
	n, err := strconv.ParseFloat(strings.TrimSuffix(size, " kB"), 64)
	if err != nil {
		return 0
	}
	return n / (1 << 20)
}

// ErrCores says that there are too few cores.
var ErrCores = errors.New("two cores are wanted")

// Cores returns one core for the server and one for its client, of those that this
// process may use.
func Cores() (server, client int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 0, 0, fmt.Errorf("which cores this process may use: %w", err)
	}
	return two(&set)
}

// maxCores is how many a CPUSet has bits for.
const maxCores = 1024

// two returns the first two cores of the set.
func two(set *unix.CPUSet) (first, second int, err error) {
	var cores []int
	for i := 0; i < maxCores && len(cores) < 2; i++ {
		if set.IsSet(i) {
			cores = append(cores, i)
		}
	}
	if len(cores) < 2 {
		return 0, 0, fmt.Errorf("this process may use %d core: %w, one for the server that is measured and one for the client that measures it, which on one core would take each other's time", len(cores), ErrCores)
	}
	return cores[0], cores[1], nil
}
