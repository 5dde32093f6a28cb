package dns

import (
	"hash/maphash"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/kube-dns/kube-dns/pkg/treecache"
)

// A reverseKey is an address of either family, in its IPv6 form.
type reverseKey [16]byte

// A reverseIndex holds the Services that may claim an address. Their names for it are read from
// their values. There is one writer; readers take no lock.
type reverseIndex struct {
	byAddr   *treecache.Map[reverseKey, claimants]
	prefixes prefixes // of the addresses
}

// claimants are the Services that may claim an address. They are immutable.
type claimants struct {
	// owner is the name of the only claimant, if the address is its ClusterIP. Most lookups need
	// only this.
	owner string
	nodes []*treecache.Node[service]
}

func newReverseIndex() *reverseIndex {
	seed := maphash.MakeSeed()
	hash := func(k reverseKey) uint64 { return maphash.Bytes(seed, k[:]) }
	return &reverseIndex{byAddr: treecache.NewMap[reverseKey, claimants](hash)}
}

// get returns the claimants of an address, or nil.
func (x *reverseIndex) get(addr netip.Addr) *claimants { return x.byAddr.Get(addr.As16()) }

func (x *reverseIndex) nodes(addr netip.Addr) []*treecache.Node[service] {
	if c := x.get(addr); c != nil {
		return c.nodes
	}
	return nil
}

func (x *reverseIndex) put(addr netip.Addr, nodes []*treecache.Node[service]) {
	c := claimants{nodes: nodes}
	if len(nodes) == 1 {
		if s := nodes[0].Value(); s != nil && !s.headless {
			c.owner = s.owner
		}
	}
	x.byAddr.Put(addr.As16(), c)
}

// claim adds a node, whose value is set, to the claimants of addresses.
func (x *reverseIndex) claim(node *treecache.Node[service], addrs []netip.Addr) {
	for _, addr := range addrs {
		nodes := x.nodes(addr)
		if len(nodes) == 0 {
			x.prefixes.add(addr)
		}
		if !slices.Contains(nodes, node) {
			nodes = append(slices.Clip(nodes), node)
		}
		x.put(addr, nodes)
	}
}

// unclaim removes a node from the claimants of addresses.
func (x *reverseIndex) unclaim(node *treecache.Node[service], addrs []netip.Addr) {
	for _, addr := range addrs {
		held := x.nodes(addr)
		if len(held) == 0 {
			continue
		}
		nodes := slices.DeleteFunc(slices.Clone(held), func(n *treecache.Node[service]) bool { return n == node })
		if len(nodes) == 0 {
			x.byAddr.Delete(addr.As16())
			x.prefixes.remove(addr)
		} else {
			x.put(addr, nodes)
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

// namesAddrs reports whether an address of a Service can have a reverse name.
func namesAddrs(s *service) bool { return !s.external && (!s.headless || s.extra.named) }

// reverseNames returns the names of a Service for one of its addresses, or limit random names.
// Compat: an endpoint without hostname has no reverse name.
func reverseNames(s *service, addr netip.Addr, limit int) []string {
	i := s.addrs.index(addr)
	switch {
	case i < 0 || limit == 0 || !namesAddrs(s):
		return nil
	case !s.headless:
		return []string{s.owner}
	}
	var names []string
	l := s.members()
	first := rand.IntN(len(l.all))
	for n := range l.all {
		at := (first + n) % len(l.all)
		m := l.all[at]
		if m.host == 0 || int(m.addr) != i || at > 0 && l.all[at-1].host == m.host && l.all[at-1].addr == m.addr {
			continue // the previous member has the same name, with other ports
		}
		if len(names) == limit {
			break
		}
		names = append(names, l.hostnames[m.host-1]+"."+s.owner)
	}
	return names
}

// reverseLabel is reverseNames for an address with only one name. It returns the label to the left
// of the owner, "" for the owner itself. It does not allocate.
func reverseLabel(s *service, addr netip.Addr) (string, bool) {
	i := s.addrs.index(addr)
	switch {
	case i < 0 || !namesAddrs(s):
		return "", false
	case !s.headless:
		return "", true
	}
	var host uint32
	l := s.members()
	for _, m := range l.all {
		if m.host == 0 || int(m.addr) != i || m.host == host {
			continue
		}
		if host != 0 {
			return "", false
		}
		host = m.host
	}
	if host == 0 || s.extra.odd {
		return "", false
	}
	return l.hostnames[host-1], true
}

// claimsOf returns the addresses that have reverse names, sorted.
func claimsOf(s *service) []netip.Addr {
	switch {
	case s == nil || !namesAddrs(s):
		return nil
	case !s.headless:
		return s.addrs.all()
	}
	var named []uint32
	for _, m := range s.members().all {
		if m.host != 0 {
			named = append(named, m.addr)
		}
	}
	slices.Sort(named)
	named = slices.Compact(named)
	list := make([]netip.Addr, len(named))
	for i, at := range named {
		list[i] = s.addrs.at(int(at))
	}
	return list
}
