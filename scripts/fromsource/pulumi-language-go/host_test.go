package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
)

// output is a buffer that a test may read while it is written.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// serve runs a host behind gRPC, as the engine meets it.
func serve(t *testing.T) (pulumirpc.LanguageRuntimeClient, *output) {
	t.Helper()
	out := &output{}
	ctx, cancel := context.WithCancel(t.Context())
	h := &host{ctx: ctx, cancel: cancel, engine: "engine:1", stdout: out, stderr: out, builds: builds{dir: t.TempDir()}}
	stop := make(chan bool)
	server, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{Cancel: stop, Init: func(s *grpc.Server) error {
		pulumirpc.RegisterLanguageRuntimeServer(s, h)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(addressOf(server.Port), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		close(stop)
		if err := errors.Join(<-server.Done, conn.Close()); err != nil {
			t.Error(err)
		}
	})
	return pulumirpc.NewLanguageRuntimeClient(conn), out
}

// program writes a Go program and says where it is, as the engine does.
func program(t *testing.T, body string) *pulumirpc.ProgramInfo {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module program\n\ngo 1.26\n", "main.go": "package main\n\n" + body} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &pulumirpc.ProgramInfo{RootDirectory: dir, ProgramDirectory: dir, EntryPoint: "."}
}

func TestRun(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		wantError  string
		wantBail   bool
		wantOutput string
	}{
		{"a program that ends well", `func main() { println("hello") }`, "", false, "hello"},
		{"one that told its errors itself", `import "os"; func main() { os.Exit(32) }`, "", true, ""},
		{"one that fails", `import "os"; func main() { os.Exit(3) }`, "status 3", false, ""},
		{"one that panics", `func main() { panic("ouch") }`, "status 2", false, "ouch"},
		{"one that is killed", `import ("os"; "syscall"); func main() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL); select {} }`, "signal", false, ""},
		{"one that does not compile", `func main() { nonsense() }`, "undefined: nonsense", false, ""},
		{"what the SDK reads", `import ("fmt"; "os"); func main() {
			for _, k := range []string{"PROJECT", "STACK", "ORGANIZATION", "CONFIG", "CONFIG_SECRET_KEYS", "DRY_RUN", "PARALLEL", "MONITOR", "ENGINE"} {
				fmt.Print(os.Getenv("PULUMI_"+k), ";")
			}
		}`, "", false, `p;s;o;{"p:k":"v"};["p:k"];true;7;monitor:1;engine:1;`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			client, out := serve(t)
			info := program(t, tc.body)
			resp, err := client.Run(t.Context(), &pulumirpc.RunRequest{
				Project: "p", Stack: "s", Organization: "o", Pwd: info.GetRootDirectory(), Info: info,
				Config: map[string]string{"p:k": "v"}, ConfigSecretKeys: []string{"p:k"},
				DryRun: true, Parallel: 7, MonitorAddress: "monitor:1",
			})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(resp.GetError(), tc.wantError) || (tc.wantError == "") != (resp.GetError() == "") || resp.GetBail() != tc.wantBail {
				t.Errorf("answer %q, bail %v; want %q, %v", resp.GetError(), resp.GetBail(), tc.wantError, tc.wantBail)
			}
			if !strings.Contains(out.String(), tc.wantOutput) {
				t.Errorf("output %q, want %q", out, tc.wantOutput)
			}
		})
	}
}

