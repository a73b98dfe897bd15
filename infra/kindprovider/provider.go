// Package kindprovider is a Pulumi resource provider for kind: clusters
// (kind:index:Cluster) and images on their nodes (kind:index:Image), on
// sigs.k8s.io/kind as a library and the Docker command.
//
// What a program calls to declare these resources lives in the package kind
// below this one; nothing here knows what is deployed on the clusters.
package kindprovider

import (
	"fmt"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

// Name is the package name in resource tokens; Version is what the plugin
// reports to the engine.
const (
	Name    = "kind"
	Version = "0.1.0"
)

// Machine is what the resources work with. NewMachine gives the real one.
type Machine struct {
	Kind   Kind
	Docker Docker
	Owners Owners
	Host   func() (Host, error)
	// PortHolder says what listens on a TCP port of 127.0.0.1: "" when it is
	// free.
	PortHolder func(port int) (string, error)
	// Home is where the program that uses this provider lives and keeps its
	// state: a part of who owns a cluster, because two checkouts are two
	// owners.
	Home string
	// Poll is how often a wait looks again.
	Poll time.Duration
	// Settle is how long no node must have appeared before a creation that
	// failed is taken to have ended.
	Settle time.Duration
}

// New makes the provider for a machine.
func New(m *Machine) (p.Provider, error) {
	provider, err := infer.NewProviderBuilder().
		WithNamespace("rollproof").
		WithDisplayName("kind").
		WithDescription("Local Kubernetes clusters in Docker containers, and images on their nodes.").
		WithResources(infer.Resource(&Cluster{m}), infer.Resource(&Image{m})).
		WithModuleMap(map[tokens.ModuleName]tokens.ModuleName{"kindprovider": "index"}).
		Build()
	if err != nil {
		return p.Provider{}, fmt.Errorf("kind provider: %w", err)
	}
	return provider, nil
}
