package prediction

import (
	"fmt"
	"time"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// minReady is how long a new pod must have been ready before the rollout goes
// on: time for every node's proxy to learn of it.
const minReady = 2 * time.Second

// newDeployment makes the Deployment. Its spec has no replicas: they belong to
// the autoscaler, and whoever else sets them resets its work at every update.
func (b *builder) newDeployment(account *corev1.ServiceAccount, settings *corev1.ConfigMap) (*appsv1.Deployment, error) {
	args := b.args
	d, err := appsv1.NewDeployment(b.ctx, b.name, &appsv1.DeploymentArgs{
		Metadata: b.meta(args.Name),
		Spec: &appsv1.DeploymentSpecArgs{
			Selector:             &metav1.LabelSelectorArgs{MatchLabels: b.selector()},
			MinReadySeconds:      seconds(minReady),
			RevisionHistoryLimit: pulumi.Int(3),
			// Kubernetes gives up on a rollout that stands still just before
			// the wait for it ends, so that the wait can say so.
			ProgressDeadlineSeconds: seconds(max(args.DeployTimeout-10*time.Second, minReady+time.Second)),
			Strategy: &appsv1.DeploymentStrategyArgs{
				Type: pulumi.String("RollingUpdate"),
				RollingUpdate: &appsv1.RollingUpdateDeploymentArgs{
					MaxUnavailable: pulumi.Int(0),
					MaxSurge:       pulumi.Int(args.MaxSurge),
				},
			},
			Template: &corev1.PodTemplateSpecArgs{
				Metadata: &metav1.ObjectMetaArgs{Labels: b.labels()},
				Spec: &corev1.PodSpecArgs{
					ServiceAccountName:            account.Metadata.Name(),
					AutomountServiceAccountToken:  pulumi.Bool(false),
					EnableServiceLinks:            pulumi.Bool(false), // their variables would come by the environment too
					TerminationGracePeriodSeconds: seconds(args.TerminationGracePeriod),
					SecurityContext: &corev1.PodSecurityContextArgs{
						RunAsNonRoot:   pulumi.Bool(true),
						RunAsUser:      pulumi.Int(65532),
						RunAsGroup:     pulumi.Int(65532),
						SeccompProfile: &corev1.SeccompProfileArgs{Type: pulumi.String("RuntimeDefault")},
					},
					// Each version's pods are spread on their own, so that the
					// pods that are going do not decide where the new ones go.
					TopologySpreadConstraints: corev1.TopologySpreadConstraintArray{&corev1.TopologySpreadConstraintArgs{
						MaxSkew:           pulumi.Int(1),
						TopologyKey:       pulumi.String("kubernetes.io/hostname"),
						WhenUnsatisfiable: pulumi.String("ScheduleAnyway"),
						LabelSelector:     &metav1.LabelSelectorArgs{MatchLabels: b.selector()},
						MatchLabelKeys:    pulumi.ToStringArray([]string{"pod-template-hash"}),
					}},
					Containers: corev1.ContainerArray{b.container(settings)},
				},
			},
		},
	}, b.opts()...)
	if err != nil {
		return nil, fmt.Errorf("deployment: %w", err)
	}
	return d, nil
}

func (b *builder) container(settings *corev1.ConfigMap) *corev1.ContainerArgs {
	args := b.args
	ports := corev1.ContainerPortArray{containerPort("http", servingPort), containerPort("metrics", metricsPort)}
	if args.GRPC {
		ports = append(ports, containerPort("grpc", GRPCPort))
	}
	return &corev1.ContainerArgs{
		Name:            pulumi.String("server"),
		Image:           args.Image,
		ImagePullPolicy: pulumi.String("IfNotPresent"),
		// The last lines of a server that crashes are in the pod's status, and
		// from there in what a failed update prints.
		TerminationMessagePolicy: pulumi.String("FallbackToLogsOnError"),
		EnvFrom: corev1.EnvFromSourceArray{&corev1.EnvFromSourceArgs{
			ConfigMapRef: &corev1.ConfigMapEnvSourceArgs{Name: settings.Metadata.Name()},
		}},
		Env: corev1.EnvVarArray{&corev1.EnvVarArgs{
			Name: pulumi.String("POD_NAME"),
			ValueFrom: &corev1.EnvVarSourceArgs{
				FieldRef: &corev1.ObjectFieldSelectorArgs{FieldPath: pulumi.String("metadata.name")},
			},
		}},
		Ports: ports,
		// A model is loaded within a minute or the container is started anew.
		StartupProbe: probe("/v2/health/live", 1, 60),
		// Three missed answers, not one: a pod that is merely busy keeps its
		// share of the load, else the others get it and follow.
		ReadinessProbe: probe("/v2/health/ready", 2, 3),
		LivenessProbe:  probe("/v2/health/live", 10, 6),
		Resources: &corev1.ResourceRequirementsArgs{
			Requests: pulumi.StringMap{"cpu": pulumi.String(args.CPURequest), "memory": pulumi.String(args.Memory)},
			Limits:   pulumi.StringMap{"cpu": pulumi.String(args.CPULimit), "memory": pulumi.String(args.Memory)},
		},
		SecurityContext: &corev1.SecurityContextArgs{
			AllowPrivilegeEscalation: pulumi.Bool(false),
			Privileged:               pulumi.Bool(false),
			ReadOnlyRootFilesystem:   pulumi.Bool(true),
			RunAsNonRoot:             pulumi.Bool(true),
			Capabilities:             &corev1.CapabilitiesArgs{Drop: pulumi.ToStringArray([]string{"ALL"})},
			SeccompProfile:           &corev1.SeccompProfileArgs{Type: pulumi.String("RuntimeDefault")},
		},
	}
}

func containerPort(name string, port int) *corev1.ContainerPortArgs {
	return &corev1.ContainerPortArgs{Name: pulumi.String(name), ContainerPort: pulumi.Int(port), Protocol: pulumi.String("TCP")}
}

// probe asks on the port of the metrics: there the server answers also while it turns
// requests away, and without TLS and keys.
func probe(path string, period, failures int) *corev1.ProbeArgs {
	return &corev1.ProbeArgs{
		HttpGet:          &corev1.HTTPGetActionArgs{Path: pulumi.String(path), Port: pulumi.String("metrics")},
		PeriodSeconds:    pulumi.Int(period),
		TimeoutSeconds:   pulumi.Int(2),
		FailureThreshold: pulumi.Int(failures),
	}
}
