package dns

import (
	"net/netip"
	"slices"
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
	if s.alias != "" || len(s.hosts) == 0 {
		// Compat: nothing exists below an ExternalName, not even "*".
		if rest != "" {
			return nil, 0, false
		}
		rs = s.external(rrtype)
		return rs, len(rs), true
	}
	switch labels := strings.Count(rest, ".") + 1; {
	case rest == "" || rest == "*":
		rs, n = s.all(rrtype, limit)
		return rs, n, true
	case labels == 1 && rest[0] == '_':
		return nil, 0, slices.ContainsFunc(s.ports, func(p port) bool { return "_"+p.protocol == rest })
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

// external answers for an ExternalName Service.
func (s *service) external(rrtype uint16) []skydns.Record {
	switch {
	case s.alias != "":
		return []skydns.Record{{Type: skydns.TypeCNAME, TTL: ttl, Host: s.alias}}
	case rrtype == skydns.TypeSRV:
		return []skydns.Record{{Type: skydns.TypeSRV, TTL: ttl, Host: s.owner, Addrs: s.addrs}}
	default:
		return addressRecords(s.addrs, rrtype)
	}
}

// all answers for the Service itself: its addresses, or as SRV its hosts
// without a port.
func (s *service) all(rrtype uint16, limit int) ([]skydns.Record, int) {
	if rrtype != skydns.TypeSRV {
		rs := addressRecords(s.addrs, rrtype)
		return rs, len(rs)
	}
	rs := make([]skydns.Record, 0, min(limit, len(s.hosts)))
	for i := range s.hosts[:min(limit, len(s.hosts))] {
		rs = append(rs, s.srv(target{host: i}))
	}
	return rs, len(s.hosts)
}

func (s *service) hostRecords(label string, rrtype uint16) ([]skydns.Record, int, bool) {
	i := s.hostIndex(label)
	if i < 0 {
		return nil, 0, false
	}
	if rrtype == skydns.TypeSRV {
		return []skydns.Record{s.srv(target{host: i})}, 1, true
	}
	rs := addressRecords(s.hosts[i].addrs, rrtype)
	return rs, len(rs), true
}

// hostIndex returns the index of the host with that label, or -1.
func (s *service) hostIndex(label string) int {
	i, ok := slices.BinarySearchFunc(s.hosts, label, func(h host, label string) int { return strings.Compare(h.label, label) })
	if !ok {
		return -1
	}
	return i
}

// portIndex returns the index of the port with these labels, each of which
// begins with "_", or -1.
func (s *service) portIndex(name, protocol string) int {
	for i := range s.ports {
		p := &s.ports[i]
		if len(name) == len(p.name)+1 && name[0] == '_' && name[1:] == p.name && len(protocol) == len(p.protocol)+1 && protocol[0] == '_' && protocol[1:] == p.protocol {
			return i
		}
	}
	return -1
}

// portRecords answers for _name._protocol, the place, and with a host in front
// of it: a label of hosts, or "*" for any.
func (s *service) portRecords(label, place string, rrtype uint16, limit int) ([]skydns.Record, int, bool) {
	name, protocol := cutFirst(place)
	i := s.portIndex(name, protocol)
	if i < 0 {
		return nil, 0, false
	}
	targets := s.ports[i].targets
	if label != "" && label != "*" {
		targets = slices.DeleteFunc(slices.Clone(targets), func(t target) bool {
			return t.host < 0 || s.hosts[t.host].label != label
		})
		if len(targets) == 0 {
			return nil, 0, false
		}
	}
	if rrtype != skydns.TypeSRV {
		return nil, 0, true
	}
	rs := make([]skydns.Record, 0, min(limit, len(targets)))
	for _, t := range targets[:min(limit, len(targets))] {
		rs = append(rs, s.srv(t))
	}
	return rs, len(targets), true
}

func (s *service) srv(t target) skydns.Record {
	r := skydns.Record{Type: skydns.TypeSRV, TTL: ttl, Host: s.owner, Port: t.number, Addrs: s.addrs}
	if t.host >= 0 {
		h := s.hosts[t.host]
		r.Host, r.Addrs = h.label+"."+s.owner, h.addrs
	}
	return r
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
