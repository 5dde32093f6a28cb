package dns

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/kube-dns/kube-dns/pkg/skydns"
)

// ttl of every record of a Service, in seconds.
const ttl = 30

// A service is all that the zone says about one Service. It is immutable and
// replaced whole.
type service struct {
	// owner is the Service's own name, absolute.
	owner string
	// addrs are the distinct addresses of the Service: its ClusterIPs, or its
	// published endpoints; first those of IPv4, then those of IPv6.
	addrs []netip.Addr
	// hosts are the names one label below the owner, by label.
	hosts []host
	// ports are the named ports, by protocol and name.
	ports []port
	// alias is the target of an ExternalName Service, absolute.
	alias string
	// headless: the addresses are endpoints, and only those with a hostname
	// have a reverse name.
	headless bool
	// usable: federation may answer with this Service.
	usable bool
	// six is the index of the first IPv6 address in addrs.
	six int
	// slots keep packed answers to SRV questions: the first those for the
	// Service itself, the others those for its ports.
	slots []skydns.Slot
}

// A host is a name for addresses, one label below the Service.
type host struct {
	label string
	addrs []netip.Addr
	// hashed: the label was made from the address, so there is no reverse name.
	hashed bool
}

// A port is a named port and where it is found.
type port struct {
	name, protocol string
	targets        []target
}

// A target is where an SRV record of a port points to.
type target struct {
	host   int // index in hosts, or -1 for the Service itself
	number uint16
}

// build makes the value of a Service from its objects. It returns nil when
// there is no record to be had, as for a headless Service of which no endpoint
// is ready: then the name does not exist.
func build(svc *Service, endpoints []*Endpoints, zone string) *service {
	s := &service{owner: svc.Name + "." + svc.Namespace + ".svc." + zone}
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
	s.six = firstSix(s.addrs)
	s.slots = make([]skydns.Slot, 1+len(s.ports))
	return s
}

// Compat: an externalName that is an IP address gives an address record. The
// API allows it, and clients in the field use it.
func (s *service) buildExternal(name string) {
	if addr, err := netip.ParseAddr(name); err == nil && addr.Zone() == "" {
		s.addrs = []netip.Addr{addr.Unmap()}
		return
	}
	s.alias = strings.TrimSuffix(strings.ToLower(name), ".") + "."
	s.usable = true
}

func (s *service) buildClusterIPs(svc *Service) {
	s.addrs = distinct(svc.ClusterIPs)
	for _, addr := range s.addrs {
		s.hosts = append(s.hosts, host{label: hashLabel(addr), addrs: []netip.Addr{addr}, hashed: true})
	}
	slices.SortFunc(s.hosts, func(a, b host) int { return strings.Compare(a.label, b.label) })
	for _, p := range svc.Ports {
		s.ports = append(s.ports, port{name: p.Name, protocol: p.Protocol, targets: []target{{host: -1, number: p.Number}}})
	}
	slices.SortFunc(s.ports, comparePorts)
	s.ports = slices.CompactFunc(s.ports, func(a, b port) bool { return comparePorts(a, b) == 0 })
}

func (s *service) buildHeadless(endpoints []*Endpoints, all bool) {
	s.headless, s.usable = true, true
	byLabel := map[string]*host{}
	byPort := map[portKey]map[target]bool{}
	labels := map[string]int{}
	for _, sub := range subsets(endpoints) {
		for _, e := range sub.Endpoints {
			if !e.Ready && !all {
				continue
			}
			s.addrs = append(s.addrs, e.Addr)
			label := e.Hostname
			if label == "" {
				label = hashLabel(e.Addr)
			}
			h := byLabel[label]
			if h == nil {
				h = &host{label: label, hashed: e.Hostname == ""}
				byLabel[label] = h
				labels[label] = len(labels)
			}
			h.addrs = append(h.addrs, e.Addr)
			for _, p := range sub.Ports {
				at := portKey{p.Name, p.Protocol}
				if byPort[at] == nil {
					byPort[at] = map[target]bool{}
				}
				byPort[at][target{host: labels[label], number: p.Number}] = true
			}
		}
	}
	s.addrs = distinct(s.addrs)
	s.setPorts(byPort, s.setHosts(byLabel, labels))
}

// portKey is what a port is asked by.
type portKey struct{ name, protocol string }

