package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// RunPlugin builds a plugin and runs it until the engine hangs up: then the
// plugin is asked to stop. Its output is streamed as it comes.
func (h *host) RunPlugin(r *pulumirpc.RunPluginRequest, stream grpc.ServerStreamingServer[pulumirpc.RunPluginResponse]) error {
	ctx, cancel := h.during(stream.Context())
	defer cancel()
	out := &pluginOutput{stream: stream}
	path, done, err := h.builds.executable(ctx, packageDir(r.GetInfo()), r.GetEnv())
	if err != nil {
		// The engine shows what a plugin prints, and of an error of the call
		// only that there was one.
		_, writeErr := stderrOf(out).Write([]byte(err.Error() + "\n"))
		return errors.Join(err, writeErr)
	}
	defer done()
	cmd := exec.CommandContext(ctx, path, r.GetArgs()...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = r.GetPwd(), r.GetEnv(), stdoutOf(out), stderrOf(out)
	code, err := exitCode(ctx, runGroup(cmd, pluginGrace))
	if err != nil {
		return fmt.Errorf("plugin %s: %w", packageDir(r.GetInfo()), err)
	}
	return out.send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Exitcode{Exitcode: int32(code)}})
}

// exitCode is the status that a plugin ended with; -1 after a signal.
func exitCode(ctx context.Context, err error) (int, error) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case errors.As(err, &exit):
		return exit.ExitCode(), nil
	}
	return 0, err
}

// pluginOutput sends to one stream from two writers.
type pluginOutput struct {
	mu     sync.Mutex
	stream grpc.ServerStreamingServer[pulumirpc.RunPluginResponse]
}

func (o *pluginOutput) send(r *pulumirpc.RunPluginResponse) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stream.Send(r)
}

// writer sends what is written to it.
type writer func(p []byte) error

func (w writer) Write(p []byte) (int, error) {
	if err := w(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// The message may be kept by gRPC after Send returns, the buffer is the
// caller's: hence the copies.

func stdoutOf(o *pluginOutput) writer {
	return func(p []byte) error {
		return o.send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Stdout{Stdout: append([]byte(nil), p...)}})
	}
}

func stderrOf(o *pluginOutput) writer {
	return func(p []byte) error {
		return o.send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Stderr{Stderr: append([]byte(nil), p...)}})
	}
}
