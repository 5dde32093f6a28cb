package dns

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// ttl of every record of a Service, in seconds.
const ttl = 30

// A service is all that the zone says about one Service. It is immutable, but
// for what is made of it when it is asked for, and replaced whole. There is one
// for each Service of the cluster, so it is built to be small: two cache lines,
// of which an address question needs the first.
type service struct {
	// addrs are the distinct addresses, in network order and sorted: fours of
	// IPv4, then those of IPv6. They are the ClusterIPs, or the endpoints that
	// are published, or the one address of an ExternalName that is one.
	addrs string
	// few backs addrs when they fit, so a ClusterIP shares the value's cache line.
	few   [40]byte
	fours uint32
	// external: an ExternalName, which has no members and nothing below it.
	external bool
	// headless: the addresses are endpoints, and only those with a hostname
	// have a reverse name.
	headless bool
	// usable: federation may answer with this Service.
	usable bool
	// made are the members, once they were needed: see hosts.
	made atomic.Pointer[memberList]
	// rare is what a ClusterIP has not; nil there.
	rare *rare
	// ports are the named ports, sorted by protocol and name. The numbers count
	// for a ClusterIP only.
	ports []Port
	// owner is the Service's own name, absolute.
	owner string
}

// rare are the parts of Services of the rarer kinds.
type rare struct {
	// alias is the target of an ExternalName, absolute; empty when that is an
	// address.
	alias string
	// hostnames, which are sorted, and portSets are what the members of a
	// headless Service refer to.
	hostnames []string
	portSets  [][]Port
	// odd: a hostname is not a label of letters, digits, "-" and "_".
	odd bool
}

// A member is one address under one name.
type member struct {
	addr  uint32 // index of the address
	hash  uint32 // of the address; it is the name, when there is no hostname
	host  uint32 // index in hostnames, plus one; 0: none
	ports uint32 // index in portSets
}

// build makes the value of a Service, whose name is owner, from its objects. It
// returns nil when there is no record to be had, as for a headless Service of
// which no endpoint is ready: then the name does not exist.
func build(svc *Service, endpoints []*Endpoints, owner string) *service {
	s := &service{owner: owner}
	switch {
	case svc.ExternalName != "":
		s.buildExternal(svc.ExternalName)
	case svc.Headless:
		s.buildHeadless(endpoints, svc.PublishNotReady)
	default:
		s.setAddrs(svc.ClusterIPs)
		s.setPorts(svc.Ports)
		s.usable = slices.ContainsFunc(endpoints, func(e *Endpoints) bool { return e.AnyReady })
	}
	if s.addrs == "" && s.alias() == "" {
		return nil
	}
	return s
}

// alias is the target of an ExternalName that is a name, else empty.
func (s *service) alias() string {
	if s.rare == nil {
		return ""
	}
	return s.rare.alias
}

// Compat: an externalName that is an IP address gives an address record. The
// API allows it, and clients in the field use it.
func (s *service) buildExternal(name string) {
	s.external, s.rare = true, &rare{}
	if addr, err := netip.ParseAddr(name); err == nil && addr.Zone() == "" {
		s.setAddrs([]netip.Addr{addr.Unmap()})
		return
	}
	s.rare.alias = strings.TrimSuffix(strings.ToLower(name), ".") + "."
	s.usable = true
}

func (s *service) setPorts(ports []Port) { s.ports = strictPorts(ports) }

// strictPorts returns ports sorted, each once. Many Services share ports, so they
// are only changed in a copy.
func strictPorts(ports []Port) []Port {
	for i := 1; i < len(ports); i++ {
		if comparePorts(ports[i-1], ports[i]) >= 0 {
			return sortedPorts(slices.Clone(ports))
		}
	}
	return ports
}

// sortedPorts sorts ports, and keeps the first of those with one name.
func sortedPorts(ports []Port) []Port {
	slices.SortStableFunc(ports, comparePorts)
	return slices.Clip(slices.CompactFunc(ports, func(a, b Port) bool { return comparePorts(a, b) == 0 }))
}

func (s *service) buildHeadless(endpoints []*Endpoints, all bool) {
	s.headless, s.usable = true, true
	s.rare = &rare{}
	var room [128]uint32
	list, alike := addressList{fours: room[:0]}, true
	for at := range published(endpoints, all) {
		list.add(at.Addr)
		if len(s.rare.portSets) == 0 {
			s.rare.portSets = [][]Port{at.ports}
		}
		alike = alike && at.Hostname == "" && samePorts(at.ports, s.rare.portSets[0])
	}
	s.keep(&list)
	switch {
	case !alike:
		s.makeMembers(endpoints, all)
	case len(s.rare.portSets) > 0:
		s.setPorts(s.rare.portSets[0])
	}
}

