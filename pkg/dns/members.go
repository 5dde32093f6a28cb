package dns

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"unsafe"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// An addressList is a list of addresses on its way into a Service.
type addressList struct {
	fours []uint32
	sixes []netip.Addr
}

func (l *addressList) add(addr netip.Addr) {
	if addr.Is4() {
		ip := addr.As4()
		l.fours = append(l.fours, binary.BigEndian.Uint32(ip[:]))
	} else {
		l.sixes = append(l.sixes, addr)
	}
}

func (s *service) setAddrs(addrs []netip.Addr) {
	var room [2]uint32
	list := addressList{fours: room[:0]}
	for _, addr := range addrs {
		list.add(addr)
	}
	s.keep(&list)
}

// keep keeps the addresses of a list, each once.
func (s *service) keep(l *addressList) {
	slices.Sort(l.fours)
	slices.SortFunc(l.sixes, netip.Addr.Compare)
	fours, sixes := slices.Compact(l.fours), slices.Compact(l.sixes)
	packed, size := s.few[:0], 4*len(fours)+16*len(sixes)
	if size > len(s.few) {
		packed = make([]byte, 0, size)
	}
	for _, ip := range fours {
		packed = binary.BigEndian.AppendUint32(packed, ip)
	}
	for _, addr := range sixes {
		ip := addr.As16()
		packed = append(packed, ip[:]...)
	}
	s.fours = uint32(len(fours))
	s.addrs = unsafe.String(unsafe.SliceData(packed), len(packed)) // which nobody changes any more
}

// A memberList is immutable.
type memberList struct {
	all []member
	// starts are the indexes of the first member of each name; nil when every
	// member has a name of its own.
	starts []uint32
}

func newMemberList(members []member) *memberList {
	l := &memberList{all: members}
	names := 0
	for i := range members {
		if i == 0 || !sameHost(members[i-1], members[i]) {
			names++
		}
	}
	if names == len(members) {
		return l
	}
	l.starts = make([]uint32, 0, names)
	for i := range members {
		if i == 0 || !sameHost(members[i-1], members[i]) {
			l.starts = append(l.starts, uint32(i))
		}
	}
	return l
}

// count is the number of names.
func (l *memberList) count() int {
	if l.starts == nil {
		return len(l.all)
	}
	return len(l.starts)
}

// start is the index of the first member of the nth name.
func (l *memberList) start(n int) int {
	if l.starts == nil {
		return n
	}
	return int(l.starts[n])
}

// members are the endpoints, and the ClusterIPs, as names below the Service.
// Those with a hostname come first, by name; the others by hash.
func (s *service) members() []member { return s.hosts().all }

// hosts returns the members with their names. Where all addresses are alike,
// which they are for most Services, the list is made, and kept, at the first
// call.
func (s *service) hosts() *memberList {
	if made := s.made.Load(); made != nil {
		return made
	}
	members := make([]member, 0, s.addrCount())
	for i := range cap(members) {
		members = append(members, member{addr: uint32(i), hash: hashOf(s.addr(i))})
	}
	s.made.CompareAndSwap(nil, newMemberList(sortedMembers(members)))
	return s.made.Load()
}

func sortedMembers(members []member) []member {
	slices.SortFunc(members, func(a, b member) int {
		// Without a hostname, 0 turns into the largest number.
		if a.host != b.host {
			return cmp.Compare(a.host-1, b.host-1)
		}
		if c := compareHashes(a, b); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(a.addr, b.addr), cmp.Compare(a.ports, b.ports))
	})
	return slices.Clip(slices.Compact(members))
}

func compareHashes(a, b member) int {
	if a.host != 0 {
		return 0 // they have a name: their addresses come in order
	}
	return cmp.Compare(a.hash, b.hash)
}

// addr returns the address with that index.
func (s *service) addr(i int) netip.Addr { return addrFrom(s.rawAddr(i)) }

// addrFrom makes an address of its 4 or 16 bytes.
func addrFrom(raw string) netip.Addr {
	switch len(raw) {
	case 4:
		var ip [4]byte
		copy(ip[:], raw)
		return netip.AddrFrom4(ip)
	default:
		var ip [16]byte
		copy(ip[:], raw)
		return netip.AddrFrom16(ip)
	}
}

