package dns

import (
	"math/rand/v2"
	"net/netip"
	"strings"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// records returns the records of one type at a name at or below the Service. rest holds the labels
// to the left of it, "" for the Service itself. n is the number of distinct records; at most limit
// are returned. exists reports whether the name, or a name below it, has records of any type.
func (s *service) records(rest string, rrtype uint16, limit int) (rs []backend.Record, n int, exists bool) {
	if s.external {
		// Compat: no name exists below an ExternalName, not even "*".
		if rest != "" {
			return nil, 0, false
		}
		rs = s.externalRecords(rrtype)
		return rs, len(rs), true
	}
	switch name := belowOf(rest); name.kind {
	case self:
		if rrtype == backend.TypeSRV {
			rs, n = s.srvRecords(noPort, limit)
		} else {
			rs, n = rawRecords(s.addrs.family(rrtype), rrtype, limit)
		}
		return rs, n, true
	case hostName:
		return s.hostRecords(name.host, rrtype, limit)
	case protocol:
		return nil, 0, hasProtocol(s.ports(), name.protocol)
	case portName, hostOfPort:
		return s.portRecords(name, rrtype, limit)
	}
	return nil, 0, false
}

// externalRecords returns the records of an ExternalName Service.
func (s *service) externalRecords(rrtype uint16) []backend.Record {
	switch {
	case s.extra.alias != "":
		return []backend.Record{{Type: backend.TypeCNAME, TTL: ttl, Host: s.extra.alias}}
	case rrtype == backend.TypeSRV:
		return []backend.Record{{Type: backend.TypeSRV, TTL: ttl, Host: s.owner, Addrs: s.addrs.all()}}
	}
	rs, _ := rawRecords(s.addrs.family(rrtype), rrtype, 1)
	return rs
}

// rawRecords builds records from addresses of one family in network order.
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
	names := s.members()
	first, end := names.find(label)
	switch {
	case first == end:
		return nil, 0, false
	case rrtype == backend.TypeSRV:
		var t backend.Target
		s.NextTarget(noPort, first, limit, &t)
		return []backend.Record{srvRecord(&t)}, 1, true
	case rrtype != backend.TypeA && rrtype != backend.TypeAAAA:
		return nil, 0, true
	}
	var raw strings.Builder
	for i := first; i < end; i++ {
		if i > first && names.all[i].addr == names.all[i-1].addr {
			continue
		}
		if at := s.addrs.raw(int(names.all[i].addr)); (len(at) == 4) == (rrtype == backend.TypeA) {
			raw.WriteString(at)
		}
	}
	rs, n := rawRecords(raw.String(), rrtype, limit)
	return rs, n, true
}

// portRecords returns the records of a port, for one host or for all.
func (s *service) portRecords(name below, rrtype uint16, limit int) ([]backend.Record, int, bool) {
	port := portIndex(s.ports(), name.port, name.protocol)
	switch {
	case port < 0:
		return nil, 0, false
	case name.kind == portName && rrtype != backend.TypeSRV:
		return nil, 0, true
	case name.kind == portName:
		rs, n := s.srvRecords(port, limit)
		return rs, n, true
	case !s.headless: // a ClusterIP is one target: the Service
		return nil, 0, false
	}
	rs := s.hostTargets(port, name.host, max(1, limit))
	if len(rs) == 0 {
		return nil, 0, false
	}
	if rrtype != backend.TypeSRV {
		return nil, 0, true
	}
	return rs[:min(limit, len(rs))], len(rs), true
}

// podRecords answers for the names below pod.<zone>. labels is the part to the left of it. It
// checks neither the pod nor its namespace: the name is the address.
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
		return addrRecords(addr, rrtype), nil
	}
	return nil, backend.ErrNotFound
}

// addrRecords returns the record of an address if its family matches the type.
func addrRecords(addr netip.Addr, rrtype uint16) []backend.Record {
	if rrtype == backend.TypeA && addr.Is4() || rrtype == backend.TypeAAAA && addr.Is6() {
		return []backend.Record{{Type: rrtype, TTL: ttl, Addr: addr}}
	}
	return nil
}
