// Command infra is the Pulumi program: the engine runs it, through the Go
// language host, for every preview, update and destroy.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"rollproof/infra/stack"
)

func main() {
	pulumi.Run(stack.Program)
}
