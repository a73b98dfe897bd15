package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

func addressOf(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// waitFor polls for at most as long as a slow machine needs to compile.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// plugin runs a plugin to its end.
func plugin(t *testing.T, client pulumirpc.LanguageRuntimeClient, ctx context.Context, r *pulumirpc.RunPluginRequest) (stdout, stderr string, code int) { //nolint:revive // the test comes first
	t.Helper()
	stream, err := client.RunPlugin(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	for {
		msg, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stdout, stderr, code
		}
		if err != nil {
			return stdout, stderr + err.Error(), -1
		}
		stdout += string(msg.GetStdout())
		stderr += string(msg.GetStderr())
		code = int(msg.GetExitcode())
	}
}
