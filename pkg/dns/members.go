package dns

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/kube-dns/kube-dns/pkg/skydns"
)

// setAddrs sorts the addresses, keeps each once, and returns them so.
func (s *service) setAddrs(addrs []netip.Addr) []netip.Addr {
	slices.SortFunc(addrs, netip.Addr.Compare) // IPv4 before IPv6
	addrs = slices.Compact(addrs)
	size := 0
	for _, addr := range addrs {
		size += addr.BitLen() / 8
	}
	s.reserveAddrs(size)
	for _, addr := range addrs {
		s.appendAddr(addr)
	}
	return addrs
}

// reserveAddrs makes room for addresses of that many bytes together.
func (s *service) reserveAddrs(size int) {
	if s.addrs = s.few[:0]; size > len(s.few) {
		s.addrs = make([]byte, 0, size)
	}
}

// appendAddr adds an address behind those that are smaller.
func (s *service) appendAddr(addr netip.Addr) {
	if addr.Is4() {
		s.fours++
		ip := addr.As4()
		s.addrs = append(s.addrs, ip[:]...)
	} else {
		ip := addr.As16()
		s.addrs = append(s.addrs, ip[:]...)
	}
}

func (s *service) sortMembers() {
	slices.SortFunc(s.members, func(a, b member) int {
		// Without a hostname, 0 turns into the largest number.
		if a.host != b.host {
			return cmp.Compare(a.host-1, b.host-1)
		}
		if c := compareHashes(a, b); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(a.addr, b.addr), cmp.Compare(a.ports, b.ports))
	})
	s.members = slices.Clip(slices.Compact(s.members))
}

func compareHashes(a, b member) int {
	if a.host != 0 {
		return 0 // they have a name: their addresses come in order
	}
	return cmp.Compare(a.hash, b.hash)
}

// addr returns the address with that index.
func (s *service) addr(i int) netip.Addr {
	if i < s.fours {
		return netip.AddrFrom4([4]byte(s.addrs[4*i:]))
	}
	return netip.AddrFrom16([16]byte(s.addrs[4*s.fours+16*(i-s.fours):]))
}

// addrCount is the number of addresses.
func (s *service) addrCount() int { return s.fours + (len(s.addrs)-4*s.fours)/16 }

// allAddrs returns all addresses.
func (s *service) allAddrs() []netip.Addr {
	addrs := make([]netip.Addr, s.addrCount())
	for i := range addrs {
		addrs[i] = s.addr(i)
	}
	return addrs
}

// addrIndex returns the index of an address, or -1. It does not allocate.
func (s *service) addrIndex(addr netip.Addr) int {
	low, high := 0, s.addrCount()
	for low < high {
		switch middle := (low + high) / 2; s.addr(middle).Compare(addr) {
		case 0:
			return middle
		case -1:
			low = middle + 1
		default:
			high = middle
		}
	}
	return -1
}

// sameHost says whether two members have one name.
func sameHost(a, b member) bool { return a.host == b.host && (a.host != 0 || a.hash == b.hash) }

// hosts calls yield for the members of each name below the Service.
func (s *service) hosts(yield func(members []member) bool) {
	for rest := s.members; len(rest) > 0; {
		n := 1
		for n < len(rest) && sameHost(rest[0], rest[n]) {
			n++
		}
		if !yield(rest[:n]) {
			return
		}
		rest = rest[n:]
	}
}

// host returns the members of the name with that label, none when there is no
// such name. It does not allocate.
func (s *service) host(label string) []member {
	want := member{}
	var named, hashed bool
	if s.headless {
		var i int
		if i, named = slices.BinarySearch(s.endpoints.hostnames, label); named {
			want.host = uint32(i) + 1
		}
	}
	if !named {
		if want.hash, hashed = parseHashLabel(label); !hashed {
			return nil
		}
	}
	first, ok := slices.BinarySearchFunc(s.members, want, func(m, want member) int {
		return cmp.Or(cmp.Compare(m.host-1, want.host-1), compareHashes(m, want))
	})
	if !ok {
		return nil
	}
	// The search finds the first of them.
	n := first
	for n < len(s.members) && sameHost(s.members[n], want) {
		n++
	}
	return s.members[first:n]
}

// label is the label of a member's name.
func (s *service) label(m member) string {
	if m.host != 0 {
		return s.endpoints.hostnames[m.host-1]
	}
	return hashLabel(m.hash)
}

