package dns

import (
	"net/netip"
	"strings"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// PlainRecords implements backend.PlainBackend for the names that are asked for
// most: of Services, their hosts and ports, and of what does not exist. It has
// no answer while the data is old, since such answers need marks.
func (z *Zone) PlainRecords(name string, qtype uint16) backend.Plain {
	if !z.synced.Load() || !z.isPlain(name) {
		return backend.Plain{}
	}
	n, rest := z.tree.Lookup(name)
	s := n.Value()
	switch {
	case s != nil:
		return s.plain(rest, qtype)
	case rest == "":
		return backend.Plain{Kind: backend.PlainNoData}
	}
	return backend.Plain{Kind: backend.PlainNotFound}
}

// PlainReverse implements backend.PlainBackend for addresses that one Service
// claims with one name.
func (z *Zone) PlainReverse(addr netip.Addr) backend.Plain {
	if !z.synced.Load() {
		return backend.Plain{}
	}
	if c := z.reverse.get(addr); c != nil {
		return c.plain(addr)
	}
	return backend.Plain{}
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

func (s *service) plain(rest string, qtype uint16) backend.Plain {
	switch {
	case s.external && rest != "":
		return backend.Plain{Kind: backend.PlainNotFound}
	case s.external:
		return backend.Plain{}
	case rest == "" && qtype == backend.TypeSRV:
		return s.plainTargets(noPort)
	case rest == "":
		return plainAddresses(s.raw(qtype))
	case rest[0] != '_':
		return s.plainHost(rest, qtype)
	}
	name, protocol, ok := strings.Cut(rest, ".")
	if !ok || strings.Contains(protocol, ".") {
		return backend.Plain{}
	}
	i := s.portIndex(name, protocol)
	switch {
	case i < 0:
		return backend.Plain{Kind: backend.PlainNotFound}
	case qtype == backend.TypeSRV:
		return s.plainTargets(i)
	}
	return backend.Plain{Kind: backend.PlainNoData}
}

// plainTargets answers an SRV question.
func (s *service) plainTargets(port int) backend.Plain {
	if s.headless && (s.rare.odd || len(s.rare.portSets) > fewPortSets) {
		return backend.Plain{}
	}
	return backend.Plain{Kind: backend.PlainTargets, TTL: ttl, Targets: s, Port: port}
}

// plainHost answers for a name one label below the Service, when it has one
// address.
func (s *service) plainHost(label string, qtype uint16) backend.Plain {
	if strings.Contains(label, ".") {
		return backend.Plain{}
	}
	first, end := s.hostRange(label)
	switch {
	case first == end:
		return backend.Plain{Kind: backend.PlainNotFound}
	case qtype == backend.TypeSRV || end-first > 1:
		return backend.Plain{}
	}
	addr := int(s.members()[first].addr)
	if four := addr < int(s.fours); four && qtype != backend.TypeA || !four && qtype != backend.TypeAAAA {
		return backend.Plain{Kind: backend.PlainNoData}
	}
	return plainAddresses(s.rawAddr(addr))
}

func plainAddresses(raw string) backend.Plain {
	if raw == "" {
		return backend.Plain{Kind: backend.PlainNoData}
	}
	return backend.Plain{Kind: backend.PlainAddresses, Addrs: raw, TTL: ttl}
}

// plain answers for an address.
func (c *claimants) plain(addr netip.Addr) backend.Plain {
	switch {
	case c.owner != "":
		return backend.Plain{Kind: backend.PlainName, TTL: ttl, Host: c.owner}
	case len(c.nodes) > 1:
		return backend.Plain{}
	}
	s := c.nodes[0].Value()
	if s == nil {
		return backend.Plain{}
	}
	label, ok := s.reverseLabel(addr)
	if !ok {
		return backend.Plain{}
	}
	return backend.Plain{Kind: backend.PlainName, TTL: ttl, Label: label, Host: s.owner}
}
