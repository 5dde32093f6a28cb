package dns

import (
	"math/rand/v2"
	"net/netip"
	"strings"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
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
func (s *service) records(rest string, rrtype uint16, limit int) (rs []backend.Record, n int, exists bool) {
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
		return s.hostRecords(rest, rrtype, limit)
	case labels == 2:
		return s.portRecords("", rest, rrtype, limit)
	case labels == 3:
		first, place := cutFirst(rest)
		return s.portRecords(first, place, rrtype, limit)
	}
	return nil, 0, false
}

// externalRecords answers for an ExternalName Service.
func (s *service) externalRecords(rrtype uint16) []backend.Record {
	switch {
	case s.rare.alias != "":
		return []backend.Record{{Type: backend.TypeCNAME, TTL: ttl, Host: s.rare.alias}}
	case rrtype == backend.TypeSRV:
		return []backend.Record{{Type: backend.TypeSRV, TTL: ttl, Host: s.owner, Addrs: s.allAddrs()}}
	default:
		return addressRecords(s.allAddrs(), rrtype)
	}
}

// all answers for the Service itself: its addresses, or as SRV its hosts
// without a port.
func (s *service) all(rrtype uint16, limit int) ([]backend.Record, int) {
	if rrtype == backend.TypeSRV {
		return s.srvRecords(noPort, limit)
	}
	return rawRecords(s.raw(rrtype), rrtype, limit)
}

// rawRecords makes records of addresses of one family in network order.
func rawRecords(raw string, rrtype uint16, limit int) ([]backend.Record, int) {
	if raw == "" {
		return nil, 0
	}
	size := 4
	if rrtype == backend.TypeAAAA {
		size = 16
	}
	total, at := len(raw)/size, 0
	n := min(limit, total)
	if n < total {
		at = rand.IntN(total)
	}
	rs := make([]backend.Record, n)
	for i := range rs {
		from := (at + i) % total * size
		rs[i] = backend.Record{Type: rrtype, TTL: ttl, Addr: addrFrom(raw[from : from+size])}
	}
	return rs, total
}

func (s *service) hostRecords(label string, rrtype uint16, limit int) ([]backend.Record, int, bool) {
	first, end := s.hostRange(label)
	if first == end {
		return nil, 0, false
	}
	if rrtype == backend.TypeSRV {
		var t backend.Target
		s.NextTarget(noPort, first, limit, &t)
		return []backend.Record{s.srv(&t)}, 1, true
	}
	var raw strings.Builder
	for i, members := first, s.members(); i < end; i++ {
		if at := s.rawAddr(int(members[i].addr)); (len(at) == 4) == (rrtype == backend.TypeA) && (i == first || members[i].addr != members[i-1].addr) {
			raw.WriteString(at)
		}
	}
	if rrtype != backend.TypeA && rrtype != backend.TypeAAAA {
		return nil, 0, true
	}
	rs, n := rawRecords(raw.String(), rrtype, limit)
	return rs, n, true
}

// portRecords answers for _name._protocol, the place, and with a host in front
// of it: a label of hosts, or "*" for any.
func (s *service) portRecords(label, place string, rrtype uint16, limit int) ([]backend.Record, int, bool) {
	port := s.portIndex(cutFirst(place))
	if port < 0 {
		return nil, 0, false
	}
	if label == "" || label == "*" {
		if rrtype != backend.TypeSRV {
			return nil, 0, true
		}
		rs, n := s.srvRecords(port, limit)
		return rs, n, true
	}
	if !s.headless { // a ClusterIP is one target: the Service
		return nil, 0, false
	}
	rs := s.hostTargets(port, label, max(1, limit))
	if len(rs) == 0 {
		return nil, 0, false
	}
	if rrtype != backend.TypeSRV {
		return nil, 0, true
	}
	return rs[:min(limit, len(rs))], len(rs), true
}

// podRecords answers for the names below pod.<zone>: labels is what stands to
// the left of it. Neither the pod nor its namespace is checked: the name is
// the address.
func podRecords(labels string, rrtype uint16) ([]backend.Record, error) {
	switch strings.Count(labels, ".") {
	case 0: // pod.<zone> itself, and every namespace below it
		if labels == "*" {
			return nil, backend.ErrNotFound
		}
		return nil, nil
	case 1:
		pod, namespace := cutFirst(labels)
		addr, ok := podAddr(pod)
		if !ok || namespace == "*" {
			return nil, backend.ErrNotFound
		}
		return addressRecords([]netip.Addr{addr}, rrtype), nil
	}
	return nil, backend.ErrNotFound
}