// setPorts puts the ports into order. index says where setHosts has put the host
// of a target.
func (s *service) setPorts(byPort map[portKey]map[target]bool, index []int) {
	for at, targets := range byPort {
		p := port{name: at.name, protocol: at.protocol, targets: make([]target, 0, len(targets))}
		for t := range targets {
			p.targets = append(p.targets, target{host: index[t.host], number: t.number})
		}
		slices.SortFunc(p.targets, func(a, b target) int {
			return cmp.Or(cmp.Compare(a.host, b.host), cmp.Compare(a.number, b.number))
		})
		s.ports = append(s.ports, p)
	}
	slices.SortFunc(s.ports, comparePorts)
}

// setHosts puts the hosts into label order, and returns where each went: the
// new index for the order of appearance in labels.
func (s *service) setHosts(byLabel map[string]*host, labels map[string]int) []int {
	s.hosts = make([]host, 0, len(byLabel))
	for _, h := range byLabel {
		h.addrs = distinct(h.addrs)
		s.hosts = append(s.hosts, *h)
	}
	slices.SortFunc(s.hosts, func(a, b host) int { return strings.Compare(a.label, b.label) })
	index := make([]int, len(labels))
	for i, h := range s.hosts {
		index[labels[h.label]] = i
	}
	return index
}

func subsets(endpoints []*Endpoints) []Subset {
	var all []Subset
	for _, e := range endpoints {
		all = append(all, e.Subsets...)
	}
	return all
}

// distinct returns the addresses without duplicates, IPv4 before IPv6.
func distinct(addrs []netip.Addr) []netip.Addr {
	sorted := slices.Clone(addrs)
	slices.SortFunc(sorted, netip.Addr.Compare)
	return slices.Clip(slices.Compact(sorted))
}

func comparePorts(a, b port) int {
	return cmp.Or(strings.Compare(a.protocol, b.protocol), strings.Compare(a.name, b.name))
}

// reverse returns the names that the Service gives to one of its addresses.
// Compat: an endpoint without hostname has no reverse name.
func (s *service) reverse(addr netip.Addr) []string {
	if !s.headless {
		if slices.Contains(s.addrs, addr) && s.alias == "" && len(s.hosts) > 0 {
			return []string{s.owner}
		}
		return nil
	}
	var names []string
	for _, h := range s.hosts {
		if !h.hashed && slices.Contains(h.addrs, addr) {
			names = append(names, h.label+"."+s.owner)
		}
	}
	return names
}

// reverseLabel is reverse for an address with one name, which it returns as
// the label to the left of the owner, or none. It does not allocate.
func (s *service) reverseLabel(addr netip.Addr) (string, bool) {
	if !s.headless {
		return "", slices.Contains(s.addrs, addr) && s.alias == "" && len(s.hosts) > 0
	}
	found := -1
	for i := range s.hosts {
		if h := &s.hosts[i]; !h.hashed && slices.Contains(h.addrs, addr) {
			if found >= 0 {
				return "", false
			}
			found = i
		}
	}
	if found < 0 {
		return "", false
	}
	return s.hosts[found].label, true
}

// claims returns the addresses for which reverse has an answer.
func (s *service) claims() []netip.Addr {
	if s == nil || s.alias != "" || len(s.hosts) == 0 {
		return nil
	}
	if !s.headless {
		return s.addrs
	}
	var addrs []netip.Addr
	for _, h := range s.hosts {
		if !h.hashed {
			addrs = append(addrs, h.addrs...)
		}
	}
	return distinct(addrs)
}

// firstSix returns the index of the first IPv6 address; those of IPv4 stand in
// front.
func firstSix(addrs []netip.Addr) int {
	i := 0
	for i < len(addrs) && addrs[i].Is4() {
		i++
	}
	return i
}

// addressRecords returns the records of one family, A or AAAA.
func addressRecords(addrs []netip.Addr, rrtype uint16) []skydns.Record {
	six := firstSix(addrs)
	switch rrtype {
	case skydns.TypeA:
		addrs = addrs[:six]
	case skydns.TypeAAAA:
		addrs = addrs[six:]
	default:
		return nil
	}
	records := make([]skydns.Record, len(addrs))
	for i, addr := range addrs {
		records[i] = skydns.Record{Type: rrtype, TTL: ttl, Addr: addr}
	}
	return records
}