// addrsOf returns the distinct addresses of members of one name.
func (s *service) addrsOf(members []member) []netip.Addr {
	addrs := make([]netip.Addr, 0, len(members))
	for i, m := range members {
		if i == 0 || m.addr != members[i-1].addr {
			addrs = append(addrs, s.addr(int(m.addr)))
		}
	}
	return addrs
}

// portIndex returns the index of the port with these labels, each of which
// begins with "_", or -1. It does not allocate.
func (s *service) portIndex(name, protocol string) int {
	for i := range s.ports {
		p := &s.ports[i]
		if len(name) > 0 && name[0] == '_' && name[1:] == p.Name && len(protocol) > 0 && protocol[0] == '_' && protocol[1:] == p.Protocol {
			return i
		}
	}
	return -1
}

// hasProtocol says whether there is a port of _protocol.
func (s *service) hasProtocol(label string) bool {
	return slices.ContainsFunc(s.ports, func(p Port) bool { return "_"+p.Protocol == label })
}

// targets returns the hosts of a port, or one of them, with the numbers that
// they have it at, each pair once.
func (s *service) targets(p Port, hosts []member) []target {
	var found []target
	for _, m := range hosts {
		for _, q := range s.endpoints.portSets[m.ports] {
			if comparePorts(p, q) != 0 {
				continue
			}
			// Members of one name stand side by side.
			t := target{m, q.Number}
			same := func(u target) bool { return sameHost(u.member, m) && u.number == t.number }
			known := false
			for i := len(found) - 1; i >= 0 && sameHost(found[i].member, m) && !known; i-- {
				known = same(found[i])
			}
			if !known {
				found = append(found, t)
			}
		}
	}
	return found
}

// A target is where an SRV record points to.
type target struct {
	member
	number uint16
}

// reverse returns the names that the Service gives to one of its addresses.
// Compat: an endpoint without hostname has no reverse name.
func (s *service) reverse(addr netip.Addr) []string {
	if len(s.members) == 0 {
		return nil
	}
	i := s.addrIndex(addr)
	if i < 0 {
		return nil
	}
	if !s.headless {
		return []string{s.owner}
	}
	var names []string
	for _, m := range s.members {
		if m.host != 0 && int(m.addr) == i {
			names = append(names, s.endpoints.hostnames[m.host-1]+"."+s.owner)
		}
	}
	return slices.Compact(names) // by name, as the members are
}

// reverseLabel is reverse for an address with one name, which it returns as
// the label to the left of the owner, or none. It does not allocate.
func (s *service) reverseLabel(addr netip.Addr) (string, bool) {
	i := s.addrIndex(addr)
	if i < 0 || len(s.members) == 0 {
		return "", false
	}
	if !s.headless {
		return "", true
	}
	var host uint32
	for j := range s.members {
		m := &s.members[j]
		if m.host == 0 || int(m.addr) != i || m.host == host {
			continue
		}
		if host != 0 {
			return "", false
		}
		host = m.host
	}
	if host == 0 {
		return "", false
	}
	return s.endpoints.hostnames[host-1], true
}

// claims returns the addresses for which reverse has an answer, sorted.
func (s *service) claims() []netip.Addr {
	if s == nil || len(s.members) == 0 {
		return nil
	}
	if !s.headless {
		return s.allAddrs()
	}
	var named []uint32
	for _, m := range s.members {
		if m.host != 0 {
			named = append(named, m.addr)
		}
	}
	slices.Sort(named)
	named = slices.Compact(named)
	addrs := make([]netip.Addr, len(named))
	for i, at := range named {
		addrs[i] = s.addr(int(at))
	}
	return addrs
}

// raw returns the addresses of one family, A or AAAA, in network order.
func (s *service) raw(rrtype uint16) []byte {
	switch rrtype {
	case skydns.TypeA:
		return s.addrs[:4*s.fours]
	case skydns.TypeAAAA:
		return s.addrs[4*s.fours:]
	}
	return nil
}

// rawAddr returns one address in network order.
func (s *service) rawAddr(i int) []byte {
	if i < s.fours {
		return s.addrs[4*i : 4*i+4]
	}
	at := 4*s.fours + 16*(i-s.fours)
	return s.addrs[at : at+16]
}
