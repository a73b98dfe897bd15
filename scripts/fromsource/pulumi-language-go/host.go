package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// version is that of the SDK and the engine which this host goes with.
const version = "3.259.0"

// host answers the engine.
type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer

	// ctx is the life of the process; calls end with it. Kept here because
	// gRPC gives each call a context of its own.
	ctx            context.Context
	cancel         context.CancelFunc
	engine         string
	stdout, stderr io.Writer
	builds         builds
}

// during is a call's context that ends with the process too.
func (h *host) during(call context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(call)
	stop := context.AfterFunc(h.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// Handshake is the engine's first call.
func (h *host) Handshake(context.Context, *pulumirpc.LanguageHandshakeRequest) (*pulumirpc.LanguageHandshakeResponse, error) {
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

// GetPluginInfo tells the version.
func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version}, nil
}

// GetRequiredPackages names none, on purpose. A go.mod names every provider
// that some stack may use; the engine would fetch all of them before the
// program starts, and fail where they cannot be fetched, though this stack
// needs one. Left alone, it fetches each when the first resource asks for it.
func (h *host) GetRequiredPackages(context.Context, *pulumirpc.GetRequiredPackagesRequest) (*pulumirpc.GetRequiredPackagesResponse, error) {
	return &pulumirpc.GetRequiredPackagesResponse{}, nil
}

// GetRequiredPlugins is GetRequiredPackages for engines of before.
func (h *host) GetRequiredPlugins(context.Context, *pulumirpc.GetRequiredPluginsRequest) (*pulumirpc.GetRequiredPluginsResponse, error) {
	return &pulumirpc.GetRequiredPluginsResponse{}, nil
}

// RuntimeOptionsPrompts has nothing to ask.
func (h *host) RuntimeOptionsPrompts(context.Context, *pulumirpc.RuntimeOptionsRequest) (*pulumirpc.RuntimeOptionsResponse, error) {
	return &pulumirpc.RuntimeOptionsResponse{}, nil
}

// Template has nothing to fill in.
func (h *host) Template(context.Context, *pulumirpc.TemplateRequest) (*pulumirpc.TemplateResponse, error) {
	return &pulumirpc.TemplateResponse{}, nil
}

// InstallDependencies does nothing: the build fetches what it lacks.
func (h *host) InstallDependencies(*pulumirpc.InstallDependenciesRequest, grpc.ServerStreamingServer[pulumirpc.InstallDependenciesResponse]) error {
	return nil
}

// About tells which Go there is.
func (h *host) About(ctx context.Context, _ *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	path, err := exec.LookPath("go")
	if err != nil {
		return nil, status.Error(codes.FailedPrecondition, errNoGo.Error())
	}
	out, err := exec.CommandContext(ctx, path, "env", "GOVERSION").Output()
	if err != nil {
		return nil, status.Errorf(codes.Internal, "go env: %v", err)
	}
	return &pulumirpc.AboutResponse{
		Executable: path,
		Version:    strings.TrimSpace(string(out)),
		Metadata:   map[string]string{"host": version, "platform": runtime.GOOS + "/" + runtime.GOARCH},
	}, nil
}

// Cancel asks everything under way to stop.
func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.cancel()
	return &emptypb.Empty{}, nil
}

// packageDir is the folder of the main package that a request means: its
// entry point is a folder, or a file of it, below the program's folder.
func packageDir(info *pulumirpc.ProgramInfo) string {
	dir := filepath.Join(info.GetProgramDirectory(), info.GetEntryPoint())
	if st, err := os.Stat(dir); err == nil && !st.IsDir() {
		return filepath.Dir(dir)
	}
	return dir
}
