package dns

import (
	"net/netip"
	"slices"

	"github.com/kube-dns/kube-dns/pkg/treecache"
)

// A reverseKey is an address, of either family, as IPv6 has it.
type reverseKey [16]byte

// claimants are the Services that may claim an address. They are immutable.
type claimants struct {
	// owner is the name of the one claimant, when that has the address as its
	// ClusterIP: most often it is all that there is to know.
	owner  string
	first  *treecache.Node[service]
	others *[]*treecache.Node[service] // nil: none
}

func claimantsOf(nodes []*treecache.Node[service]) claimants {
	c := claimants{first: nodes[0]}
	if others := nodes[1:]; len(others) > 0 {
		c.others = &others
	} else if s := c.first.Value(); s != nil && !s.headless {
		c.owner = s.owner
	}
	return c
}

func (c claimants) all() []*treecache.Node[service] {
	switch {
	case c.first == nil:
		return nil
	case c.others == nil:
		return []*treecache.Node[service]{c.first}
	}
	return append([]*treecache.Node[service]{c.first}, *c.others...)
}

// claimants returns who may claim an address.
func (z *Zone) claimants(addr netip.Addr) claimants {
	if held := z.reverse.Get(addr.As16()); held != nil {
		return *held
	}
	return claimants{}
}

// claim and unclaim keep the reverse index, after the node got its value.
func (z *Zone) claim(node *treecache.Node[service], addrs []netip.Addr) {
	for _, addr := range addrs {
		nodes := z.claimants(addr).all()
		if len(nodes) == 0 {
			z.prefixes.add(addr)
		}
		if !slices.Contains(nodes, node) {
			nodes = append(nodes, node)
		}
		z.reverse.Put(addr.As16(), claimantsOf(nodes))
	}
}

func (z *Zone) unclaim(node *treecache.Node[service], addrs []netip.Addr) {
	for _, addr := range addrs {
		held := z.claimants(addr).all()
		if len(held) == 0 {
			continue
		}
		nodes := slices.DeleteFunc(held, func(n *treecache.Node[service]) bool { return n == node })
		if len(nodes) == 0 {
			z.reverse.Delete(addr.As16())
			z.prefixes.remove(addr)
		} else {
			z.reverse.Put(addr.As16(), claimantsOf(nodes))
		}
	}
}

// without returns the addresses of a, sorted, that are not in b, sorted.
func without(a, b []netip.Addr) []netip.Addr {
	var out []netip.Addr
	for _, addr := range a {
		if _, found := slices.BinarySearchFunc(b, addr, netip.Addr.Compare); !found {
			out = append(out, addr)
		}
	}
	return out
}