func TestCancelStopsTheProgram(t *testing.T) {
	t.Parallel()
	client, out := serve(t)
	info := program(t, `import "time"; func main() { println("up"); time.Sleep(time.Hour) }`)
	done := make(chan *pulumirpc.RunResponse, 1)
	go func() {
		resp, err := client.Run(t.Context(), &pulumirpc.RunRequest{Pwd: info.GetRootDirectory(), Info: info})
		if err != nil {
			resp = &pulumirpc.RunResponse{Error: err.Error()}
		}
		done <- resp
	}()
	waitFor(t, "the program", func() bool { return strings.Contains(out.String(), "up") })
	if _, err := client.Cancel(t.Context(), &emptypb.Empty{}); err != nil {
		t.Fatal(err)
	}
	select {
	case resp := <-done:
		if !resp.GetBail() || !strings.Contains(resp.GetError(), "stopped") {
			t.Errorf("answer %q, bail %v", resp.GetError(), resp.GetBail())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the program goes on")
	}
}

func TestRunPlugin(t *testing.T) {
	t.Parallel()
	client, _ := serve(t)
	info := program(t, `import ("fmt"; "os"); func main() { fmt.Println("port", os.Args[1], os.Getenv("X")); fmt.Fprintln(os.Stderr, "warn"); os.Exit(7) }`)
	stdout, stderr, code := plugin(t, client, t.Context(), &pulumirpc.RunPluginRequest{
		Pwd: info.GetRootDirectory(), Info: info, Args: []string{"arg"}, Env: append(os.Environ(), "X=x"),
	})
	if stdout != "port arg x\n" || stderr != "warn\n" || code != 7 {
		t.Errorf("stdout %q, stderr %q, status %d", stdout, stderr, code)
	}
}

func TestRunPluginShowsWhatTheCompilerSays(t *testing.T) {
	t.Parallel()
	client, _ := serve(t)
	info := program(t, `func main() { nonsense() }`)
	_, stderr, _ := plugin(t, client, t.Context(), &pulumirpc.RunPluginRequest{Pwd: info.GetRootDirectory(), Info: info, Env: os.Environ()})
	if !strings.Contains(stderr, "undefined: nonsense") {
		t.Errorf("stderr %q", stderr)
	}
}

// TestRunPluginLetsItCleanUp: the engine hangs up at ^C, and what the plugin
// does about that it may finish.
func TestRunPluginLetsItCleanUp(t *testing.T) {
	t.Parallel()
	client, _ := serve(t)
	info := program(t, `import ("fmt"; "os"; "os/signal"; "time"); func main() {
		c := make(chan os.Signal, 1)
		signal.Notify(c, os.Interrupt)
		fmt.Println("up")
		<-c
		time.Sleep(300 * time.Millisecond)
		_ = os.WriteFile("cleaned", nil, 0o600)
	}`)
	ctx, hangUp := context.WithCancel(t.Context())
	stream, err := client.RunPlugin(ctx, &pulumirpc.RunPluginRequest{Pwd: info.GetRootDirectory(), Info: info, Env: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	hangUp()
	waitFor(t, "the plugin's last act", func() bool {
		_, err := os.Stat(filepath.Join(info.GetRootDirectory(), "cleaned"))
		return err == nil
	})
}

func TestBuildsAreKeptAndCopied(t *testing.T) {
	t.Parallel()
	b := builds{dir: t.TempDir()}
	dir := program(t, `func main() {}`).GetProgramDirectory()
	one, doneOne, err := b.executable(t.Context(), dir, os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	defer doneOne()
	two, doneTwo, err := b.executable(t.Context(), dir, os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	if one == two {
		t.Errorf("two runs share %s", one)
	}
	doneTwo()
	if _, err := os.Stat(two); !os.IsNotExist(err) {
		t.Errorf("%s stays after its run: %v", two, err)
	}
	if _, err := os.Stat(one); err != nil {
		t.Errorf("the end of one run takes the other's program: %v", err)
	}
}

func TestInfo(t *testing.T) {
	t.Parallel()
	client, _ := serve(t)
	ctx := t.Context()
	if _, err := client.Handshake(ctx, &pulumirpc.LanguageHandshakeRequest{}); err != nil {
		t.Error(err)
	}
	if r, err := client.GetPluginInfo(ctx, &emptypb.Empty{}); err != nil || r.GetVersion() != version {
		t.Errorf("version %q, %v", r.GetVersion(), err)
	}
	if r, err := client.GetRequiredPackages(ctx, &pulumirpc.GetRequiredPackagesRequest{}); err != nil || len(r.GetPackages()) != 0 {
		t.Errorf("packages %v, %v", r.GetPackages(), err)
	}
	if r, err := client.About(ctx, &pulumirpc.AboutRequest{}); err != nil || !strings.HasPrefix(r.GetVersion(), "go") {
		t.Errorf("about %v, %v", r, err)
	}
	stream, err := client.InstallDependencies(ctx, &pulumirpc.InstallDependenciesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != io.EOF { //nolint:errorlint // the bare io.EOF is gRPC's end of stream
		t.Errorf("install: %v", err)
	}
}

func TestEngineAddress(t *testing.T) {
	t.Parallel()
	if got, err := engineAddress([]string{"-v=9", "--tracing", "x", "127.0.0.1:5"}); err != nil || got != "127.0.0.1:5" {
		t.Errorf("%q, %v", got, err)
	}
	for _, args := range [][]string{nil, {"-v=9"}} {
		if _, err := engineAddress(args); err == nil {
			t.Errorf("no error for %q", args)
		}
	}
}
