package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3/go/common/constant"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// Run builds a program and runs it to its end. What went wrong with it is part
// of the answer; an error is this host's own.
func (h *host) Run(call context.Context, r *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	ctx, cancel := h.during(call)
	defer cancel()
	env, err := h.programEnv(r)
	if err != nil {
		return nil, err
	}
	path, done, err := h.builds.executable(ctx, packageDir(r.GetInfo()), os.Environ())
	if err != nil {
		return &pulumirpc.RunResponse{Error: err.Error()}, nil
	}
	defer done()
	cmd := exec.CommandContext(ctx, path, r.GetArgs()...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = r.GetPwd(), env, h.stdout, h.stderr
	return programResult(ctx, runGroup(cmd, stopGrace)), nil
}

// programEnv is how the SDK is told what to do.
func (h *host) programEnv(r *pulumirpc.RunRequest) ([]string, error) {
	config, err := json.Marshal(r.GetConfig())
	if err != nil {
		return nil, fmt.Errorf("the stack's configuration: %w", err)
	}
	secrets, err := json.Marshal(r.GetConfigSecretKeys())
	if err != nil {
		return nil, fmt.Errorf("the stack's secret keys: %w", err)
	}
	return append(os.Environ(),
		"PULUMI_ORGANIZATION="+r.GetOrganization(),
		"PULUMI_PROJECT="+r.GetProject(),
		"PULUMI_STACK="+r.GetStack(),
		"PULUMI_ROOT_DIRECTORY="+r.GetInfo().GetRootDirectory(),
		"PULUMI_CONFIG="+string(config),
		"PULUMI_CONFIG_SECRET_KEYS="+string(secrets),
		"PULUMI_DRY_RUN="+strconv.FormatBool(r.GetDryRun()),
		"PULUMI_PARALLEL="+strconv.Itoa(int(r.GetParallel())),
		"PULUMI_MONITOR="+r.GetMonitorAddress(),
		"PULUMI_ENGINE="+h.engine,
	), nil
}

// programResult says how a program ended. A program that has told the engine
// its errors itself ends with a status of its own: then there is no more to
// say.
func programResult(ctx context.Context, err error) *pulumirpc.RunResponse {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}
	case ctx.Err() != nil:
		return &pulumirpc.RunResponse{Error: "the program was stopped", Bail: true}
	case !errors.As(err, &exit):
		return &pulumirpc.RunResponse{Error: "the program did not start: " + err.Error()}
	case exit.ExitCode() == constant.ExitStatusLoggedError:
		return &pulumirpc.RunResponse{Bail: true}
	case exit.ExitCode() < 0:
		return &pulumirpc.RunResponse{Error: "the program ended by a signal: " + exit.Error()}
	default:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("the program exited with status %d", exit.ExitCode())}
	}
}
