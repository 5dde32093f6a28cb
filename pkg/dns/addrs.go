package dns

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"unsafe"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// addrs is an immutable, sorted set of addresses in network order, IPv4 before IPv6.
type addrs struct {
	text string
	// inline backs text when it fits, so the ClusterIPs share the value's cache line.
	inline [20]byte
	fours  uint32 // of IPv4
}

// An addrList collects addresses for addrs.
type addrList struct {
	fours []uint32
	sixes []netip.Addr
}

func (l *addrList) add(addr netip.Addr) {
	if addr.Is4() {
		ip := addr.As4()
		l.fours = append(l.fours, binary.BigEndian.Uint32(ip[:]))
	} else {
		l.sixes = append(l.sixes, addr)
	}
}

// keep stores the addresses of a list without duplicates.
func (a *addrs) keep(l *addrList) {
	slices.Sort(l.fours)
	slices.SortFunc(l.sixes, netip.Addr.Compare)
	fours, sixes := slices.Compact(l.fours), slices.Compact(l.sixes)
	packed, size := a.inline[:0], 4*len(fours)+16*len(sixes)
	if size > len(a.inline) {
		packed = make([]byte, 0, size)
	}
	for _, ip := range fours {
		packed = binary.BigEndian.AppendUint32(packed, ip)
	}
	for _, addr := range sixes {
		ip := addr.As16()
		packed = append(packed, ip[:]...)
	}
	a.fours = uint32(len(fours))
	a.text = unsafe.String(unsafe.SliceData(packed), len(packed)) // packed is not modified after this
}

func (a *addrs) keepAll(list []netip.Addr) {
	var room [2]uint32
	l := addrList{fours: room[:0]}
	for _, addr := range list {
		l.add(addr)
	}
	a.keep(&l)
}

// count returns the number of addresses.
func (a *addrs) count() int {
	fours := int(a.fours)
	return fours + (len(a.text)-4*fours)/16
}

// raw returns one address in network order.
func (a *addrs) raw(i int) string {
	fours := int(a.fours)
	if i < fours {
		return a.text[4*i : 4*i+4]
	}
	at := 4*fours + 16*(i-fours)
	return a.text[at : at+16]
}

// family returns the addresses of one family, A or AAAA, in network order.
func (a *addrs) family(rrtype uint16) string {
	switch rrtype {
	case backend.TypeA:
		return a.text[:4*a.fours]
	case backend.TypeAAAA:
		return a.text[4*a.fours:]
	}
	return ""
}

// at returns the address at an index.
func (a *addrs) at(i int) netip.Addr { return addrFrom(a.raw(i)) }

// all returns all addresses.
func (a *addrs) all() []netip.Addr {
	list := make([]netip.Addr, a.count())
	for i := range list {
		list[i] = a.at(i)
	}
	return list
}

// index returns the index of an address, or -1. It does not allocate.
func (a *addrs) index(addr netip.Addr) int {
	low, high := 0, a.count()
	for low < high {
		switch middle := (low + high) / 2; a.at(middle).Compare(addr) {
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

// addrFrom returns the address with these 4 or 16 bytes.
func addrFrom(raw string) netip.Addr {
	if len(raw) == 4 {
		return netip.AddrFrom4([4]byte([]byte(raw)))
	}
	return netip.AddrFrom16([16]byte([]byte(raw)))
}
