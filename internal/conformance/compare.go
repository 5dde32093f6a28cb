package conformance

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// compare reports how a section differs from the records it has to be: as a
// multiset, or position by position when strict.
func compare(section string, want []Record, got []dns.RR, strict bool) string {
	lacking, extra := pair(want, got)
	if len(lacking) > 0 || len(extra) > 0 {
		return differences(section, lacking, extra)
	}
	if !strict {
		return ""
	}
	for i, r := range want {
		if !r.matches(got[i]) {
			return fmt.Sprintf("%s: record %d is %s, not %s", section, i+1, text(got[i]), r)
		}
	}
	return ""
}

// contains reports which of the records a section lacks.
func contains(section string, want []Record, got []dns.RR) string {
	lacking, _ := pair(want, got)
	return differences(section, lacking, nil)
}

// within reports which records of a section are not in the list.
func within(section string, allowed []Record, got []dns.RR) string {
	var extra []dns.RR
	for _, rr := range got {
		ok := false
		for _, r := range allowed {
			ok = ok || r.matches(rr)
		}
		if !ok {
			extra = append(extra, rr)
		}
	}
	return differences(section, nil, extra)
}

func differences(section string, lacking []Record, extra []dns.RR) string {
	if len(lacking) == 0 && len(extra) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(section + " differs")
	for _, r := range lacking {
		b.WriteString("\n    lacks " + r.String())
	}
	for _, rr := range extra {
		b.WriteString("\n    has   " + text(rr))
	}
	return b.String()
}

// text returns a record in zone-file form, one blank between fields.
func text(rr dns.RR) string {
	return strings.Join(fields(rr.String()), " ")
}

// pair gives each wanted record a record of the reply that matches it, each
// only once, and as many as can be; it returns what is left on both sides.
// Since * and an absent TTL match several records, taking the first that fits
// would not do: this is the matching of a bipartite graph by augmenting paths.
func pair(want []Record, got []dns.RR) (lacking []Record, extra []dns.RR) {
	owner := make([]int, len(got)) // got -> want, or -1
	for i := range owner {
		owner[i] = -1
	}
	var assign func(w int, tried []bool) bool
	assign = func(w int, tried []bool) bool {
		for g, rr := range got {
			if tried[g] || !want[w].matches(rr) {
				continue
			}
			tried[g] = true
			if owner[g] < 0 || assign(owner[g], tried) {
				owner[g] = w
				return true
			}
		}
		return false
	}
	for w := range want {
		if !assign(w, make([]bool, len(got))) {
			lacking = append(lacking, want[w])
		}
	}
	for g, w := range owner {
		if w < 0 {
			extra = append(extra, got[g])
		}
	}
	return lacking, extra
}
