package dns

import (
	"net/netip"
	"strings"

	"github.com/kube-dns/kube-dns/pkg/skydns"
)

// records returns the records of one type at a name at or below the Service:
// rest are the labels to the left of it, "" for the Service itself. n is the
// number of distinct records there, of which at most limit are returned;
// exists says whether there is anything at the name, of any type, or below.
//
// The names below a Service, where <port> and <proto> begin with "_":
//
//	<host>                    one ClusterIP, or the endpoints of that name
//	<port>.<proto>            a named port
//	<host>.<port>.<proto>     a named port of one endpoint (headless)
//	<proto>                   nothing, but it has names below
//
// A "*" in the leftmost place means the name to the right of it, where that is
// the Service or a port.
func (s *service) records(rest string, rrtype uint16, limit int) (rs []skydns.Record, n int, exists bool) {
	if s.external {
		// Compat: nothing exists below an ExternalName, not even "*".
		if rest != "" {
			return nil, 0, false
		}
		rs = s.externalRecords(rrtype)
		return rs, len(rs), true
	}
	switch labels := strings.Count(rest, ".") + 1; {
	case rest == "" || rest == "*":
		rs, n = s.all(rrtype, limit)
		return rs, n, true
	case labels == 1 && rest[0] == '_':
		return nil, 0, s.hasProtocol(rest)
	case labels == 1:
		return s.hostRecords(rest, rrtype)
	case labels == 2:
		return s.portRecords("", rest, rrtype, limit)
	case labels == 3:
		first, place := cutFirst(rest)
		return s.portRecords(first, place, rrtype, limit)
	}
	return nil, 0, false
}

// externalRecords answers for an ExternalName Service.
func (s *service) externalRecords(rrtype uint16) []skydns.Record {
	switch {
	case s.rare.alias != "":
		return []skydns.Record{{Type: skydns.TypeCNAME, TTL: ttl, Host: s.rare.alias}}
	case rrtype == skydns.TypeSRV:
		return []skydns.Record{{Type: skydns.TypeSRV, TTL: ttl, Host: s.owner, Addrs: s.allAddrs()}}
	default:
		return addressRecords(s.allAddrs(), rrtype)
	}
}

// all answers for the Service itself: its addresses, or as SRV its hosts
// without a port.
func (s *service) all(rrtype uint16, limit int) ([]skydns.Record, int) {
	if rrtype != skydns.TypeSRV {
		rs := addressRecords(s.allAddrs(), rrtype)
		return rs, len(rs)
	}
	var rs []skydns.Record
	n := 0
	for members := range s.hosts {
		if n++; len(rs) < limit {
			rs = append(rs, s.srv(members, 0))
		}
	}
	return rs, n
}

func (s *service) hostRecords(label string, rrtype uint16) ([]skydns.Record, int, bool) {
	members := s.host(label)
	if len(members) == 0 {
		return nil, 0, false
	}
	if rrtype == skydns.TypeSRV {
		return []skydns.Record{s.srv(members, 0)}, 1, true
	}
	rs := addressRecords(s.addrsOf(members), rrtype)
	return rs, len(rs), true
}

// portRecords answers for _name._protocol, the place, and with a host in front
// of it: a label of hosts, or "*" for any.
func (s *service) portRecords(label, place string, rrtype uint16, limit int) ([]skydns.Record, int, bool) {
	i := s.portIndex(cutFirst(place))
	if i < 0 {
		return nil, 0, false
	}
	one := label != "" && label != "*"
	if !s.headless {
		// A ClusterIP is one target: the Service.
		if one {
			return nil, 0, false
		}
		if rrtype != skydns.TypeSRV {
			return nil, 0, true
		}
		if limit == 0 {
			return nil, 1, true
		}
		return []skydns.Record{{Type: skydns.TypeSRV, TTL: ttl, Host: s.owner, Port: s.ports[i].Number, Addrs: s.allAddrs()}}, 1, true
	}
	var members []member
	if one {
		members = s.host(label)
	} else {
		members = s.members()
	}
	targets := s.targets(s.ports[i], members)
	if len(targets) == 0 {
		return nil, 0, false
	}
	if rrtype != skydns.TypeSRV {
		return nil, 0, true
	}
	var rs []skydns.Record
	for _, t := range targets[:min(limit, len(targets))] {
		rs = append(rs, s.srv(s.sameName(t.member), t.number))
	}
	return rs, len(targets), true
}

// sameName returns all members with the name of m.
func (s *service) sameName(m member) []member { return s.host(s.label(m)) }

// srv points to the name of these members.
func (s *service) srv(members []member, port uint16) skydns.Record {
	return skydns.Record{
		Type: skydns.TypeSRV, TTL: ttl, Host: s.label(members[0]) + "." + s.owner, Port: port, Addrs: s.addrsOf(members),
	}
}

// podRecords answers for the names below pod.<zone>: labels is what stands to
// the left of it. Neither the pod nor its namespace is checked: the name is
// the address.
func podRecords(labels string, rrtype uint16) ([]skydns.Record, error) {
	switch strings.Count(labels, ".") {
	case 0: // pod.<zone> itself, and every namespace below it
		if labels == "*" {
			return nil, skydns.ErrNotFound
		}
		return nil, nil
	case 1:
		pod, namespace := cutFirst(labels)
		addr, ok := podAddr(pod)
		if !ok || namespace == "*" {
			return nil, skydns.ErrNotFound
		}
		return addressRecords([]netip.Addr{addr}, rrtype), nil
	}
	return nil, skydns.ErrNotFound
}
