package conformance

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// records returns all lists of records.
func (e Expect) records() []Records {
	lists := []Records{e.Answer, e.AnswerContains, e.AnswerSubset, e.Additional, e.AdditionalContains}
	if e.Authority != nil {
		lists = append(lists, e.Authority.Records)
	}
	return append(lists, e.AnswerAnyOf...)
}

var flagNames = []string{"aa", "tc", "rd", "ra", "ad", "cd"}

// Check compares reply and err of [Ask] with the expected reply and returns the differences as
// text. now is compared with the serial of the SOA record. The query must have no macros.
func (q Query) Check(reply Reply, err error, now time.Time) []string {
	switch {
	case q.NoReply && errors.Is(err, ErrNoReply):
		return nil
	case err != nil:
		return []string{err.Error()}
	case q.NoReply:
		return []string{"got a reply, want none"}
	}
	checks := slices.Concat([]string{
		reply.checkRepeats(),
		q.checkRcode(reply.Msg.Rcode),
		q.checkOPT(reply.Msg),
		q.checkOwnerCase(reply.Msg.Answer),
		q.checkAuthority(reply.Msg.Ns, q.Zone, now),
		q.checkSize(len(reply.Wire)),
	}, q.checkFlags(reply.Msg), q.checkAnswer(reply.Msg.Answer), q.checkAdditional(reply.Msg.Extra))
	var problems []string
	for _, problem := range checks {
		if problem != "" {
			problems = append(problems, problem)
		}
	}
	return problems
}

func (e Expect) checkRcode(got int) string {
	want, err := rcodes(e.Rcode)
	if err != nil {
		return err.Error()
	}
	if slices.Contains(want, got) {
		return ""
	}
	return fmt.Sprintf("rcode: got %s, want %s", rcodeName(got), e.Rcode)
}

// rcodeBadVers is the name of code 16 in RFC 6891. The library names it BADSIG.
const rcodeBadVers = "BADVERS"

// rcodes reads names of rcodes joined by |.
func rcodes(text string) ([]int, error) {
	var list []int
	for name := range strings.SplitSeq(text, "|") {
		code, ok := dns.StringToRcode[name]
		if name == rcodeBadVers {
			code, ok = dns.RcodeBadVers, true
		}
		if !ok {
			return nil, fmt.Errorf("rcode: unknown name %q", name)
		}
		list = append(list, code)
	}
	return list, nil
}

func rcodeName(code int) string {
	if code == dns.RcodeBadVers {
		return rcodeBadVers
	}
	return cmp.Or(dns.RcodeToString[code], fmt.Sprint(code))
}

func (e Expect) checkFlags(m *dns.Msg) []string {
	got := map[string]bool{
		"aa": m.Authoritative, "tc": m.Truncated, "rd": m.RecursionDesired,
		"ra": m.RecursionAvailable, "ad": m.AuthenticatedData, "cd": m.CheckingDisabled,
	}
	var problems []string
	for _, flag := range flagNames {
		if want, ok := e.Flags[flag]; ok && want != got[flag] {
			problems = append(problems, fmt.Sprintf("flag %s: got %t, want %t", flag, got[flag], want))
		}
	}
	return problems
}

func (e Expect) checkOPT(m *dns.Msg) string {
	if e.OPT == nil || *e.OPT == (m.IsEdns0() != nil) {
		return ""
	}
	if *e.OPT {
		return "OPT record: got none, want one"
	}
	return "OPT record: got one, want none"
}

func (q Query) checkOwnerCase(answer []dns.RR) string {
	if q.OwnerCase == "" {
		return ""
	}
	for _, rr := range answer {
		if rr.Header().Name != dns.Fqdn(q.Question.Name) {
			return fmt.Sprintf("owner: got %s, want the spelling of the query, %s", rr.Header().Name,
				dns.Fqdn(q.Question.Name))
		}
	}
	return ""
}

func (e Expect) checkSize(size int) string {
	if e.MaxSize == 0 || size <= e.MaxSize {
		return ""
	}
	return fmt.Sprintf("size: got %d bytes, want at most %d", size, e.MaxSize)
}

func (e Expect) checkAnswer(got []dns.RR) []string {
	var problems []string
	add := func(problem string) { problems = append(problems, problem) }
	if e.Answer != nil {
		add(compare("answer", e.Answer, got, e.Order == "strict"))
	}
	if e.AnswerAnyOf != nil && !slices.ContainsFunc(e.AnswerAnyOf, func(alternative Records) bool {
		return compare("answer", alternative, got, e.Order == "strict") == ""
	}) {
		add("answer: got none of the alternatives")
	}
	if e.AnswerContains != nil {
		add(contains("answer", e.AnswerContains, got))
	}
	if e.AnswerSubset != nil {
		add(within("answer", e.AnswerSubset, got))
	}
	if e.AnswerCount != nil && len(got) != *e.AnswerCount {
		add(fmt.Sprintf("answer: got %d records, want %d", len(got), *e.AnswerCount))
	}
	if e.AnswerMin != nil && len(got) < *e.AnswerMin {
		add(fmt.Sprintf("answer: got %d records, want at least %d", len(got), *e.AnswerMin))
	}
	return problems
}

func (e Expect) checkAdditional(extra []dns.RR) []string {
	var got []dns.RR
	for _, rr := range extra {
		if rr.Header().Rrtype != dns.TypeOPT {
			got = append(got, rr)
		}
	}
	var problems []string
	if e.Additional != nil {
		problems = append(problems, compare("additional", e.Additional, got, false))
	}
	if e.AdditionalContains != nil {
		problems = append(problems, contains("additional", e.AdditionalContains, got))
	}
	return problems
}

func (e Expect) checkAuthority(got []dns.RR, zone string, now time.Time) string {
	switch {
	case e.Authority == nil:
		return ""
	case e.Authority.SOA:
		return checkNegativeSOA(got, cmp.Or(zone, Zone), now)
	}
	return compare("authority", e.Authority.Records, got, false)
}

// checkNegativeSOA checks the authority section of a negative reply of the zone: only its
// SOA record, with the TTL of RFC 2308 section 3 and a full hour as serial.
func checkNegativeSOA(got []dns.RR, zone string, now time.Time) string {
	ttl := uint32(60)
	want := Record{
		Owner: zone, Type: "SOA", TTL: &ttl,
		Rdata: "ns.dns." + zone + " hostmaster." + zone + " * 28800 7200 604800 60",
	}
	if problem := compare("authority", []Record{want}, got, false); problem != "" {
		return problem
	}
	serial := int64(got[0].(*dns.SOA).Serial)
	if serial%3600 != 0 {
		return fmt.Sprintf("authority: got serial %d, want the Unix time of a full hour", serial)
	}
	if off := now.Sub(time.Unix(serial, 0)).Abs(); off > 2*time.Hour {
		return fmt.Sprintf("authority: got serial %d, %s away from now, want at most 2h", serial,
			off.Round(time.Second))
	}
	return ""
}
