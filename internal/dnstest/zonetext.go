package dnstest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/rcode"
)

// Records parses zone text (RFC 1035 section 5): one record a line, "owner ttl class type rdata".
// Names without a final dot are complete. The default class is IN. The default TTL is the TTL of
// the line before (at first 0). Bad text fails the test.
func Records(t testing.TB, zone string) []dns.RR {
	t.Helper()
	records, err := parseZone(zone)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func parseZone(zone string) ([]dns.RR, error) {
	parser := dns.NewZoneParser(strings.NewReader(zone), ".", "")
	parser.SetDefaultTTL(0)
	var records []dns.RR
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		records = append(records, rr)
	}
	if err := parser.Err(); err != nil {
		return nil, fmt.Errorf("parse zone text: %w", err)
	}
	return records, nil
}

// Text returns records as zone text: one a line in the given order, fields
// separated by single spaces.
func Text(records []dns.RR) string {
	var b strings.Builder
	for _, rr := range records {
		b.WriteString(line(rr) + "\n")
	}
	return b.String()
}

// line returns one record. The library separates the header's fields by tabs.
func line(rr dns.RR) string {
	return strings.Replace(rr.String(), "\t", " ", 4)
}

// DiffRecords compares records with zone text as a multiset: the order does not
// matter, the letter case of names and the number of equal records do. It returns
// "" when they agree, else a diff of sorted lines. Bad zone text fails the test.
func DiffRecords(t testing.TB, want string, got []dns.RR) string {
	t.Helper()
	return cmp.Diff(sortedLines(Records(t, want)), sortedLines(got))
}

func sortedLines(records []dns.RR) []string {
	lines := make([]string, len(records))
	for i, rr := range records {
		lines[i] = line(rr)
	}
	slices.Sort(lines)
	return lines
}

// MessageText returns the parts of a reply that tests can compare, without its ID: rcode and flags,
// then each section with records, as zone text in the order received. The OPT record is last, in
// its own form.
//
//	SERVFAIL rd ra
//	opt: version 0 size 1232
//	extended error: 14 "waiting for the first list"
func MessageText(m *dns.Msg) string {
	var b strings.Builder
	b.WriteString(rcode.Text(m.Rcode))
	for _, flag := range []struct {
		set  bool
		name string
	}{
		{m.Authoritative, "aa"}, {m.Truncated, "tc"}, {m.RecursionDesired, "rd"}, {m.RecursionAvailable, "ra"},
		{m.Zero, "z"}, {m.AuthenticatedData, "ad"}, {m.CheckingDisabled, "cd"},
	} {
		if flag.set {
			b.WriteString(" " + flag.name)
		}
	}
	b.WriteString("\n")
	writeSection(&b, "answer", m.Answer)
	writeSection(&b, "authority", m.Ns)
	writeSection(&b, "additional", slices.DeleteFunc(slices.Clone(m.Extra), isOPT))
	if opt := m.IsEdns0(); opt != nil {
		b.WriteString(optText(opt))
	}
	return b.String()
}

func writeSection(b *strings.Builder, name string, records []dns.RR) {
	if len(records) > 0 {
		b.WriteString(name + ":\n" + Text(records))
	}
}

func isOPT(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeOPT }

func optText(opt *dns.OPT) string {
	var text strings.Builder
	fmt.Fprintf(&text, "opt: version %d size %d", opt.Version(), opt.UDPSize())
	if opt.Do() {
		text.WriteString(" do")
	}
	text.WriteString("\n")
	for _, option := range opt.Option {
		if ede, ok := option.(*dns.EDNS0_EDE); ok {
			fmt.Fprintf(&text, "extended error: %d %q\n", ede.InfoCode, ede.ExtraText)
			continue
		}
		fmt.Fprintf(&text, "option %d: %s\n", option.Option(), option)
	}
	return text.String()
}
