package dns

import (
	"net/netip"
	"strings"

	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/treecache"
)

// Plain implements skydns.PlainBackend for the names that are asked for most:
// of Services, their hosts and ports, of addresses that one Service claims with
// one name, and of what does not exist. It says nothing while the data is old,
// since such answers need marks.
//
// Questions are looked up some at a time: see treecache.Tree.LookupAll.
func (z *Zone) Plain(questions []skydns.PlainQuestion) {
	if !z.synced.Load() {
		for i := range questions {
			questions[i].Plain = skydns.Plain{}
		}
		return
	}
	for len(questions) > 0 {
		n := min(len(questions), sideBySide)
		z.plainNames(questions[:n])
		z.plainAddrs(questions[:n])
		questions = questions[n:]
	}
}

// sideBySide is how many questions are looked up together: more than memory can be
// asked for at a time is of no use.
const sideBySide = 8

// plainNames answers for names.
func (z *Zone) plainNames(questions []skydns.PlainQuestion) {
	var searches [sideBySide]treecache.Search[service]
	var asked [sideBySide]*skydns.PlainQuestion // what is searched for
	n := 0
	for i := range questions {
		if q := &questions[i]; z.isPlain(q.Name) {
			searches[n].Name, asked[n] = q.Name, q
			n++
		} else {
			q.Plain = skydns.Plain{}
		}
	}
	z.tree.LookupAll(searches[:n], serviceLabels)
	for i := range searches[:n] {
		if s := searches[i].Node.Value(); s != nil {
			s.touch()
		}
	}
	for i, q := range asked[:n] {
		q.Plain = plainAt(searches[i].Node, searches[i].Rest, q.Type)
	}
}

// plainAddrs answers for addresses.
func (z *Zone) plainAddrs(questions []skydns.PlainQuestion) {
	var probes [sideBySide]treecache.Probe[reverseKey, claimants]
	var asked [sideBySide]*skydns.PlainQuestion
	n := 0
	for i := range questions {
		if q := &questions[i]; q.Addr.IsValid() {
			probes[n], asked[n] = z.reverse.Probe(q.Addr.As16()), q
			n++
		}
	}
	for i := range probes[:n] {
		probes[i].Fetch()
	}
	for i, q := range asked[:n] {
		if c := probes[i].Value(); c != nil {
			q.Plain = c.plain(q.Addr)
		}
	}
}

// serviceLabels is how many labels the name of a Service has below the apex.
const serviceLabels = 3

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

// plainAt answers for a name that has a node, or is below the one that it is
// nearest to.
func plainAt(n *treecache.Node[service], rest string, qtype uint16) skydns.Plain {
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
	case s.external && rest != "":
		return skydns.Plain{Kind: skydns.PlainNotFound}
	case s.external:
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
