package dns

import (
	"net/netip"
	"strings"

	"github.com/kube-dns/kube-dns/pkg/skydns"
)

// PlainRecords implements skydns.PlainBackend for the names that are asked for
// most: of Services, their hosts and ports, and of what does not exist. It has
// no answer while the data is old, since such answers need marks.
func (z *Zone) PlainRecords(name string, qtype uint16) skydns.Plain {
	if !z.synced.Load() || !z.isPlain(name) {
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

// PlainReverse implements skydns.PlainBackend for addresses that one Service
// claims with one name.
func (z *Zone) PlainReverse(addr netip.Addr) skydns.Plain {
	if !z.synced.Load() {
		return skydns.Plain{}
	}
	if c := z.reverse.Get(addr.As16()); c != nil {
		return c.plain(addr)
	}
	return skydns.Plain{}
}

// isPlain says whether a name is one of the zone for which the tree of Services
// says all there is to know.
func (z *Zone) isPlain(name string) bool {
	rest, ok := strings.CutSuffix(name, z.domain)
	if !ok || len(rest) < 2 {
		return false
	}
	switch rest = rest[:len(rest)-1]; rest {
	case "svc", "dns", "pod", "ns.dns", "dns-version":
		return false // Records knows
	}
	return !strings.HasSuffix(rest, ".pod") && !z.maybeFederated(rest)
}

// maybeFederated says whether a name could be one of a federation, by its
// shape alone.
func (z *Zone) maybeFederated(name string) bool {
	federations := z.federations.Load()
	return federations != nil && len(*federations) > 0 && strings.Count(name, ".") == 3
}

func (s *service) plain(rest string, qtype uint16) skydns.Plain {
	switch {
	case s.external && rest != "":
		return skydns.Plain{Kind: skydns.PlainNotFound}
	case s.external:
		return skydns.Plain{}
	case rest == "" && qtype == skydns.TypeSRV:
		return s.plainTargets(noPort)
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
		return s.plainTargets(i)
	}
	return skydns.Plain{Kind: skydns.PlainNoData}
}

// plainTargets answers an SRV question.
func (s *service) plainTargets(port int) skydns.Plain {
	if s.headless && (s.rare.odd || len(s.rare.portSets) > fewPortSets) {
		return skydns.Plain{}
	}
	return skydns.Plain{Kind: skydns.PlainTargets, TTL: ttl, Targets: s, Port: port}
}

// plainHost answers for a name one label below the Service, when it has one
// address.
func (s *service) plainHost(label string, qtype uint16) skydns.Plain {
	if strings.Contains(label, ".") {
		return skydns.Plain{}
	}
	first, end := s.hostRange(label)
	switch {
	case first == end:
		return skydns.Plain{Kind: skydns.PlainNotFound}
	case qtype == skydns.TypeSRV || end-first > 1:
		return skydns.Plain{}
	}
	addr := int(s.members()[first].addr)
	if four := addr < int(s.fours); four && qtype != skydns.TypeA || !four && qtype != skydns.TypeAAAA {
		return skydns.Plain{Kind: skydns.PlainNoData}
	}
	return plainAddresses(s.rawAddr(addr))
}

func plainAddresses(raw string) skydns.Plain {
	if raw == "" {
		return skydns.Plain{Kind: skydns.PlainNoData}
	}
	return skydns.Plain{Kind: skydns.PlainAddresses, Addrs: raw, TTL: ttl}
}

// plain answers for an address.
func (c *claimants) plain(addr netip.Addr) skydns.Plain {
	switch {
	case c.owner != "":
		return skydns.Plain{Kind: skydns.PlainName, TTL: ttl, Host: c.owner}
	case c.others != nil:
		return skydns.Plain{}
	}
	s := c.first.Value()
	if s == nil {
		return skydns.Plain{}
	}
	label, ok := s.reverseLabel(addr)
	if !ok {
		return skydns.Plain{}
	}
	return skydns.Plain{Kind: skydns.PlainName, TTL: ttl, Label: label, Host: s.owner}
}
