package dns

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/kube-dns/kube-dns/pkg/skydns"
)

// ttl of every record of a Service, in seconds.
const ttl = 30

// A service is all that the zone says about one Service. It is immutable, but
// for the packed answers in its slots, and replaced whole. There is one for
// each Service of the cluster, so it is built to be small, and what an
// address question needs stands together, in 64 bytes at its beginning.
type service struct {
	// addrs are the distinct addresses, in network order and sorted: fours of
	// IPv4, then those of IPv6. They are the ClusterIPs, or the endpoints that
	// are published, or the one address of an ExternalName that is one.
	addrs []byte
	fours int
	// few has room for addrs when they are few: whoever reads a ClusterIP then
	// has it in the cache with the rest.
	few [16]byte
	// members are the endpoints, and the ClusterIPs, as names below the Service.
	// Those with a hostname stand first, by name; the others by hash.
	members []member
	// ports are the named ports, sorted by protocol and name. The numbers count
	// for a ClusterIP only.
	ports []Port
	// first keeps the packed answer to the SRV question for the first port, slots
	// those for the Service itself and the other ports; made when there is one.
	first skydns.Slot
	slots atomic.Pointer[[]skydns.Slot]
	// endpoints is what only a headless Service has; nil for others.
	endpoints *endpointNames
	// owner is the Service's own name, absolute.
	owner string
	// alias is the target of an ExternalName Service, absolute; then nothing
	// else is set.
	alias string
	// headless: the addresses are endpoints, and only those with a hostname
	// have a reverse name.
	headless bool
	// usable: federation may answer with this Service.
	usable bool
}

// endpointNames are what the members of a headless Service refer to.
type endpointNames struct {
	hostnames []string // sorted
	portSets  [][]Port
}

// A member is one address under one name.
type member struct {
	addr  uint32 // index of the address
	hash  uint32 // of the address; it is the name, when there is no hostname
	host  uint32 // index in hostnames, plus one; 0: none
	ports uint32 // index in portSets
}

// build makes the value of a Service from its objects. It returns nil when
// there is no record to be had, as for a headless Service of which no endpoint
// is ready: then the name does not exist.
func build(svc *Service, endpoints []*Endpoints, zone string) *service {
	s := &service{owner: svc.owner(zone)}
	switch {
	case svc.ExternalName != "":
		s.buildExternal(svc.ExternalName)
	case svc.Headless:
		s.buildHeadless(endpoints, svc.PublishNotReady)
	default:
		s.buildClusterIPs(svc)
		s.usable = slices.ContainsFunc(endpoints, func(e *Endpoints) bool { return e.AnyReady })
	}
	if len(s.addrs) == 0 && s.alias == "" {
		return nil
	}
	return s
}

// slot returns the place for packed answers about a port, or with -1 about the
// Service itself. It allocates the first time.
func (s *service) slot(port int) *skydns.Slot {
	if port == 0 {
		return &s.first
	}
	slots := s.slots.Load()
	if slots == nil {
		made := make([]skydns.Slot, max(1, len(s.ports)))
		s.slots.CompareAndSwap(nil, &made)
		slots = s.slots.Load()
	}
	return &(*slots)[max(0, port)]
}

// Compat: an externalName that is an IP address gives an address record. The
// API allows it, and clients in the field use it.
func (s *service) buildExternal(name string) {
	if addr, err := netip.ParseAddr(name); err == nil && addr.Zone() == "" {
		s.setAddrs([]netip.Addr{addr.Unmap()})
		return
	}
	s.alias = strings.TrimSuffix(strings.ToLower(name), ".") + "."
	s.usable = true
}

func (s *service) buildClusterIPs(svc *Service) {
	for i, addr := range s.setAddrs(slices.Clone(svc.ClusterIPs)) {
		s.members = append(s.members, member{addr: uint32(i), hash: hashOf(addr)})
	}
	s.sortMembers()
	// Many Services share their ports: they are only changed in a copy.
	s.ports = svc.Ports
	for i := 1; i < len(s.ports); i++ {
		if comparePorts(s.ports[i-1], s.ports[i]) >= 0 {
			s.ports = sortedPorts(slices.Clone(s.ports))
			break
		}
	}
}

