package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// routeProtocol marks the routes that are ours among the node's: a number
// that nothing in rtnetlink(7) or iproute2's rt_protos has.
const routeProtocol netlink.RouteProtocol = 82

// Links is the kernel's side of the pod network.
type Links struct {
	subnet netip.Prefix // all pods of the cluster
}

// NewLinks reads the range of all pods.
func NewLinks(subnet string) (*Links, error) {
	p, err := netip.ParsePrefix(subnet)
	if err != nil || !p.Addr().Is4() {
		return nil, fmt.Errorf("POD_SUBNET %q is not an IPv4 range such as 10.244.0.0/16", subnet)
	}
	return &Links{subnet: p.Masked()}, nil
}

// Apply makes the kernel's routes the plan's and returns how many changed.
func (l *Links) Apply(plan NetworkPlan) (int, error) {
	if err := l.masquerade(); err != nil {
		return 0, fmt.Errorf("address translation: %w", err)
	}
	has, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Protocol: routeProtocol}, netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return 0, fmt.Errorf("listing routes: %w", err)
	}
	missing := map[Route]bool{}
	for _, r := range plan.Routes {
		missing[r] = true
	}
	changed := 0
	for _, r := range has {
		known, ok := readRoute(r)
		if ok && missing[known] {
			delete(missing, known)
			continue
		}
		if err := netlink.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
			return changed, fmt.Errorf("removing the route %s: %w", r, err)
		}
		changed++
	}
	for r := range missing {
		route := netlink.Route{
			Dst:      &net.IPNet{IP: r.To.Addr().AsSlice(), Mask: net.CIDRMask(r.To.Bits(), 32)},
			Gw:       r.Via.AsSlice(),
			Protocol: routeProtocol,
		}
		if err := netlink.RouteReplace(&route); err != nil {
			return changed, fmt.Errorf("route to %s through %s: %w", r.To, r.Via, err)
		}
		changed++
	}
	return changed, nil
}

func readRoute(r netlink.Route) (Route, bool) {
	if r.Dst == nil {
		return Route{}, false
	}
	to, ok := netip.AddrFromSlice(r.Dst.IP.To4())
	via, ok2 := netip.AddrFromSlice(r.Gw.To4())
	bits, _ := r.Dst.Mask.Size()
	return Route{To: netip.PrefixFrom(to, bits), Via: via}, ok && ok2
}

// masquerade gives packets from pods to anything that is no pod the node's
// address: nothing outside the cluster knows a way back to a pod.
func (l *Links) masquerade() error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	table := &nftables.Table{Name: "podnet", Family: nftables.TableFamilyIPv4}
	// Added so that the delete finds one, then made new: one transaction.
	c.AddTable(table)
	c.DelTable(table)
	c.AddTable(table)
	chain := c.AddChain(&nftables.Chain{
		Name: "postrouting", Table: table, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource,
	})
	const sourceOffset, destinationOffset = 12, 16 // RFC 791, 3.1
	c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: append(append(
		l.addressIn(sourceOffset, expr.CmpOpEq), l.addressIn(destinationOffset, expr.CmpOpNeq)...),
		&expr.Masq{},
	)})
	return c.Flush()
}

// addressIn compares the address at an offset of the IPv4 header with the
// range of all pods.
func (l *Links) addressIn(offset uint32, op expr.CmpOp) []expr.Any {
	base := l.subnet.Addr().As4()
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: 4},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: net.CIDRMask(l.subnet.Bits(), 32), Xor: binaryutil.NativeEndian.PutUint32(0)},
		&expr.Cmp{Op: op, Register: 1, Data: base[:]},
	}
}
