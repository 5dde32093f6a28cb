package querylog

import "slices"

// typeNames and rcodeNames are counted one by one, all other names as the last name.
var (
	typeNames = [...]string{
		"A", "AAAA", "SRV", "PTR", "CNAME", "TXT", "NS", "SOA", "MX", "HTTPS", "SVCB", "ANY", "other",
	}
	rcodeNames = [...]string{"NOERROR", "NXDOMAIN", "SERVFAIL", "REFUSED", "FORMERR", "NOTIMP", "other"}
)

// A tally counts entries, in total and by type and response code.
type tally struct {
	count, excess uint64 // excess: by how much the count may be too high
	types         [len(typeNames)]uint32
	rcodes        [len(rcodeNames)]uint32
}

func (t *tally) add(e *Entry) {
	t.count++
	t.types[indexOf(typeNames[:], e.TypeText())]++
	t.rcodes[indexOf(rcodeNames[:], e.RcodeText())]++
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

// indexOf returns the index of a name, or the last one for a name that is not in the list.
func indexOf(names []string, name string) int {
	if i := slices.Index(names, name); i >= 0 {
		return i
	}
	return len(names) - 1
}

// named returns the counts that are not 0, by name.
func named(names []string, counts []uint32) map[string]uint64 {
	m := map[string]uint64{}
	for i, n := range counts {
		if n > 0 {
			m[names[i]] = uint64(n)
		}
	}
	return m
}