// sortedPorts sorts ports, and keeps the first of those with one name.
func sortedPorts(ports []Port) []Port {
	slices.SortStableFunc(ports, comparePorts)
	return slices.Clip(slices.CompactFunc(ports, func(a, b Port) bool { return comparePorts(a, b) == 0 }))
}

func (s *service) buildHeadless(endpoints []*Endpoints, all bool) {
	s.headless, s.usable = true, true
	s.endpoints = &endpointNames{}
	found := s.publishedOf(endpoints, all)
	slices.SortFunc(found, func(a, b publishedEndpoint) int { return a.Addr.Compare(b.Addr) }) // IPv4 before IPv6
	size := 0
	for i, at := range found {
		if i == 0 || at.Addr != found[i-1].Addr {
			size += at.Addr.BitLen() / 8
		}
	}
	s.reserveAddrs(size)
	s.members = make([]member, len(found))
	for i, at := range found {
		if i == 0 || at.Addr != found[i-1].Addr {
			s.appendAddr(at.Addr)
		}
		m := member{addr: uint32(s.addrCount() - 1), ports: at.ports}
		if at.Hostname == "" {
			m.hash = hashOf(at.Addr)
		} else {
			s.endpoints.hostnames = append(s.endpoints.hostnames, at.Hostname)
		}
		s.members[i] = m
	}
	if len(s.endpoints.hostnames) > 0 {
		s.nameMembers(found)
	}
	s.sortMembers()
	s.collectPorts()
}

// nameMembers sorts the hostnames, and gives them to the members, which are in
// the order of found.
func (s *service) nameMembers(found []publishedEndpoint) {
	slices.Sort(s.endpoints.hostnames)
	s.endpoints.hostnames = slices.Clip(slices.Compact(s.endpoints.hostnames))
	for i, at := range found {
		if at.Hostname != "" {
			host, _ := slices.BinarySearch(s.endpoints.hostnames, at.Hostname)
			s.members[i].host = uint32(host) + 1
		}
	}
}

// A publishedEndpoint is an endpoint with the index of its ports.
type publishedEndpoint struct {
	*Endpoint
	ports uint32
}

// publishedOf returns the endpoints that are ready, or all, and fills in
// their sets of ports.
func (s *service) publishedOf(endpoints []*Endpoints, all bool) []publishedEndpoint {
	count, sets := 0, 0
	for _, e := range endpoints {
		sets += len(e.Subsets)
		for _, sub := range e.Subsets {
			count += len(sub.Endpoints)
		}
	}
	found := make([]publishedEndpoint, 0, count)
	s.endpoints.portSets = make([][]Port, 0, sets)
	for _, e := range endpoints {
		for _, sub := range e.Subsets {
			for i := range sub.Endpoints {
				if at := &sub.Endpoints[i]; at.Ready || all {
					found = append(found, publishedEndpoint{at, uint32(len(s.endpoints.portSets))})
				}
			}
			s.endpoints.portSets = append(s.endpoints.portSets, sub.Ports)
		}
	}
	return found
}

// collectPorts fills in the ports that any member has.
func (s *service) collectPorts() {
	used := make([]bool, len(s.endpoints.portSets))
	for _, m := range s.members {
		used[m.ports] = true
	}
	for i, ports := range s.endpoints.portSets {
		if used[i] {
			s.ports = append(s.ports, ports...)
		}
	}
	s.ports = sortedPorts(s.ports)
}

func comparePorts(a, b Port) int {
	return cmp.Or(strings.Compare(a.Protocol, b.Protocol), strings.Compare(a.Name, b.Name))
}

// addressRecords returns the records of one family, A or AAAA.
func addressRecords(addrs []netip.Addr, rrtype uint16) []skydns.Record {
	var records []skydns.Record
	for _, addr := range addrs {
		if rrtype == skydns.TypeA && addr.Is4() || rrtype == skydns.TypeAAAA && addr.Is6() {
			records = append(records, skydns.Record{Type: rrtype, TTL: ttl, Addr: addr})
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
