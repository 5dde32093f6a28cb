package dns

import (
	"net/netip"
	"strings"

	"github.com/kube-dns/kube-dns/pkg/skydns"
)

// Plain implements skydns.PlainBackend for the names that are asked for most:
// of Services, their hosts and ports, and of what does not exist. It says
// nothing while the data is old, since such answers need marks.
func (z *Zone) Plain(name string, qtype uint16) skydns.Plain {
	if !z.synced.Load() {
		return skydns.Plain{}
	}
	rest, ok := strings.CutSuffix(name, z.domain)
	if !ok || len(rest) < 2 {
		return skydns.Plain{}
	}
	rest = rest[:len(rest)-1]
	switch {
	case rest == "svc" || rest == "dns" || rest == "pod" || rest == "ns.dns" || rest == "dns-version" || strings.HasSuffix(rest, ".pod"):
		return skydns.Plain{} // Records knows
	case z.maybeFederated(rest):
		return skydns.Plain{}
	}
	n, rest := z.tree.Lookup(name)
	s := n.Value()
	switch {
	case s != nil:
		return s.plain(rest, qtype)
	case rest == "":
		return skydns.Plain{Kind: skydns.PlainNoData}
	}
	return skydns.Plain{Kind: skydns.PlainNotFound}
}

// maybeFederated says whether a name could be one of a federation, by its
// shape alone.
func (z *Zone) maybeFederated(name string) bool {
	federations := z.federations.Load()
	return federations != nil && len(*federations) > 0 && strings.Count(name, ".") == 3
}

func (s *service) plain(rest string, qtype uint16) skydns.Plain {
	if s.alias != "" || len(s.hosts) == 0 {
		if rest != "" {
			return skydns.Plain{Kind: skydns.PlainNotFound}
		}
		return skydns.Plain{}
	}
	if rest == "" {
		if qtype == skydns.TypeSRV {
			return skydns.Plain{Kind: skydns.PlainPacked, Slot: &s.slots[0]}
		}
		return plainAddresses(s.addrs, s.six, qtype)
	}
	if rest[0] != '_' {
		i := s.hostIndex(rest)
		switch {
		case i >= 0 && qtype == skydns.TypeSRV, strings.Contains(rest, "."):
			return skydns.Plain{}
		case i < 0:
			return skydns.Plain{Kind: skydns.PlainNotFound}
		}
		addrs := s.hosts[i].addrs
		return plainAddresses(addrs, firstSix(addrs), qtype)
	}
	name, protocol, ok := strings.Cut(rest, ".")
	if !ok || strings.Contains(protocol, ".") {
		return skydns.Plain{}
	}
	i := s.portIndex(name, protocol)
	switch {
	case i < 0:
		return skydns.Plain{Kind: skydns.PlainNotFound}
	case qtype == skydns.TypeSRV:
		return skydns.Plain{Kind: skydns.PlainPacked, Slot: &s.slots[1+i]}
	}
	return skydns.Plain{Kind: skydns.PlainNoData}
}

func plainAddresses(addrs []netip.Addr, six int, qtype uint16) skydns.Plain {
	switch qtype {
	case skydns.TypeA:
		addrs = addrs[:six]
	case skydns.TypeAAAA:
		addrs = addrs[six:]
	default:
		addrs = nil
	}
	if len(addrs) == 0 {
		return skydns.Plain{Kind: skydns.PlainNoData}
	}
	return skydns.Plain{Kind: skydns.PlainAddresses, Addrs: addrs, TTL: ttl}
}

// PlainReverse implements skydns.PlainBackend for addresses that one Service
// claims with one name.
func (z *Zone) PlainReverse(addr netip.Addr) (label, name string, seconds uint32, ok bool) {
	if !z.synced.Load() {
		return "", "", 0, false
	}
	nodes := z.reverse.Get(addr)
	if nodes == nil || len(*nodes) != 1 {
		return "", "", 0, false
	}
	s := (*nodes)[0].Value()
	if s == nil {
		return "", "", 0, false
	}
	label, ok = s.reverseLabel(addr)
	return label, s.owner, ttl, ok
}
