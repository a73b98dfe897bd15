package setup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHostLacksCapabilities(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status string
		want   bool
	}{
		"all":                      {"CapBnd:\t000001ffffffffff\n", false},
		"without CAP_SYS_RESOURCE": {"CapBnd:\t000001fffeffffff\n", true},
	} {
		set, err := boundingSet("Name:\tx\n" + tc.status)
		if err != nil {
			t.Fatal(err)
		}
		if got := (Host{BoundedCap: set, LastCap: 40}).LacksCapabilities(); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
	if _, err := boundingSet("Name:\tx\n"); err == nil {
		t.Error("no error for a status without CapBnd")
	}
}

func TestAsRoot(t *testing.T) {
	t.Parallel()
	name, args, err := Host{Sudo: true}.AsRoot("apt-get", "update")
	if err != nil || name != "sudo" || strings.Join(args, " ") != "-n apt-get update" {
		t.Errorf("with sudo: %s %v, %v", name, args, err)
	}
	if _, _, err := (Host{}).AsRoot("apt-get"); err == nil || !strings.Contains(err.Error(), "apt-get needs root") {
		t.Errorf("without rights: %v", err)
	}
}

func TestImagesByName(t *testing.T) {
	t.Parallel()
	list := "r/kube-apiserver:v1\nr/kube-controller-manager:v1\nr/kube-scheduler:v1\nr/kube-proxy:v1\nr/coredns/coredns:v2\nr/pause:3\nr/etcd:4-0\n"
	got, err := imagesByName(list)
	if err != nil {
		t.Fatal(err)
	}
	if got["coredns"] != "r/coredns/coredns:v2" || got["etcd"] != "r/etcd:4-0" {
		t.Errorf("read %v", got)
	}
	if _, err := imagesByName("r/pause:3\n"); err == nil {
		t.Error("no error for a list without a control plane")
	}
}

// tarGz is an archive of files by name.
func tarGz(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	for name, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// TestEnsureTakesTheFirstWayThatWorks walks a tool through its three ways
// against a real server.
func TestEnsureTakesTheFirstWayThatWorks(t *testing.T) {
	t.Parallel()
	archive := tarGz(t, map[string]string{"tool/bin/tool": "published", "../../escape": "no"})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /tool.tar.gz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(archive) })
	mux.HandleFunc("GET /cut.tar.gz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(archive[:len(archive)/2]) })
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	for name, tc := range map[string]struct {
		url   string
		found bool
		built bool
		want  string
		says  string
	}{
		"on the PATH":           {found: true},
		"downloaded":            {url: srv.URL + "/tool.tar.gz", want: "published", says: "downloaded tool v1"},
		"not there: built":      {url: srv.URL + "/nothing", built: true, want: "built", says: "cannot be downloaded here"},
		"cut short: built":      {url: srv.URL + "/cut.tar.gz", built: true, want: "built", says: "cannot be downloaded here"},
		"nobody listens: built": {url: "http://127.0.0.1:1/", built: true, want: "built", says: "cannot be downloaded here"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			s := &Setup{Cache: testCache(t), Download: NewDownloader(), Steps: &Steps{Out: &out, Logs: t.TempDir(), Tick: time.Hour}}
			tl := tool{
				name: "tool", version: "v1", url: tc.url,
				found: func(context.Context) bool { return tc.found },
				download: func(ctx context.Context, d Downloader, url, dir string) error {
					return d.Archive(ctx, url, dir, "tool")
				},
				built: func() (string, bool) { return "", false },
				build: func(ctx context.Context) (string, error) {
					return s.Cache.Make(ctx, "tool-built", "k", func(_ context.Context, dir string) error {
						return os.WriteFile(filepath.Join(dir, "tool"), []byte("built"), 0o600)
					})
				},
			}
			dir, built, err := s.ensure(t.Context(), tl)
			if err != nil {
				t.Fatal(err)
			}
			if built != tc.built {
				t.Errorf("built %v, want %v", built, tc.built)
			}
			if tc.found {
				if dir != "" {
					t.Errorf("a tool on the PATH has the folder %s", dir)
				}
				return
			}
			got, err := os.ReadFile(filepath.Join(dir, "tool"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, string(got)); diff != "" {
				t.Errorf("tool (-want +got):\n%s", diff)
			}
			if !strings.Contains(out.String(), tc.says) {
				t.Errorf("said %q, want %q in it", out.String(), tc.says)
			}
			if names := left(t, s.Cache, "tmp"); len(names) > 0 {
				t.Errorf("left over: %v", names)
			}
		})
	}
}

func TestStepShowsItsEndWhenItFails(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := &Steps{Out: &out, Logs: t.TempDir(), Tick: 20 * time.Millisecond}
	err := s.Do(t.Context(), "build a thing", 2*time.Minute, func(ctx context.Context, log io.Writer) error {
		time.Sleep(50 * time.Millisecond)
		return Command{Log: log}.Run(ctx, "sh", "-c", "echo compiling; echo main.go:3: bad >&2; exit 3")
	})
	if err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{"==> build a thing (about 2m0s on 2 cores)", "so far", "    | main.go:3: bad"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("printed %q, want %q in it", out.String(), want)
		}
	}
}

func TestStepEndsItsCommandsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	s := &Steps{Out: io.Discard, Logs: t.TempDir(), Tick: time.Hour}
	start := time.Now()
	err := s.Do(ctx, "sleep", 0, func(ctx context.Context, log io.Writer) error {
		// The child of the shell must end too.
		return Command{Log: log}.Run(ctx, "sh", "-c", "sleep 60; true")
	})
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 8*time.Second {
		t.Errorf("error %v after %s", err, time.Since(start))
	}
}

func TestModuleKeyFollowsItsFlags(t *testing.T) {
	t.Parallel()
	s := &Setup{Root: "../.."}
	a, err := s.moduleKey(Module{Name: "pause", Binaries: map[string]string{"pause": "."}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.moduleKey(Module{Name: "pause", Binaries: map[string]string{"pause": "."}, LDFlags: "-X main.version=2"})
	if err != nil {
		t.Fatal(err)
	}
	if a == b {
		t.Error("two builds with different flags have one key")
	}
	if _, err := s.moduleKey(Module{Name: "nothing"}); err == nil {
		t.Error("no error for a module that is not there")
	}
}
