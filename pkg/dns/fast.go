package dns

import (
	"net/netip"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// plain is records for the fast path. It covers the Service, its hosts and ports.
func (s *service) plain(rest string, qtype uint16) backend.Plain {
	switch {
	case s.external && rest != "":
		return backend.Plain{Kind: backend.PlainNotFound}
	case s.external:
		return backend.Plain{}
	}
	name := belowOf(rest)
	switch name.kind {
	case nothing:
		return backend.Plain{Kind: backend.PlainNotFound}
	case self:
		if qtype == backend.TypeSRV {
			return s.plainTargets(noPort)
		}
		return plainAddresses(s.addrs.family(qtype))
	case hostName:
		return s.plainHost(name.host, qtype)
	case portName:
		switch i := portIndex(s.ports(), name.port, name.protocol); {
		case i < 0:
			return backend.Plain{Kind: backend.PlainNotFound}
		case qtype == backend.TypeSRV:
			return s.plainTargets(i)
		}
		return backend.Plain{Kind: backend.PlainNoData}
	}
	return backend.Plain{}
}

// plainTargets returns the SRV records of a port.
func (s *service) plainTargets(port int) backend.Plain {
	if s.headless && (s.extra.odd || len(s.extra.portSets) > maxPortSets) {
		return backend.Plain{}
	}
	return backend.Plain{Kind: backend.PlainTargets, TTL: ttl, Targets: s, Port: port}
}

// plainHost returns the address of a name one label below the Service, if it has only one.
func (s *service) plainHost(label string, qtype uint16) backend.Plain {
	names := s.members()
	first, end := names.find(label)
	switch {
	case first == end:
		return backend.Plain{Kind: backend.PlainNotFound}
	case qtype == backend.TypeSRV || end-first > 1:
		return backend.Plain{}
	}
	addr := int(names.all[first].addr)
	if four := addr < int(s.addrs.fours); four && qtype != backend.TypeA || !four && qtype != backend.TypeAAAA {
		return backend.Plain{Kind: backend.PlainNoData}
	}
	return plainAddresses(s.addrs.raw(addr))
}

func plainAddresses(raw string) backend.Plain {
	if raw == "" {
		return backend.Plain{Kind: backend.PlainNoData}
	}
	return backend.Plain{Kind: backend.PlainAddresses, Addrs: raw, TTL: ttl}
}

// plain returns the name of an address that one Service claims with one name.
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
	label, ok := reverseLabel(s, addr)
	if !ok {
		return backend.Plain{}
	}
	return backend.Plain{Kind: backend.PlainName, TTL: ttl, Label: label, Host: s.owner}
}
