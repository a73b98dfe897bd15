package run

import (
	"bytes"
	"context"
	"errors"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"rollproof/loadtest/verdict"
)

// meterEvery is how often the harness looks at what it uses.
const meterEvery = time.Second

// meter watches what the harness takes of its machine: files, ports, processors.
// It reads /proc, and leaves out what is not there.
type meter struct {
	mu    sync.Mutex
	seen  verdict.Sampler
	began time.Time
	used  time.Duration // of processors, before it began
	spent time.Duration // since it began
	took  time.Duration // of the clock
}

// watch looks until ctx ends, and once more then.
func (m *meter) watch(ctx context.Context) {
	m.mu.Lock()
	m.began, m.used = time.Now(), processorTime()
	m.seen.FileLimit, m.seen.PortLimit, m.seen.CPULimit = fileLimit(), portLimit(), float64(runtime.GOMAXPROCS(0))
	m.mu.Unlock()
	tick := time.NewTicker(meterEvery)
	defer tick.Stop()
	lastAt, lastUsed := m.began, m.used
	for {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		now, used := time.Now(), processorTime()
		m.mu.Lock()
		m.seen.Files = max(m.seen.Files, openFiles())
		ports, waiting := portsTaken()
		m.seen.Ports, m.seen.PortsWaiting = max(m.seen.Ports, ports), max(m.seen.PortsWaiting, waiting)
		// A glance shorter than half its time would tell of a moment, not of a second.
		if gone := now.Sub(lastAt); gone >= meterEvery/2 {
			m.seen.CPUPeak = max(m.seen.CPUPeak, float64(used-lastUsed)/float64(gone))
		}
		m.spent, m.took = used-m.used, now.Sub(m.began)
		m.mu.Unlock()
		lastAt, lastUsed = now, used
		if ctx.Err() != nil {
			return
		}
	}
}

// sampler returns what was seen.
func (m *meter) sampler() verdict.Sampler {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.seen
	if m.took > 0 {
		s.CPU = float64(m.spent) / float64(m.took)
	}
	return s
}

// processorTime returns what this process has used of the processors so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// openFiles returns how many files this process has open; 0 where that is not told.
func openFiles() uint64 {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0
	}
	names, err := dir.Readdirnames(-1)
	if err = errors.Join(err, dir.Close()); err != nil {
		return 0
	}
	return uint64(max(len(names)-1, 0)) // without the folder's own
}

// fileLimit returns how many it may have open.
func fileLimit() uint64 {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 0
	}
	return r.Cur
}

// portLimit returns how many local ports connections may take.
func portLimit() uint64 {
	data, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 0
	}
	n := numbers(data)
	if len(n) != 2 || n[1] < n[0] {
		return 0
	}
	return n[1] - n[0] + 1
}

// portsTaken returns how many TCP sockets of the machine are in use, and how many
// have just ended and wait (TIME-WAIT). Of the latter many are a server's on the
// same machine, and others are used again in need: they are told, and not judged.
func portsTaken() (inUse, waiting uint64) {
	data, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return 0, 0
	}
	return sockets(data)
}

// sockets reads "TCP: inuse 27 orphan 0 tw 3 alloc 30 mem 2".
func sockets(stat []byte) (inUse, waiting uint64) {
	for line := range bytes.Lines(stat) {
		words := bytes.Fields(line)
		if len(words) == 0 || string(words[0]) != "TCP:" {
			continue
		}
		for i := 1; i+1 < len(words); i += 2 {
			n, err := strconv.ParseUint(string(words[i+1]), 10, 64)
			if err != nil {
				continue
			}
			switch string(words[i]) {
			case "inuse":
				inUse = n
			case "tw":
				waiting = n
			}
		}
	}
	return inUse, waiting
}

func numbers(data []byte) []uint64 {
	var out []uint64
	for _, word := range bytes.Fields(data) {
		n, err := strconv.ParseUint(string(word), 10, 64)
		if err != nil {
			return nil
		}
		out = append(out, n)
	}
	return out
}
