package dns

import (
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// noPort selects the SRV records at the Service's own name: all of its hosts, without a port.
const noPort = -1

// A target is a host and a number of its port. Hosts are in the order of members, so the position
// of a target is the index of the host's first member with this number.

// CountTargets implements backend.Targets.
func (s *service) CountTargets(port int) int {
	if s.oneTarget(port) {
		return 1
	}
	if !s.mixed(port) {
		return s.members().count()
	}
	count, numbers, members := 0, s.numbersOf(port), s.members().all
	for i := range members {
		if numbers.isTarget(members, i) {
			count++
		}
	}
	return count
}

// SeekTarget implements backend.Targets.
func (s *service) SeekTarget(port, n int) int {
	switch {
	case s.oneTarget(port):
		return 0
	case !s.mixed(port):
		return s.members().start(n)
	}
	numbers, members := s.numbersOf(port), s.members().all
	for i := range members {
		if numbers.isTarget(members, i) {
			if n == 0 {
				return i
			}
			n--
		}
	}
	return 0
}

// NextTarget implements backend.Targets.
func (s *service) NextTarget(port, at, limit int, t *backend.Target) int {
	t.Host, t.Label, t.A, t.AAAA = s.owner, t.Label[:0], t.A[:0], t.AAAA[:0]
	if s.oneTarget(port) {
		t.ID, t.Port = 0, s.ports()[port].Number
		for i := range min(limit, s.addrs.count()) {
			addAddr(t, s.addrs.raw(i))
		}
		return 0
	}
	names := s.members()
	members := names.all
	switch {
	case port == noPort:
		t.Port = 0
	case !s.mixed(port):
		t.Port = s.ports()[port].Number
	default:
		numbers := s.numbersOf(port)
		for !numbers.isTarget(members, at) {
			at = (at + 1) % len(members)
		}
		t.Port = uint16(numbers.of(members[at]))
	}
	// All members of the name contribute addresses, regardless of their ports.
	first, end := names.around(at)
	t.ID = first
	t.Label = names.appendLabel(t.Label, members[first])
	for i := first; i < end && i-first < limit; i++ {
		if i == first || members[i].addr != members[i-1].addr {
			addAddr(t, s.addrs.raw(int(members[i].addr)))
		}
	}
	if s.mixed(port) {
		return (at + 1) % len(members)
	}
	if end == len(members) {
		return 0
	}
	return end
}

// oneTarget reports whether the only target of a port is the Service itself.
func (s *service) oneTarget(port int) bool { return !s.headless && port != noPort }

// mixed reports whether hosts can differ in a port.
func (s *service) mixed(port int) bool {
	return s.headless && port != noPort && len(s.extra.portSets) != 1
}

// addAddr adds an address in network order.
func addAddr(t *backend.Target, raw string) {
	if len(raw) == 4 {
		t.A = append(t.A, raw[:4]...)
	} else {
		t.AAAA = append(t.AAAA, raw[:16]...)
	}
}

// portNumbers are the numbers of one port in each set of ports, or -1.
type portNumbers struct {
	inline [maxPortSets]int32
	many   []int32 // in place of inline
}

// maxLookBack limits the members of one name that are compared if there are many sets of ports.
// Duplicate records are dropped later.
const maxLookBack = 64

func (s *service) numbersOf(port int) portNumbers {
	var n portNumbers
	into := n.inline[:]
	if len(s.extra.portSets) > maxPortSets {
		n.many = make([]int32, len(s.extra.portSets))
		into = n.many
	}
	for i, set := range s.extra.portSets {
		into[i] = -1
		if at, found := slices.BinarySearchFunc(set, s.ports()[port], comparePorts); found {
			into[i] = int32(set[at].Number)
		}
	}
	return n
}

func (n *portNumbers) of(m member) int32 {
	if n.many != nil {
		return n.many[m.ports]
	}
	return n.inline[m.ports]
}

// isTarget reports whether the member at i has the port, at a number that no earlier member of its
// name has.
func (n *portNumbers) isTarget(members []member, i int) bool {
	number := n.of(members[i])
	if number < 0 {
		return false
	}
	stop := 0
	if n.many != nil {
		stop = max(0, i-maxLookBack)
	}
	for j := i - 1; j >= stop && sameHost(members[j], members[i]); j-- {
		if n.of(members[j]) == number {
			return false
		}
	}
	return true
}

// srvRecords returns the SRV records of a port, or with noPort of the Service itself, and the total
// number.
func (s *service) srvRecords(port, limit int) ([]backend.Record, int) {
	total, at := s.CountTargets(port), 0
	n := min(limit, total)
	if n < total {
		at = s.SeekTarget(port, rand.IntN(total))
	}
	rs := make([]backend.Record, n)
	var t backend.Target
	for i := range rs {
		at = s.NextTarget(port, at, limit, &t)
		rs[i] = srvRecord(&t)
	}
	return rs, total
}

// hostTargets returns the SRV records of one name for a port.
func (s *service) hostTargets(port int, label string, limit int) []backend.Record {
	var rs []backend.Record
	var t backend.Target
	names := s.members()
	members := names.all
	first, end := names.find(label)
	numbers := portNumbers{}
	if s.mixed(port) {
		numbers = s.numbersOf(port)
	}
	for i := first; i < end && len(rs) < limit; i++ {
		if s.mixed(port) && !numbers.isTarget(members, i) || !s.mixed(port) && i > first {
			continue
		}
		s.NextTarget(port, i, limit, &t)
		rs = append(rs, srvRecord(&t))
	}
	return rs
}

// srvRecord returns the record of a target.
func srvRecord(t *backend.Target) backend.Record {
	r := backend.Record{Type: backend.TypeSRV, TTL: ttl, Host: t.Host, Port: t.Port}
	if len(t.Label) > 0 {
		r.Host = strings.Join([]string{string(t.Label), t.Host}, ".")
	}
	for raw := t.A; len(raw) > 0; raw = raw[4:] {
		r.Addrs = append(r.Addrs, addrFrom(string(raw[:4])))
	}
	for raw := t.AAAA; len(raw) > 0; raw = raw[16:] {
		r.Addrs = append(r.Addrs, addrFrom(string(raw[:16])))
	}
	return r
}
