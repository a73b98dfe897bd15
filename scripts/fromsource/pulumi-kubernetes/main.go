// Command pulumi-resource-kubernetes is the Pulumi Kubernetes provider. The
// repository's main embeds files that its own build writes; this one embeds
// the copies that the module carries, which our build puts beside it.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
)

var (
	//go:embed schema.json
	schema []byte
	//go:embed terraform-mapping.json
	terraformMapping []byte
)

// version is the provider's version, set by the linker.
var version = "0.0.0-dev"

func main() {
	provider.Serve("kubernetes", version, schema, terraformMapping)
}
