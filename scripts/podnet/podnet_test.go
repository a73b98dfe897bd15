package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

var (
	addr   = netip.MustParseAddr
	prefix = netip.MustParsePrefix
)

func TestPlan(t *testing.T) {
	t.Parallel()
	a := Node{Name: "a", Address: addr("172.18.0.2"), Range: prefix("10.244.0.0/24")}
	b := Node{Name: "b", Address: addr("172.18.0.3"), Range: prefix("10.244.1.0/24")}
	c := Node{Name: "c", Address: addr("172.18.0.4"), Range: prefix("10.244.2.0/24")}
	for name, tc := range map[string]struct {
		nodes []Node
		want  NetworkPlan
		err   bool
	}{
		"three nodes, in any order": {
			nodes: []Node{c, a, b},
			want:  NetworkPlan{Own: a.Range, Routes: []Route{{b.Range, b.Address}, {c.Range, c.Address}}},
		},
		"another node has no range yet":   {nodes: []Node{a, {Name: "b", Address: b.Address}}, want: NetworkPlan{Own: a.Range}},
		"another node has no address yet": {nodes: []Node{a, {Name: "b", Range: b.Range}}, want: NetworkPlan{Own: a.Range}},
		"this node has no range yet":      {nodes: []Node{{Name: "a"}, b}, err: true},
		"two nodes share a range":         {nodes: []Node{a, {Name: "b", Address: b.Address, Range: a.Range}}, err: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Plan("a", tc.nodes)
			if (err != nil) != tc.err {
				t.Fatalf("error %v, want one: %v", err, tc.err)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(tc.want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWriteConflist(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i, want := range []bool{true, false} {
		if got, err := WriteConflist(dir, prefix("10.244.3.0/24")); err != nil || got != want {
			t.Fatalf("write %d: changed %v, %v; want %v", i, got, err, want)
		}
	}
	raw, err := os.ReadFile(filepath.Join(dir, conflistName))
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Plugins []struct {
			Type string
			IPAM struct{ Ranges [][]struct{ Subnet string } }
		}
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	if list.Plugins[0].Type != "ptp" || list.Plugins[0].IPAM.Ranges[0][0].Subnet != "10.244.3.0/24" {
		t.Errorf("wrote %s", raw)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.new")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestNodesReportsChanges(t *testing.T) {
	t.Parallel()
	node := func(name, ip, cidr string) *corev1.Node {
		return &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec:       corev1.NodeSpec{PodCIDRs: []string{"fd00::/64", cidr}},
			Status:     corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: name}, {Type: corev1.NodeInternalIP, Address: ip}}},
		}
	}
	client := fake.NewClientset(node("a", "172.18.0.2", "10.244.0.0/24"))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	enough := errors.New("enough")
	added := false
	err := NewNodes(client, time.Hour).Each(ctx, func(nodes []Node) error {
		if !added {
			added = true
			_, err := client.CoreV1().Nodes().Create(ctx, node("b", "172.18.0.3", "10.244.1.0/24"), metav1.CreateOptions{})
			return err
		}
		for _, n := range nodes {
			if n == (Node{Name: "b", Address: addr("172.18.0.3"), Range: prefix("10.244.1.0/24")}) {
				return enough
			}
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Errorf("the second node was not reported: %v", err)
	}
	if ctx.Err() != nil {
		t.Error("the watch went on after its user was done")
	}
}

func TestNewLinksRefuses(t *testing.T) {
	t.Parallel()
	for _, subnet := range []string{"", "10.244.0.0", "fd00::/64"} {
		if _, err := NewLinks(subnet); err == nil {
			t.Errorf("no error for POD_SUBNET %q", subnet)
		}
	}
}
