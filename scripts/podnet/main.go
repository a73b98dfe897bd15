// Command podnet is the pod network of the node images that are built here: a
// DaemonSet that, on each node, writes the configuration by which containerd
// calls the CNI plugins ptp and host-local with the node's own range of pod
// addresses, keeps a route to every other node's range, and translates the
// addresses of what leaves the cluster.
//
// It is for nodes that share one link, as the containers of a kind cluster do,
// and for IPv4. It does not enforce NetworkPolicies. kind's published images
// carry kindnetd in its place.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	err := run(ctx, os.Args[1:], log)
	stop()
	if err != nil {
		log.Error("podnet ends", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, log *slog.Logger) error {
	flags := flag.NewFlagSet("podnet", flag.ContinueOnError)
	cniDir := flags.String("cni-dir", "/etc/cni/net.d", "the folder that containerd reads CNI configurations from")
	resync := flags.Duration("resync", 30*time.Second, "how often everything is put right again though nothing has changed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	self, subnet := os.Getenv("NODE_NAME"), os.Getenv("POD_SUBNET")
	if self == "" || subnet == "" {
		return errors.New("NODE_NAME and POD_SUBNET must be set: the DaemonSet sets them")
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	// kind names the control plane so that the network need not wait for
	// kube-proxy, which may wait for the network.
	if endpoint := os.Getenv("CONTROL_PLANE_ENDPOINT"); endpoint != "" {
		config.Host = "https://" + endpoint
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	nodes := NewNodes(client, *resync)
	links, err := NewLinks(subnet)
	if err != nil {
		return err
	}
	log.Info("podnet starts", "node", self, "podSubnet", subnet)
	return nodes.Each(ctx, func(all []Node) error {
		plan, err := Plan(self, all)
		if errors.Is(err, ErrNoRange) {
			log.Info("waiting for the node's range of pod addresses", "node", self)
			return nil
		}
		if err != nil {
			return err
		}
		wrote, err := WriteConflist(*cniDir, plan.Own)
		if err != nil {
			return fmt.Errorf("cni configuration: %w", err)
		}
		changed, err := links.Apply(plan)
		if err != nil {
			return err
		}
		if wrote || changed > 0 {
			log.Info("pod network is in place", "range", plan.Own.String(), "routes", len(plan.Routes), "changed", changed)
		}
		return nil
	})
}
