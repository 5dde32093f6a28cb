package conformance

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// compare reports how a section differs from the expected records: as a multiset, or in
// order if strict.
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
			return fmt.Sprintf("%s: record %d: got %s, want %s", section, i+1, text(got[i]), r)
		}
	}
	return ""
}

// contains reports the expected records that a section lacks.
func contains(section string, want []Record, got []dns.RR) string {
	lacking, _ := pair(want, got)
	return differences(section, lacking, nil)
}

// within reports the records of a section that are not allowed.
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
	b.WriteString(section + ":")
	for _, r := range lacking {
		b.WriteString("\n    want " + r.String())
	}
	for _, rr := range extra {
		b.WriteString("\n    got  " + text(rr))
	}
	return b.String()
}

// text returns a record in zone-file form, one blank between fields.
func text(rr dns.RR) string {
	return strings.Join(fields(rr.String()), " ")
}

// pair matches as many expected records as possible with one record of the reply each, and
// returns the rest of both sides. Since * and an absent TTL match several records, this is
// the matching of a bipartite graph by augmenting paths.
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
