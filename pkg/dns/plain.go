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
	switch {
	case len(s.members) == 0 && rest != "":
		return skydns.Plain{Kind: skydns.PlainNotFound}
	case len(s.members) == 0:
		return skydns.Plain{}
	case rest == "" && qtype == skydns.TypeSRV:
		return skydns.Plain{Kind: skydns.PlainPacked, Slot: s.slot(-1)}
	case rest == "":
		return plainAddresses(s.raw(qtype))
	case rest[0] != '_':
		return s.plainHost(rest, qtype)
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
		return skydns.Plain{Kind: skydns.PlainPacked, Slot: s.slot(i)}
	}
	return skydns.Plain{Kind: skydns.PlainNoData}
}

// plainHost answers for a name one label below the Service, when it has one
// address.
func (s *service) plainHost(label string, qtype uint16) skydns.Plain {
	if strings.Contains(label, ".") {
		return skydns.Plain{}
	}
	members := s.host(label)
	switch {
	case len(members) == 0:
		return skydns.Plain{Kind: skydns.PlainNotFound}
	case qtype == skydns.TypeSRV || len(members) > 1:
		return skydns.Plain{}
	}
	addr := int(members[0].addr)
	if four := addr < s.fours; four && qtype != skydns.TypeA || !four && qtype != skydns.TypeAAAA {
		return skydns.Plain{Kind: skydns.PlainNoData}
	}
	return plainAddresses(s.rawAddr(addr))
}

func plainAddresses(raw []byte) skydns.Plain {
	if len(raw) == 0 {
		return skydns.Plain{Kind: skydns.PlainNoData}
	}
	return skydns.Plain{Kind: skydns.PlainAddresses, Addrs: raw, TTL: ttl}
}

// PlainReverse implements skydns.PlainBackend for addresses that one Service
// claims with one name.
func (z *Zone) PlainReverse(addr netip.Addr) (label, name string, seconds uint32, ok bool) {
	if !z.synced.Load() {
		return "", "", 0, false
	}
	n := z.claimant(addr)
	if n == nil || z.shared.Get(addr) != nil {
		return "", "", 0, false
	}
	s := n.Value()
	if s == nil {
		return "", "", 0, false
	}
	label, ok = s.reverseLabel(addr)
	return label, s.owner, ttl, ok
}
