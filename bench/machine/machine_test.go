package machine

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTwo(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		cores         []int
		first, second int
		refused       bool
	}{
		{"two", []int{0, 1}, 0, 1, false},
		{"of a cpuset", []int{5, 70, 130}, 5, 70, false},
		{"one", []int{3}, 0, 0, true},
		{"none", nil, 0, 0, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var set unix.CPUSet
			for _, core := range test.cores {
				set.Set(core)
			}
			first, second, err := two(&set)
			if errors.Is(err, ErrCores) != test.refused || first != test.first || second != test.second {
				t.Errorf("%d, %d, %v; want %d, %d, refused %t", first, second, err, test.first, test.second, test.refused)
			}
		})
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	const info = "processor\t: 0\nmodel name\t: AMD EPYC\nmodel name\t: another\nflags:\n"
	if got, ok := find(strings.NewReader(info), ':', "model name"); !ok || got != "AMD EPYC" {
		t.Errorf("%q, %t; want the first one's", got, ok)
	}
	if got, ok := find(strings.NewReader(info), ':', "model"); ok {
		t.Errorf("%q for a name that is not there", got)
	}
	if got := gibibytes("25165824 kB"); got != 24 {
		t.Errorf("%v GiB, want 24", got)
	}
}

func TestLook(t *testing.T) {
	t.Parallel()
	m := Look()
	if m.Cores < runtime.NumCPU() || m.Kernel == "unknown" || m.MemoryGiB <= 0 || !strings.Contains(m.String(), m.Kernel) {
		t.Errorf("%+v", m)
	}
}
