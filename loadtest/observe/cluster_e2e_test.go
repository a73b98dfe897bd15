//go:build e2e

package observe_test

import (
	"os"
	"testing"
	"time"

	"rollproof/loadtest/observe"
	"rollproof/loadtest/timeline"
)

// The project's own Deployment on the real cluster, only looked at. KUBECONFIG
// and, where they are not the defaults, ROLLPROOF_NAMESPACE and
// ROLLPROOF_DEPLOYMENT say where.
func TestTheRealDeployment(t *testing.T) {
	target := observe.Target{Namespace: "rollproof", Deployment: "prediction"}
	if v := os.Getenv("ROLLPROOF_NAMESPACE"); v != "" {
		target.Namespace = v
	}
	if v := os.Getenv("ROLLPROOF_DEPLOYMENT"); v != "" {
		target.Deployment = v
	}
	client, namespace, err := target.Client()
	if err != nil {
		t.Fatal(err)
	}
	o, err := observe.Start(t.Context(), client, namespace, target.Deployment)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.Stop)
	deadline := time.Now().Add(3 * time.Minute)
	var s timeline.State
	for s = o.State(); !s.AtMinimum() && time.Now().Before(deadline); s = o.State() {
		time.Sleep(time.Second)
	}
	if !s.AtMinimum() || s.HPA == nil || s.Newest == "" || s.Above() || len(s.ReadySince(time.Time{})) != int(s.HPA.Min) {
		t.Errorf("state: %+v", s)
	}
	tl := o.Timeline()
	if len(tl.Gaps) != 0 || len(tl.Scales) == 0 {
		t.Errorf("gaps %+v, scales %+v", tl.Gaps, tl.Scales)
	}
	for _, p := range tl.Pods {
		if p.Node == "" || p.IP == "" || p.ReplicaSet == "" || !p.AtStart {
			t.Errorf("pod %+v", p)
		}
	}
}
