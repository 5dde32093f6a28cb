package conformance

import (
	"fmt"
	"slices"
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
	extra := slices.DeleteFunc(slices.Clone(got), func(rr dns.RR) bool {
		return slices.ContainsFunc(allowed, func(r Record) bool { return r.matches(rr) })
	})
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

// pair matches each expected record with one record of the reply, and returns the rest of both
// sides. Exact records are matched first: * and an absent TTL match several records.
func pair(want []Record, got []dns.RR) (lacking []Record, extra []dns.RR) {
	looseness := func(r Record) int {
		if r.TTL == nil {
			return 1 + 2*strings.Count(r.Rdata, "*")
		}
		return 2 * strings.Count(r.Rdata, "*")
	}
	exactFirst := slices.SortedStableFunc(slices.Values(want), func(a, b Record) int {
		return looseness(a) - looseness(b)
	})
	extra = slices.Clone(got)
	for _, r := range exactFirst {
		if i := slices.IndexFunc(extra, r.matches); i >= 0 {
			extra = slices.Delete(extra, i, i+1)
		} else {
			lacking = append(lacking, r)
		}
	}
	return lacking, extra
}
