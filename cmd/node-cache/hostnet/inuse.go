package hostnet

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
)

// inUse returns the other use of a link that we did not make, or "". A link that an administrator
// made for the addresses is not in use.
//
// Compat: the original uses any link of the name, and deletes it when it exits.
func (l *link) inUse(found netlink.Link) (string, error) {
	attrs := found.Attrs()
	if attrs.Alias == alias || attrs.Name != l.name {
		return "", nil
	}
	switch {
	case attrs.Name == "lo":
		return "it is the loopback link", nil
	case attrs.Name == "kube-ipvs0":
		return "kube-proxy has the addresses of Services there", nil
	case found.Type() == "veth" && attrs.NetNsID >= 0:
		return "it leads to another network namespace", nil
	case attrs.MasterIndex > 0:
		return "it belongs to a bridge or bond", nil
	}
	links, err := netlink.LinkList()
	if err != nil {
		return "", fmt.Errorf("list the links of the node: %w", err)
	}
	for _, other := range links {
		if other.Attrs().MasterIndex == attrs.Index {
			return "the link " + other.Attrs().Name + " belongs to it", nil
		}
	}
	present, err := netlink.AddrList(found, netlink.FAMILY_ALL)
	if err != nil {
		return "", fmt.Errorf("list the addresses of the link %s: %w", attrs.Name, err)
	}
	for _, a := range present {
		addr, _ := netip.AddrFromSlice(a.IP)
		if !isOwn(a) && !addr.IsLinkLocalUnicast() && !slices.Contains(l.addrs, addr.Unmap()) {
			return "it has the address " + a.IPNet.String(), nil
		}
	}
	return "", nil
}

// check refuses a link with another use.
func (l *link) check(found netlink.Link) error {
	reason, err := l.inUse(found)
	if err == nil && reason != "" {
		err = fmt.Errorf("the link is in use: %s; choose a name that no link has, such as nodelocaldns", reason)
	}
	if err != nil {
		return &Error{Kind: KindInterfaceCheck, Err: fmt.Errorf("-interfacename=%s: %w", l.name, err)}
	}
	return nil
}

// Check refuses a link of our name with another use. It changes nothing.
func (n *Network) Check() error {
	if n.link == nil {
		return nil
	}
	found, err := netlink.LinkByName(n.link.name)
	if err != nil {
		return nil //nolint:nilerr // it is made, which reports the error
	}
	return n.link.check(found)
}
