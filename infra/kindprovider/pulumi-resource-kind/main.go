// Command pulumi-resource-kind is the Pulumi plugin of the kind provider. The
// engine starts it: from this folder's binary where one was built, otherwise
// from its source through PulumiPlugin.yaml.
package main

import (
	"context"
	"fmt"
	"os"

	"rollproof.build/kindprovider"
)

func main() {
	// No signal handling here: the engine asks a provider to stop by its own
	// protocol, which ends the contexts of the calls under way.
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-resource-kind:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	machine, err := kindprovider.NewMachine()
	if err != nil {
		return err
	}
	provider, err := kindprovider.New(machine)
	if err != nil {
		return err
	}
	return provider.Run(ctx, kindprovider.Name, kindprovider.Version)
}
