package dns

import (
	"cmp"
	"net/netip"
	"slices"
)

// A member is one address under one name.
type member struct {
	addr  uint32 // index of the address
	hash  uint32 // of the address; the name, where there is no hostname
	host  uint32 // index in hostnames, plus one; 0: none
	ports uint32 // index in portSets
}

// A memberList holds the endpoints, or the ClusterIPs, as names below a Service. Members with a
// hostname are first, sorted by name. The rest is sorted by hash. It is immutable.
type memberList struct {
	all       []member
	hostnames []string // sorted
	// starts are the indexes of the first member of each name. It is nil if no two members share a
	// name.
	starts []uint32
}

func newMemberList(members []member, hostnames []string) *memberList {
	slices.SortFunc(members, func(a, b member) int {
		return cmp.Or(compareNames(a, b), cmp.Compare(a.addr, b.addr), cmp.Compare(a.ports, b.ports))
	})
	l := &memberList{all: slices.Clip(slices.Compact(members)), hostnames: hostnames}
	var starts []uint32
	for i := range l.all {
		if i == 0 || !sameHost(l.all[i-1], l.all[i]) {
			starts = append(starts, uint32(i))
		}
	}
	if len(starts) < len(l.all) {
		l.starts = slices.Clip(starts)
	}
	return l
}

// alikeMembers returns the members of addresses without hostnames and with the same ports.
func alikeMembers(a *addrs) *memberList {
	members := make([]member, a.count())
	for i := range members {
		members[i] = member{addr: uint32(i), hash: hashOf(a.at(i))}
	}
	return newMemberList(members, nil)
}

func compareNames(a, b member) int {
	switch {
	case a.host != b.host:
		return cmp.Compare(a.host-1, b.host-1) // without a hostname, 0 wraps to the largest number
	case a.host != 0:
		return 0
	}
	return cmp.Compare(a.hash, b.hash)
}

// sameHost reports whether two members have the same name.
func sameHost(a, b member) bool { return compareNames(a, b) == 0 }

// count returns the number of names.
func (l *memberList) count() int {
	if l.starts == nil {
		return len(l.all)
	}
	return len(l.starts)
}

// start returns the index of the first member of the nth name.
func (l *memberList) start(n int) int {
	if l.starts == nil {
		return n
	}
	return int(l.starts[n])
}

// around returns the range of the members with the same name as the member at i.
func (l *memberList) around(i int) (first, end int) {
	first, end = i, i+1
	if l.starts == nil {
		return first, end
	}
	for first > 0 && sameHost(l.all[first-1], l.all[i]) {
		first--
	}
	for end < len(l.all) && sameHost(l.all[i], l.all[end]) {
		end++
	}
	return first, end
}

// find returns the range of the members of the name with that label. It is empty if the name does
// not exist. It does not allocate.
func (l *memberList) find(label string) (first, end int) {
	want := member{}
	if i, named := slices.BinarySearch(l.hostnames, label); named {
		want.host = uint32(i) + 1
	} else if hash, ok := parseHashLabel(label); ok {
		want.hash = hash
	} else {
		return 0, 0
	}
	first, ok := slices.BinarySearchFunc(l.all, want, compareNames)
	if !ok {
		return 0, 0
	}
	return l.around(first) // the search finds the first of them
}

// appendLabel appends the label of a member's name.
func (l *memberList) appendLabel(b []byte, m member) []byte {
	if m.host != 0 {
		return append(b, l.hostnames[m.host-1]...)
	}
	return appendHashLabel(b, m.hash)
}

// hashOf returns the number in the label of an address without a hostname.
//
// Compat: it is the FNV-1a hash of the record, as kube-dns has always printed it.
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
