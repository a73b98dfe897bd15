package observe_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"

	"rollproof/loadtest/goldentest"
	"rollproof/loadtest/observe"
	"rollproof/loadtest/timeline"
)

func rights() observe.Rights {
	return observe.Rights{
		Namespace: namespace, Name: "loadtest", Nodes: true,
		Subject: rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Name: "loadtest", Namespace: namespace},
	}
}

// What is printed is what the API machinery reads from it, and nothing in it is
// unknown to it.
func TestRightsAreReadByTheAPI(t *testing.T) {
	t.Parallel()
	text, err := rights().YAML()
	must(t, err)
	goldentest.Same(t, "rights.yaml", text)
	decoder := scheme.Codecs.UniversalDeserializer()
	var got []runtime.Object
	for _, document := range bytes.Split(text, []byte("---\n")) {
		object, _, err := decoder.Decode(document, nil, nil)
		if err != nil {
			t.Fatalf("%v in:\n%s", err, document)
		}
		got = append(got, object)
	}
	if diff := cmp.Diff(rights().Objects(), got); diff != "" {
		t.Error(diff)
	}
	if without := (observe.Rights{Namespace: namespace}).Objects(); len(without) != 2 {
		t.Errorf("%d objects without nodes, want a Role and a RoleBinding", len(without))
	}
}

// allows tells whether one of the rules has the verb on the resource.
func allows(rules []rbacv1.PolicyRule, a clienttesting.Action) bool {
	return slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool {
		return slices.Contains(r.Verbs, a.GetVerb()) && slices.Contains(r.Resources, a.GetResource().Resource) &&
			slices.Contains(r.APIGroups, a.GetResource().Group)
	})
}

// The Role is enough for all that an observer asks for, and nodes that it may
// not see are no gap and no error.
func TestTheRoleIsEnough(t *testing.T) {
	t.Parallel()
	objects := rights().Objects()
	role, ok := objects[0].(*rbacv1.Role)
	if !ok {
		t.Fatalf("the first object is a %T", objects[0])
	}
	client := fake.NewClientset(deployment(1, 1, 1, 1), replicaSet("web-a", "a", "1"), pod("web-a-1", "a", true))
	refused := map[string]bool{}
	client.PrependReactor("*", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		if a.GetNamespace() == namespace && allows(role.Rules, a) {
			return false, nil, nil
		}
		refused[a.GetVerb()+" "+a.GetResource().Resource] = true
		return true, nil, apierrors.NewForbidden(a.GetResource().GroupResource(), "", nil)
	})
	o := startObserver(t, client)
	if s := o.State(); !s.AtMinimum() {
		t.Errorf("state: %+v", s)
	}
	o.Stop()
	if diff := cmp.Diff(map[string]bool{"list nodes": true}, refused); diff != "" {
		t.Error(diff)
	}
	watched := 0
	for _, a := range client.Actions() { // the reactor above sees no watches
		if a.GetVerb() == "watch" {
			watched++
		}
		if !allows(role.Rules, a) && a.GetResource().Resource != "nodes" {
			t.Errorf("%s %s is not in the Role", a.GetVerb(), a.GetResource().Resource)
		}
	}
	if watched < 6 {
		t.Errorf("%d watches, want one of each kind", watched)
	}
	tl := o.Timeline()
	if len(tl.Gaps) != 0 || len(tl.Nodes) != 0 {
		t.Errorf("gaps %+v, nodes %+v", tl.Gaps, tl.Nodes)
	}
	if !slices.ContainsFunc(tl.Events, func(e timeline.Event) bool { return e.What == "nodes" }) {
		t.Error("the timeline does not say that nodes were not watched")
	}
}

func TestNodesAreSeenWhereTheyMayBe(t *testing.T) {
	t.Parallel()
	node := &corev1.Node{Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}}
	node.Name = "node"
	client := fake.NewClientset(deployment(1, 1, 1, 1), replicaSet("web-a", "a", "1"), pod("web-a-1", "a", true), node)
	o := startObserver(t, client)
	changed := node.DeepCopy()
	changed.Status.Conditions[0].Status = corev1.ConditionUnknown
	_, err := client.CoreV1().Nodes().Update(t.Context(), changed, updateOptions)
	must(t, err)
	eventually(t, o, "the node's two states", func(timeline.State) bool { return len(o.Timeline().Nodes) == 2 })
	if n := o.Timeline().Nodes; !n[0].Ready || n[1].Ready {
		t.Errorf("nodes: %+v", n)
	}
}
