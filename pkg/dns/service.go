package dns

import (
	"iter"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
)

// ttl is the TTL of every record of a Service, in seconds.
const ttl = 30

// A service is the data of one Service that names depend on. It is immutable, except that members
// are created on first use. Each Service of the cluster has one, so it is small: two cache lines.
// An address query needs the first. An SRV query for a ClusterIP with one port needs both.
type service struct {
	// addrs are the ClusterIPs, the published endpoints, or the ExternalName if it is an address.
	addrs addrs
	// external: an ExternalName, without members and names below it.
	external bool
	// headless: the addresses are endpoints, and only those with a hostname have a reverse name.
	headless bool
	// usable: federation can answer with this Service.
	usable bool
	// owner is the Service's own name, absolute.
	owner string
	// made are the members, once a query needed them: see members.
	made atomic.Pointer[memberList]
	// extra holds fields that few Services need; nil for a ClusterIP with at most one
	// port.
	extra *extra
	// port is the only named port; zero when there are none or several.
	port [1]Port
}

// extra holds the fields of headless and ExternalName Services, and of Services with several ports.
type extra struct {
	// ports are the named ports, if there are several.
	ports []Port
	// alias is the target of an ExternalName, absolute. It is empty if the target is an address.
	alias string
	// portSets are the sets of ports of the members of a headless Service. named reports whether a
	// member has a hostname.
	portSets [][]Port
	named    bool
	// odd: a hostname is not a label of letters, digits, "-" and "_".
	odd bool
	// unready are the endpoints without records, nil if there are none.
	unready *unready
}

// build returns the value of a Service, named owner, from its objects. It returns nil if there are
// no records, as for a headless Service without a ready endpoint. The name then does not exist.
func build(svc *Service, endpoints []*Endpoints, owner string) *service {
	s := &service{owner: owner}
	switch {
	case svc.ExternalName != "":
		buildExternal(s, svc.ExternalName)
	case svc.Headless:
		buildHeadless(s, endpoints, svc.PublishNotReady)
	default:
		s.addrs.keepAll(svc.ClusterIPs)
		s.setPorts(strictPorts(svc.Ports))
		s.usable = slices.ContainsFunc(endpoints, func(e *Endpoints) bool { return e.AnyReady })
	}
	if s.addrs.text == "" && s.alias() == "" {
		return nil
	}
	return s
}

// Compat: an externalName that is an IP address becomes an address record. The API allows it, and
// clients in the field use it.
func buildExternal(s *service, name string) {
	s.external, s.extra = true, &extra{}
	if addr, err := netip.ParseAddr(name); err == nil && addr.Zone() == "" {
		s.addrs.keepAll([]netip.Addr{addr.Unmap()})
		return
	}
	s.extra.alias = strings.TrimSuffix(strings.ToLower(name), ".") + "."
	s.usable = true
}

func buildHeadless(s *service, endpoints []*Endpoints, all bool) {
	s.headless, s.usable, s.extra = true, true, &extra{}
	var room [128]uint32
	if !all {
		s.extra.unready = unreadyOf(endpoints)
	}
	list, alike := addrList{fours: room[:0]}, true
	for at := range published(endpoints, all) {
		list.add(at.Addr)
		if len(s.extra.portSets) == 0 {
			s.extra.portSets = [][]Port{at.ports}
		}
		alike = alike && at.Hostname == "" && samePorts(at.ports, s.extra.portSets[0])
	}
	s.addrs.keep(&list)
	switch {
	case !alike:
		buildMembers(s, endpoints, all)
	case len(s.extra.portSets) > 0:
		s.setPorts(strictPorts(s.extra.portSets[0]))
	}
}

// buildMembers builds the members of endpoints that are not all alike, and collects their hostnames
// and ports.
func buildMembers(s *service, endpoints []*Endpoints, all bool) {
	var members []member
	var portSets [][]Port
	var union []Port
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
				union = append(union, ports...)
			}
		}
		if hostname := at.hostname(s.owner); hostname != "" {
			hostnames = append(hostnames, hostname)
			s.extra.odd = s.extra.odd || !isPlainLabel(hostname)
		}
		members = append(members, member{addr: uint32(s.addrs.index(at.Addr)), ports: uint32(set)})
	}
	slices.Sort(hostnames)
	hostnames = slices.Clip(slices.Compact(hostnames))
	i := 0
	for at := range published(endpoints, all) {
		if hostname := at.hostname(s.owner); hostname == "" {
			members[i].hash = hashOf(at.Addr)
		} else {
			host, _ := slices.BinarySearch(hostnames, hostname)
			members[i].host = uint32(host) + 1
		}
		i++
	}
	s.extra.portSets, s.extra.named = slices.Clip(portSets), len(hostnames) > 0
	s.setPorts(sortedPorts(union))
	s.made.Store(newMemberList(members, hostnames))
}

// A publishedEndpoint is an endpoint with its ports.
type publishedEndpoint struct {
	*Endpoint
	ports []Port
}

// published yields the ready endpoints, or all.
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

// maxName is the maximum length of a name in text, with its final dot (RFC 1035 section 2.3.4).
const maxName = 254

// hostname returns the hostname of an endpoint of a Service, or "" if it would make the name too
// long. The endpoint is then named like one without hostname.
func (e publishedEndpoint) hostname(owner string) string {
	if len(e.Hostname)+1+len(owner) > maxName {
		return ""
	}
	return e.Hostname
}

// alias returns the target of an ExternalName if it is a name, else "".
func (s *service) alias() string {
	if s.extra == nil {
		return ""
	}
	return s.extra.alias
}

// ports returns the named ports, sorted by protocol and name. The numbers are meaningful only for a
// ClusterIP.
func (s *service) ports() []Port {
	switch {
	case s.port[0].Name != "":
		return s.port[:]
	case s.extra != nil:
		return s.extra.ports
	}
	return nil
}

// setPorts stores the named ports.
func (s *service) setPorts(ports []Port) {
	switch {
	case len(ports) == 1:
		s.port[0] = ports[0]
	case len(ports) > 1:
		if s.extra == nil {
			s.extra = &extra{}
		}
		s.extra.ports = ports
	}
}

// members returns the members with their names. If all addresses are alike, as for most Services,
// the first call creates the list.
func (s *service) members() *memberList {
	if made := s.made.Load(); made != nil {
		return made
	}
	s.made.CompareAndSwap(nil, alikeMembers(&s.addrs))
	return s.made.Load()
}