// addrCount is the number of addresses.
func (s *service) addrCount() int {
	fours := int(s.fours)
	return fours + (len(s.addrs)-4*fours)/16
}

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

// hostAround returns the range of the members that have one name with the one
// at i.
func hostAround(members []member, i int) (first, end int) {
	first, end = i, i+1
	for first > 0 && sameHost(members[first-1], members[i]) {
		first--
	}
	for end < len(members) && sameHost(members[i], members[end]) {
		end++
	}
	return first, end
}

// hostRange returns the range of the members of the name with that label, which
// is empty when there is no such name. It does not allocate, except for members.
func (s *service) hostRange(label string) (first, end int) {
	want := member{}
	var named, hashed bool
	if s.headless {
		var i int
		if i, named = slices.BinarySearch(s.rare.hostnames, label); named {
			want.host = uint32(i) + 1
		}
	}
	if !named {
		if want.hash, hashed = parseHashLabel(label); !hashed {
			return 0, 0
		}
	}
	members := s.members()
	first, ok := slices.BinarySearchFunc(members, want, func(m, want member) int {
		return cmp.Or(cmp.Compare(m.host-1, want.host-1), compareHashes(m, want))
	})
	if !ok {
		return 0, 0
	}
	return hostAround(members, first) // the search finds the first of them
}

// label is the label of a member's name.
func (s *service) label(m member) string { return string(s.appendLabel(nil, m)) }

func (s *service) appendLabel(b []byte, m member) []byte {
	if m.host != 0 {
		return append(b, s.rare.hostnames[m.host-1]...)
	}
	return appendHashLabel(b, m.hash)
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
	if name == "" || name[0] != '_' || protocol == "" || protocol[0] != '_' {
		return -1
	}
	i, found := slices.BinarySearchFunc(s.ports, Port{Name: name[1:], Protocol: protocol[1:]}, comparePorts)
	if !found {
		return -1
	}
	return i
}

// hasProtocol reports whether there is a port of _protocol.
func (s *service) hasProtocol(label string) bool {
	_, found := slices.BinarySearchFunc(s.ports, label[1:], func(p Port, protocol string) int { return strings.Compare(p.Protocol, protocol) })
	return found
}

// nameless says that no address of the Service has a reverse name.
func (s *service) nameless() bool { return s.external || s.headless && len(s.rare.hostnames) == 0 }

// reverse returns the names that the Service gives to one of its addresses.
// Compat: an endpoint without hostname has no reverse name.
func (s *service) reverse(addr netip.Addr) []string {
	i := s.addrIndex(addr)
	if i < 0 || s.nameless() {
		return nil
	}
	if !s.headless {
		return []string{s.owner}
	}
	var names []string
	for _, m := range s.members() {
		if m.host != 0 && int(m.addr) == i {
			names = append(names, s.rare.hostnames[m.host-1]+"."+s.owner)
		}
	}
	return slices.Compact(names) // by name, as the members are
}

// reverseLabel is reverse for an address with one name, which it returns as
// the label to the left of the owner, or none. It does not allocate.
func (s *service) reverseLabel(addr netip.Addr) (string, bool) {
	i := s.addrIndex(addr)
	if i < 0 || s.nameless() {
		return "", false
	}
	if !s.headless {
		return "", true
	}
	var host uint32
	for _, m := range s.members() {
		if m.host == 0 || int(m.addr) != i || m.host == host {
			continue
		}
		if host != 0 {
			return "", false
		}
		host = m.host
	}
	if host == 0 || s.rare.odd {
		return "", false
	}
	return s.rare.hostnames[host-1], true
}

// claims returns the addresses for which reverse has an answer, sorted.
func (s *service) claims() []netip.Addr {
	if s == nil || s.nameless() {
		return nil
	}
	if !s.headless {
		return s.allAddrs()
	}
	var named []uint32
	for _, m := range s.members() {
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
func (s *service) raw(rrtype uint16) string {
	switch rrtype {
	case backend.TypeA:
		return s.addrs[:4*s.fours]
	case backend.TypeAAAA:
		return s.addrs[4*s.fours:]
	}
	return ""
}

// rawAddr returns one address in network order.
func (s *service) rawAddr(i int) string {
	fours := int(s.fours)
	if i < fours {
		return s.addrs[4*i : 4*i+4]
	}
	at := 4*fours + 16*(i-fours)
	return s.addrs[at : at+16]
}
