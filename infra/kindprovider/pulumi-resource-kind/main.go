// Command pulumi-resource-kind is the Pulumi plugin of the kind provider. The
// engine starts it: from this folder's binary where one was built, otherwise
// from its source through PulumiPlugin.yaml.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"rollproof.build/kindprovider"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-resource-kind:", err)
		os.Exit(1)
	}
}

// run serves the engine until ctx ends. Calls under way are cancelled then,
// and what they have begun they clean up before the plugin ends.
func run(ctx context.Context) error {
	machine, err := kindprovider.NewMachine()
	if err != nil {
		return err
	}
	provider, err := kindprovider.New(machine)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { failed <- provider.Cancel(context.WithoutCancel(ctx)) })
	if err := provider.Run(ctx, kindprovider.Name, kindprovider.Version); err != nil {
		return err
	}
	if stop() {
		return nil
	}
	return <-failed
}
