package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// ErrNoRange says that the node has been given no pod addresses yet.
var ErrNoRange = errors.New("the node has no podCIDR yet")

// Route leads to a range of pods through the node that has them.
type Route struct {
	To  netip.Prefix
	Via netip.Addr
}

// NetworkPlan is what one node needs.
type NetworkPlan struct {
	Own    netip.Prefix // the node's own pod addresses
	Routes []Route      // to the other nodes', in order of To
}

// Plan says what the node named self needs. Nodes without a range or an
// address are left out: they come again when they have both.
func Plan(self string, nodes []Node) (NetworkPlan, error) {
	var plan NetworkPlan
	seen := map[netip.Prefix]string{}
	for _, n := range nodes {
		if !n.Range.IsValid() {
			continue
		}
		if other, twice := seen[n.Range]; twice {
			return plan, fmt.Errorf("nodes %s and %s have the same podCIDR %s", other, n.Name, n.Range)
		}
		seen[n.Range] = n.Name
		switch {
		case n.Name == self:
			plan.Own = n.Range
		case n.Address.IsValid():
			plan.Routes = append(plan.Routes, Route{To: n.Range, Via: n.Address})
		}
	}
	if !plan.Own.IsValid() {
		return plan, ErrNoRange
	}
	slices.SortFunc(plan.Routes, func(a, b Route) int { return a.To.Addr().Compare(b.To.Addr()) })
	return plan, nil
}
