package prediction

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// environment is what the server is told by environment variables.
func environment(args *PredictionServiceArgs) map[string]string {
	drain := "on"
	if args.UnsafeDisableDrain {
		drain = "off"
	}
	env := map[string]string{
		"ROLLPROOF_LISTEN":           fmt.Sprintf(":%d", servingPort),
		"ROLLPROOF_METRICS_LISTEN":   fmt.Sprintf(":%d", metricsPort),
		"ROLLPROOF_DRAIN":            drain,
		"ROLLPROOF_DRAIN_DELAY":      args.DrainDelay.String(),
		"ROLLPROOF_SHUTDOWN_TIMEOUT": args.ShutdownTimeout.String(),
		"ROLLPROOF_LOG_LEVEL":        args.LogLevel,
	}
	if args.GRPC {
		env["ROLLPROOF_GRPC_LISTEN"] = fmt.Sprintf(":%d", GRPCPort)
	}
	return env
}

// newSettings makes a ConfigMap whose name carries the hash of its content.
// A change is another ConfigMap, which rolls the pods, and the one before
// stays: should the rollout fail, the old version's pods can still start, also
// when the autoscaler asks for more of them. The namespace takes it along.
func (b *builder) newSettings() (*corev1.ConfigMap, error) {
	env := environment(b.args)
	content, err := json.Marshal(env) // keys are sorted
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	sum := sha256.Sum256(content)
	settings, err := corev1.NewConfigMap(b.ctx, b.name, &corev1.ConfigMapArgs{
		Metadata:  b.meta(b.args.Name + "-" + hex.EncodeToString(sum[:])[:10]),
		Data:      pulumi.ToStringMap(env),
		Immutable: pulumi.Bool(true),
	}, b.opts(pulumi.RetainOnDelete(true))...)
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	return settings, nil
}
