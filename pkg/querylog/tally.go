package querylog

import (
	"slices"

	"github.com/miekg/dns"
)

// namedTypes and namedRcodes are counted one by one, all others together.
var (
	namedTypes = [...]uint16{
		dns.TypeA, dns.TypeAAAA, dns.TypeSRV, dns.TypePTR, dns.TypeCNAME, dns.TypeTXT, dns.TypeNS, dns.TypeSOA,
		dns.TypeMX, dns.TypeHTTPS, dns.TypeSVCB, dns.TypeANY,
	}
	namedRcodes = [...]int{
		dns.RcodeSuccess, dns.RcodeNameError, dns.RcodeServerFailure, dns.RcodeRefused, dns.RcodeFormatError,
		dns.RcodeNotImplemented,
	}
)

// other is the name of all types and response codes that are not counted one by one.
const other = "other"

// A tally counts entries, and those of each type and response code.
type tally struct {
	count, excess uint64 // excess: by how much the count may be too high
	types         [len(namedTypes) + 1]uint32
	rcodes        [len(namedRcodes) + 1]uint32
}

func (t *tally) add(e *Entry) {
	t.count++
	t.types[indexOf(namedTypes[:], e.Type)]++
	t.rcodes[indexOf(namedRcodes[:], e.Rcode)]++
}

func (t *tally) merge(u *tally) {
	t.count += u.count
	t.excess += u.excess
	for i, n := range u.types {
		t.types[i] += n
	}
	for i, n := range u.rcodes {
		t.rcodes[i] += n
	}
}

// indexOf returns len(list) for a value that is not in the list.
func indexOf[T comparable](list []T, v T) int {
	for i, x := range list {
		if x == v {
			return i
		}
	}
	return len(list)
}

// byType returns the counts of the types that occurred.
func (t *tally) byType() map[string]uint64 {
	return named(t.types[:], func(i int) string { return typeText(namedTypes[i]) })
}

// byRcode returns the counts of the response codes that occurred.
func (t *tally) byRcode() map[string]uint64 {
	return named(t.rcodes[:], func(i int) string { return dns.RcodeToString[namedRcodes[i]] })
}

// named maps names to counts. The last count is that of all others.
func named(counts []uint32, name func(i int) string) map[string]uint64 {
	m := map[string]uint64{}
	for i, n := range counts {
		switch {
		case n == 0:
		case i == len(counts)-1:
			m[other] = uint64(n)
		default:
			m[name(i)] = uint64(n)
		}
	}
	return m
}

// countedRcodes returns the mnemonics of the response codes that are counted one by one.
func countedRcodes() []string {
	var names []string
	for _, code := range namedRcodes {
		names = append(names, dns.RcodeToString[code])
	}
	return names
}

func isCounted(rcode string) bool { return slices.Contains(countedRcodes(), rcode) }
