package kindprovider

import (
	"context"
	"errors"
	"flag"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files anew")

// timeOf is a time at which a creation of what the fake holds can have begun.
func timeOf(*fakeMachine) time.Time { return time.Now() }

func TestNames(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("ab", 32)
	for reference, want := range map[string]struct{ ref, full string }{
		"app:v1":                   {"app:v1-abababababab", "docker.io/library/app:v1-abababababab"},
		"app":                      {"app:latest-abababababab", "docker.io/library/app:latest-abababababab"},
		"rollproof/server:v1":      {"rollproof/server:v1-abababababab", "docker.io/rollproof/server:v1-abababababab"},
		"localhost/server:v1":      {"localhost/server:v1-abababababab", "localhost/server:v1-abababababab"},
		"host.example:5000/a/b":    {"host.example:5000/a/b:latest-abababababab", "host.example:5000/a/b:latest-abababababab"},
		"host.example:5000/a/b:v2": {"host.example:5000/a/b:v2-abababababab", "host.example:5000/a/b:v2-abababababab"},
	} {
		got, err := versioned(reference, id)
		if err != nil || got != want.ref || fullName(got) != want.full {
			t.Errorf("%s: %q, %q, %v", reference, got, fullName(got), err)
		}
	}
	for _, reference := range []string{"", "UPPER:v1", "app:", "app@sha256:" + id, "a b", "app:v1:v2", "-app"} {
		if got, err := versioned(reference, id); err == nil {
			t.Errorf("%q is taken, as %q", reference, got)
		}
	}
}

func FuzzVersioned(f *testing.F) {
	for _, s := range []string{"app:v1", "a.b:5000/c/d:e", "@", ":", "/"} {
		f.Add(s)
	}
	id := strings.Repeat("ab", 32)
	f.Fuzz(func(t *testing.T, reference string) {
		got, err := versioned(reference, id)
		if err != nil {
			return
		}
		if !strings.HasSuffix(got, "-abababababab") {
			t.Errorf("%q became %q, without the digest", reference, got)
		}
		if repository, tag, err := split(got); err != nil || repository == "" || tag == "" {
			t.Errorf("%q became %q, which is no reference: %v", reference, got, err)
		}
	})
}

func TestWorkarounds(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		host                Host
		kubeadm, containerd int
	}{
		"a machine that needs none":   {Host{}, 0, 0},
		"cgroup v1":                   {Host{CgroupV1: true}, 1, 0},
		"no CAP_SYS_RESOURCE":         {Host{NoSysResource: true}, 0, 1},
		"a machine that has all that": {Host{CgroupV1: true, NoSysResource: true}, 1, 1},
	} {
		got := config(ClusterArgs{Name: "c"}, "", tc.host)
		if len(got.KubeadmConfigPatches) != tc.kubeadm || len(got.ContainerdConfigPatches) != tc.containerd {
			t.Errorf("%s: patches %q, %q", name, got.KubeadmConfigPatches, got.ContainerdConfigPatches)
		}
		for _, w := range tc.host.workarounds() {
			if w.says == "" {
				t.Errorf("%s: a work-around that is not said", name)
			}
		}
	}
}

func TestBoundingSet(t *testing.T) {
	t.Parallel()
	if got, err := boundingSet("Name:\tx\nCapBnd:\t000001fffeffffff\n"); err != nil || got&(1<<capSysResource) != 0 {
		t.Errorf("set %x, %v: want no CAP_SYS_RESOURCE", got, err)
	}
	for _, status := range []string{"", "CapBnd:\tx\n"} {
		if _, err := boundingSet(status); err == nil {
			t.Errorf("no error for %q", status)
		}
	}
}

func TestNotReady(t *testing.T) {
	t.Parallel()
	got, err := notReady([]byte(`{"items":[
		{"metadata":{"name":"a"},"status":{"conditions":[{"type":"Ready","status":"True"}]}},
		{"metadata":{"name":"b"},"status":{"conditions":[{"type":"Ready","status":"False","reason":"KubeletNotReady","message":"no network"}]}},
		{"metadata":{"name":"c"},"status":{}}]}`), []string{"a", "b", "c", "d"})
	want := map[string]string{"b": "KubeletNotReady: no network", "c": "has no condition Ready yet", "d": "has not joined"}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	if _, err := notReady([]byte("no json"), nil); err == nil {
		t.Error("no error for what is no list")
	}
}

func TestPortHolder(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if who, err := portHolder(port); err != nil || who == "" {
		t.Errorf("%q, %v: want whoever listens", who, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if who, err := portHolder(port); err != nil || who != "" {
		t.Errorf("%q, %v: want nobody", who, err)
	}
}

func TestOwnersLock(t *testing.T) {
	t.Parallel()
	o := Owners{Dir: t.TempDir()}
	unlock, err := o.Lock(t.Context(), "c", time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := o.Lock(ctx, "c", time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second lock: %v", err)
	}
	unlock()
	unlock, err = o.Lock(t.Context(), "c", time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

func TestHome(t *testing.T) {
	t.Parallel()
	for backend, want := range map[string]string{
		"":                  "/a/b",
		"file://.":          "/a/b",
		"file:///a":         "/a/b",
		"file:///elsewhere": "/a/b with state in file:///elsewhere",
		"https://x":         "/a/b with state in https://x",
	} {
		if got := home("/a/b", backend); got != want {
			t.Errorf("home with backend %q is %q, want %q", backend, got, want)
		}
	}
}

func TestHint(t *testing.T) {
	t.Parallel()
	wantError(t, hint(errors.New("write x: no space left on device")), "docker's disk is full", "docker system prune")
	wantError(t, hint(errors.New("Bind for 127.0.0.1:30080 failed: port is already allocated")), "in use")
	if hint(nil) != nil {
		t.Error("a hint about nothing")
	}
}
