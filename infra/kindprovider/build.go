package kindprovider

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Build is a command that makes an image.
type Build struct {
	Command []string `pulumi:"command"`
	Dir     string   `pulumi:"dir"`
}

// Annotate describes the fields.
func (b *Build) Annotate(a infer.Annotator) {
	a.Describe(&b.Command, "The program and its arguments.")
	a.Describe(&b.Dir, "The folder that it runs in.")
}

// buildLimit bounds a build from an empty cache.
const buildLimit = 30 * time.Minute

// Run runs the command to its end; the last lines that it printed are part of
// the error when it fails.
func (b *Build) Run(ctx context.Context, reference string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, buildLimit, fmt.Errorf("it took more than %s", buildLimit))
	defer cancel()
	shown := strings.Join(b.Command, " ")
	p.GetLogger(ctx).Infof("Docker has no image %s: running `%s` in %s", reference, shown, b.Dir)
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, b.Command[0], b.Command[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.Dir, &out, &out
	// A group of its own, so that what the command started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("build image %s: `%s` in %s: %w\n%s", reference, shown, b.Dir, err, lastLines(strings.TrimSpace(out.String()), 20))
	}
	return nil
}
