package prediction

import (
	"fmt"

	autoscalingv2 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/autoscaling/v2"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	policyv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/policy/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// newAutoscaler makes the HPA, which alone sets the Deployment's replicas.
func (b *builder) newAutoscaler() (*autoscalingv2.HorizontalPodAutoscaler, error) {
	hpa, err := autoscalingv2.NewHorizontalPodAutoscaler(b.ctx, b.name, &autoscalingv2.HorizontalPodAutoscalerArgs{
		Metadata: b.meta(b.args.Name),
		Spec: &autoscalingv2.HorizontalPodAutoscalerSpecArgs{
			ScaleTargetRef: &autoscalingv2.CrossVersionObjectReferenceArgs{
				ApiVersion: pulumi.String("apps/v1"), Kind: pulumi.String("Deployment"), Name: pulumi.String(b.args.Name),
			},
			MinReplicas: pulumi.Int(b.args.MinReplicas),
			MaxReplicas: pulumi.Int(b.args.MaxReplicas),
			Metrics: autoscalingv2.MetricSpecArray{&autoscalingv2.MetricSpecArgs{
				Type: pulumi.String("Resource"),
				Resource: &autoscalingv2.ResourceMetricSourceArgs{
					Name:   pulumi.String("cpu"),
					Target: &autoscalingv2.MetricTargetArgs{Type: pulumi.String("Utilization"), AverageUtilization: pulumi.Int(b.args.TargetCPUPercent)},
				},
			}},
			Behavior: &autoscalingv2.HorizontalPodAutoscalerBehaviorArgs{
				ScaleDown: &autoscalingv2.HPAScalingRulesArgs{StabilizationWindowSeconds: seconds(b.args.ScaleDownWindow)},
			},
		},
	}, b.opts()...)
	if err != nil {
		return nil, fmt.Errorf("autoscaler: %w", err)
	}
	return hpa, nil
}

// newDisruptionBudget lets a node be emptied one pod at a time; pods that do
// not work do not stand in the way of that.
func (b *builder) newDisruptionBudget() error {
	_, err := policyv1.NewPodDisruptionBudget(b.ctx, b.name, &policyv1.PodDisruptionBudgetArgs{
		Metadata: b.meta(b.args.Name),
		Spec: &policyv1.PodDisruptionBudgetSpecArgs{
			MaxUnavailable:             pulumi.Int(1),
			UnhealthyPodEvictionPolicy: pulumi.String("AlwaysAllow"),
			Selector:                   &metav1.LabelSelectorArgs{MatchLabels: b.selector()},
		},
	}, b.opts()...)
	if err != nil {
		return fmt.Errorf("disruption budget: %w", err)
	}
	return nil
}