// samePorts says whether two sets of ports are the same, which they often share.
func samePorts(a, b []Port) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0] || slices.Equal(a, b))
}

// A publishedEndpoint is an endpoint with its ports.
type publishedEndpoint struct {
	*Endpoint
	ports []Port
}

// published yields the endpoints that are ready, or all.
func published(endpoints []*Endpoints, all bool) iter.Seq[publishedEndpoint] {
	return func(yield func(publishedEndpoint) bool) {
		for _, e := range endpoints {
			for i := range e.Subsets {
				sub := &e.Subsets[i]
				for j := range sub.Endpoints {
					if at := &sub.Endpoints[j]; (at.Ready || all) && !yield(publishedEndpoint{at, sub.Ports}) {
						return
					}
				}
			}
		}
	}
}

// makeMembers makes the members of endpoints that are not all alike, and
// collects their hostnames and ports.
func (s *service) makeMembers(endpoints []*Endpoints, all bool) {
	var members []member
	var portSets [][]Port
	var hostnames []string
	var last []Port
	set := -1
	for at := range published(endpoints, all) {
		if set < 0 || !samePorts(last, at.ports) {
			last = at.ports
			ports := strictPorts(last)
			if set = portSetOf(portSets, ports); set < 0 {
				set = len(portSets)
				portSets = append(portSets, ports)
				s.ports = append(s.ports, ports...)
			}
		}
		if hostname := s.hostname(at); hostname != "" {
			hostnames = append(hostnames, hostname)
			s.rare.odd = s.rare.odd || !isPlainLabel(hostname)
		}
		members = append(members, member{addr: uint32(s.addrIndex(at.Addr)), ports: uint32(set)})
	}
	slices.Sort(hostnames)
	hostnames = slices.Clip(slices.Compact(hostnames))
	i := 0
	for at := range published(endpoints, all) {
		if hostname := s.hostname(at); hostname == "" {
			members[i].hash = hashOf(at.Addr)
		} else {
			host, _ := slices.BinarySearch(hostnames, hostname)
			members[i].host = uint32(host) + 1
		}
		i++
	}
	s.rare.portSets, s.rare.hostnames = slices.Clip(portSets), hostnames
	s.ports = sortedPorts(s.ports)
	s.made.Store(newMemberList(sortedMembers(members)))
}

// maxName is the longest name in text, with its final dot (RFC 1035 section 2.3.4).
const maxName = 254

// hostname is the hostname of an endpoint, unless the name would be too long with
// it. The endpoint then has the name of one without hostname.
func (s *service) hostname(at publishedEndpoint) string {
	if len(at.Hostname)+1+len(s.owner) > maxName {
		return ""
	}
	return at.Hostname
}

// portSetOf returns the index of a set of ports, or -1. Endpoints with the same
// ports mostly come together, so it looks at the last sets only.
func portSetOf(sets [][]Port, ports []Port) int {
	for i := len(sets) - 1; i >= max(0, len(sets)-fewPortSets); i-- {
		if samePorts(sets[i], ports) {
			return i
		}
	}
	return -1
}

func comparePorts(a, b Port) int {
	return cmp.Or(strings.Compare(a.Protocol, b.Protocol), strings.Compare(a.Name, b.Name))
}

// addressRecords returns the records of one family, A or AAAA.
func addressRecords(addrs []netip.Addr, rrtype uint16) []backend.Record {
	var records []backend.Record
	for _, addr := range addrs {
		if rrtype == backend.TypeA && addr.Is4() || rrtype == backend.TypeAAAA && addr.Is6() {
			records = append(records, backend.Record{Type: rrtype, TTL: ttl, Addr: addr})
		}
	}
	return records
}

// hashOf is the number behind the label of an address without a name of its
// own: the FNV-1a hash of the record, as kube-dns has always printed it.
func hashOf(addr netip.Addr) uint32 {
	const prime = 16777619
	var text [64]byte
	b := append(text[:0], "&{"...)
	b = append(addr.AppendTo(b), " 0 10 10  false 30 0  }"...)
	h := uint32(2166136261)
	for _, c := range b {
		h = (h ^ uint32(c)) * prime
	}
	return h
}
