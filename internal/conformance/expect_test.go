package conformance_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/conformance"
)

// now is the time to compare serials with: half past an hour.
var now = time.Unix(1_700_000_000/3600*3600+1800, 0)

const (
	name  = "web.shop.svc.cluster.local."
	one   = name + " 30 IN A 10.0.0.1"
	two   = name + " 30 IN A 10.0.0.2"
	three = name + " 30 IN A 10.0.0.3"
	cname = name + " 30 IN CNAME target.example."

	wantOne   = "web.shop.svc.cluster.local 30 A 10.0.0.1"
	wantTwo   = "web.shop.svc.cluster.local A 10.0.0.2"
	wantThree = "web.shop.svc.cluster.local A 10.0.0.3"
	wantAny   = "web.shop.svc.cluster.local A *"
)

func soa(ttl int, serial int64, rest string) string {
	return fmt.Sprintf("cluster.local. %d IN SOA ns.dns.cluster.local. hostmaster.cluster.local. %d %s", ttl,
		serial, rest)
}

var (
	soaNumbers = "28800 7200 604800 60"
	thisHour   = now.Unix() / 3600 * 3600
)

// checkCase is an expectation, a reply, and a part of the reported difference, or "" if
// there is none.
type checkCase struct {
	name   string
	expect string // keys besides name and type, as YAML
	reply  message
	want   string
}

func runChecks(t *testing.T, cases []checkCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			q := query(t, "query: web.shop.svc.cluster.local A, "+c.expect)
			server := rawServer(t, func(request []byte, _ bool) []byte { return c.reply.wire(t, request) })
			reply, err := conformance.Ask(t.Context(), server, q)
			got := strings.Join(q.Check(reply, err, now), "\n")
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestCheckHeader(t *testing.T) {
	badVers := message{rcode: dns.RcodeBadVers, opt: true}
	runChecks(t, []checkCase{
		{"rcode", "rcode: NXDOMAIN", message{rcode: dns.RcodeNameError}, ""},
		{"other rcode", "rcode: NXDOMAIN", message{}, "rcode: got NOERROR, want NXDOMAIN"},
		{"one of two rcodes", "rcode: NOERROR|SERVFAIL", message{rcode: dns.RcodeServerFailure}, ""},
		{"none of two rcodes", "rcode: NOERROR|SERVFAIL", message{rcode: dns.RcodeRefused}, "rcode: got REFUSED"},
		{"extended rcode", "rcode: BADVERS", badVers, ""},
		{"missing extended rcode", "rcode: BADVERS", message{opt: true}, "rcode: got NOERROR, want BADVERS"},
		{"unwanted extended rcode", "rcode: NOERROR", badVers, "rcode: got BADVERS, want NOERROR"},
		{"no rcode in the vector", "", message{}, "rcode: unknown name"},

		{"flags", "rcode: NOERROR, flags: {aa: true, tc: false, rd: true, ra: true, ad: false, cd: false}",
			message{flags: "aa ra"}, ""},
		{"flags not named", "rcode: NOERROR, flags: {aa: true}", message{flags: "aa ra tc ad cd"}, ""},
		{"aa missing", "rcode: NOERROR, flags: {aa: true}", message{flags: "ra"}, "flag aa: got false, want true"},
		{"aa set", "rcode: NOERROR, flags: {aa: false}", message{flags: "aa"}, "flag aa: got true, want false"},
		{"tc set", "rcode: NOERROR, flags: {tc: false}", message{flags: "tc"}, "flag tc: got true"},
		{"rd copied", "rcode: NOERROR, flags: {rd: false}", message{}, "flag rd: got true"},
		{"ra missing", "rcode: NOERROR, flags: {ra: true}", message{}, "flag ra: got false"},
		{"ad set", "rcode: NOERROR, flags: {ad: false}", message{flags: "ad"}, "flag ad: got true"},
		{"cd missing", "rcode: NOERROR, flags: {cd: true}", message{}, "flag cd: got false"},

		{"opt", "rcode: NOERROR, opt: true", message{opt: true}, ""},
		{"opt missing", "rcode: NOERROR, opt: true", message{}, "OPT record: got none, want one"},
		{"no opt", "rcode: NOERROR, opt: false", message{}, ""},
		{"opt unwanted", "rcode: NOERROR, opt: false", message{opt: true}, "OPT record: got one, want none"},

		// A header of 12 bytes, a name of 28, type and class.
		{"largest size", "rcode: NOERROR, max_size: 44", message{}, ""},
		{"too large", "rcode: NOERROR, max_size: 43", message{}, "size: got 44 bytes, want at most 43"},
		{"reply instead of none", "no_reply: true", message{}, "got a reply, want none"},
	})
}

func TestCheckAnswer(t *testing.T) {
	list := func(records ...string) string { return "rcode: NOERROR, answer: [" + strings.Join(records, ", ") + "]" }
	chain := []string{cname, "target.example. 60 IN A 192.0.2.1"}
	wantChain := list("web.shop.svc.cluster.local CNAME target.example", "target.example A 192.0.2.1")
	runChecks(t, []checkCase{
		{"same", list(wantOne), message{answer: []string{one}}, ""},
		{"other order", list(wantOne, wantTwo), message{answer: []string{two, one}}, ""},
		{"chain", wantChain, message{answer: chain}, ""},
		{"empty", list(), message{}, ""},
		{"not empty", list(), message{answer: []string{one}}, "got  " + one},
		{"one too few", list(wantOne, wantTwo), message{answer: []string{one}},
			"want web.shop.svc.cluster.local. * IN A 10.0.0.2"},
		{"one too many", list(wantOne), message{answer: []string{one, two}}, "got  " + two},
		{"the same twice", list(wantOne), message{answer: []string{one, one}}, "got  " + one},
		{"twice wanted", list(wantOne, wantOne), message{answer: []string{one}}, "want "},
		{"other rdata", list(wantOne), message{answer: []string{two}}, "want "},
		{"other ttl", list(wantOne), message{answer: []string{name + " 29 IN A 10.0.0.1"}}, "want "},
		{"ttl not said", list(wantTwo), message{answer: []string{name + " 29 IN A 10.0.0.2"}}, ""},
		{"other owner", list(wantOne), message{answer: []string{"x." + name + " 30 IN A 10.0.0.1"}}, "want "},
		{"other type", list("web.shop.svc.cluster.local TXT *"), message{answer: []string{one}}, "want "},
		{"other class", list("web.shop.svc.cluster.local CH A *"), message{answer: []string{one}}, "want "},
		{"order any", "order: any, " + list(wantOne, wantTwo), message{answer: []string{two, one}}, ""},
		{"order strict", "order: strict, " + list(wantOne, wantTwo), message{answer: []string{one, two}}, ""},
		{"order strict broken", "order: strict, " + list(wantOne, wantTwo), message{answer: []string{two, one}},
			"record 1: got " + two},

		{"contains", "rcode: NOERROR, answer_contains: [" + wantOne + "]", message{answer: []string{two, one}}, ""},
		{"contains not", "rcode: NOERROR, answer_contains: [" + wantThree + "]",
			message{answer: []string{two, one}}, "want "},
		{"subset", "rcode: NOERROR, answer_subset: [" + wantOne + ", " + wantTwo + "]",
			message{answer: []string{two}}, ""},
		{"subset of nothing", "rcode: NOERROR, answer_subset: [" + wantOne + "]", message{}, ""},
		{"no subset", "rcode: NOERROR, answer_subset: [" + wantOne + ", " + wantTwo + "]",
			message{answer: []string{two, three}}, "got  " + three},
		{"second alternative", "rcode: NOERROR, answer_any_of: [[" + wantOne + "], [" + wantTwo + "]]",
			message{answer: []string{two}}, ""},
		{"no alternative", "rcode: NOERROR, answer_any_of: [[" + wantOne + "], [" + wantTwo + "]]",
			message{answer: []string{one, two}}, "got none of the alternatives"},
		{"count", "rcode: NOERROR, answer_count: 2", message{answer: []string{one, two}}, ""},
		{"count of none", "rcode: NOERROR, answer_count: 0", message{answer: []string{one}},
			"answer: got 1 records, want 0"},
		{"other count", "rcode: NOERROR, answer_count: 1", message{answer: []string{one, two}},
			"answer: got 2 records, want 1"},
		{"min", "rcode: NOERROR, answer_min: 2", message{answer: []string{one, two}}, ""},
		{"under min", "rcode: NOERROR, answer_min: 2", message{answer: []string{one}},
			"answer: got 1 records, want at least 2"},
	})
}

// Accepted forms of a record, on both sides.
func TestCheckRecord(t *testing.T) {
	list := func(kind, rdata string) string {
		return fmt.Sprintf("rcode: NOERROR, answer: ['web.shop.svc.cluster.local %s %s']", kind, rdata)
	}
	got := func(rest string) message { return message{answer: []string{name + " 30 IN " + rest}} }
	runChecks(t, []checkCase{
		{"owner in other case", list("A", "10.0.0.1"),
			message{answer: []string{"WEB.Shop.svc.cluster.local. 1 IN A 10.0.0.1"}}, ""},
		{"name in other case", list("CNAME", "Target.Example"), got("CNAME target.example."), ""},
		{"name with dot", list("PTR", "target.example."), got("PTR target.example."), ""},
		{"other name", list("CNAME", "target.example"), got("CNAME target.example.org."), "want "},
		{"address in other form", list("AAAA", "2001:DB8:0:0::1"), got("AAAA 2001:db8::1"), ""},
		{"srv", list("SRV", "10 100 80 a.example"), got("SRV 10 100 80 a.example."), ""},
		{"srv weight", list("SRV", "10 100 80 a.example"), got("SRV 10 50 80 a.example."), "want "},
		{"srv any weight", list("SRV", "10 * 80 a.example."), got("SRV 10 50 80 a.example."), ""},
		{"srv any weight, other port", list("SRV", "10 * 80 a.example."), got("SRV 10 50 81 a.example."), "want "},
		{"text", list("TXT", `"hello there"`), got(`TXT "hello there"`), ""},
		{"text in other case", list("TXT", `"hello there"`), got(`TXT "Hello there"`), "want "},
		{"text in two strings", list("TXT", `"hello there"`), got(`TXT "hello" "there"`), "want "},
		{"any text", list("TXT", "*"), got(`TXT "hello \" there"`), ""},
		{"any text is one string", list("TXT", "*"), got(`TXT "hello" "there"`), "want "},
		{"star takes what others leave", "rcode: NOERROR, answer: [" + wantAny + ", " + wantOne + "]",
			message{answer: []string{one, two}}, ""},
		{"two stars are two records", "rcode: NOERROR, answer: [" + wantAny + ", " + wantAny + "]",
			message{answer: []string{one}}, "want "},
		{"exact case", "owner_case: exact, " + list("A", "10.0.0.1"), message{answer: []string{one}}, ""},
		{"not the exact case", "owner_case: exact, " + list("A", "10.0.0.1"),
			message{answer: []string{"Web.shop.svc.cluster.local. 30 IN A 10.0.0.1"}}, "want the spelling of the query"},
	})
}

func TestCheckOtherSections(t *testing.T) {
	good := soa(60, thisHour, soaNumbers)
	list := "rcode: NOERROR, authority: [resolver.test SOA ns.resolver.test. root.resolver.test. 1 7200 900 86400 60]"
	runChecks(t, []checkCase{
		{"soa", "rcode: NOERROR, authority: soa", message{authority: []string{good}}, ""},
		{"soa of two hours ago", "rcode: NOERROR, authority: soa",
			message{authority: []string{soa(60, thisHour-3600, soaNumbers)}}, ""},
		{"soa too old", "rcode: NOERROR, authority: soa",
			message{authority: []string{soa(60, thisHour-2*3600, soaNumbers)}}, "away from now"},
		{"soa of the future", "rcode: NOERROR, authority: soa",
			message{authority: []string{soa(60, thisHour+3*3600, soaNumbers)}}, "away from now"},
		{"soa serial no full hour", "rcode: NOERROR, authority: soa",
			message{authority: []string{soa(60, thisHour+1, soaNumbers)}}, "full hour"},
		{"soa ttl", "rcode: NOERROR, authority: soa", message{authority: []string{soa(30, thisHour, soaNumbers)}},
			"want "},
		{"soa minimum", "rcode: NOERROR, authority: soa",
			message{authority: []string{soa(60, thisHour, "28800 7200 604800 30")}}, "want "},
		{"soa of another zone", "rcode: NOERROR, authority: soa",
			message{authority: []string{strings.Replace(good, "cluster.local.", "svc.cluster.local.", 1)}}, "want "},
		{"soa twice", "rcode: NOERROR, authority: soa", message{authority: []string{good, good}}, "got  "},
		{"soa missing", "rcode: NOERROR, authority: soa", message{}, "want "},
		{"soa in the answer", "rcode: NOERROR, authority: soa", message{answer: []string{good}}, "want "},
		{"no authority", "rcode: NOERROR, authority: []", message{}, ""},
		{"unwanted authority", "rcode: NOERROR, authority: []", message{authority: []string{good}}, "got  "},
		{"authority not named", "rcode: NOERROR", message{authority: []string{good}}, ""},
		{"authority records", list, message{authority: []string{"resolver.test. 60 IN SOA ns.resolver.test. " +
			"root.resolver.test. 1 7200 900 86400 60"}}, ""},
		{"other authority records", list, message{authority: []string{good}}, "authority:\n    want "},

		{"additional", "rcode: NOERROR, additional: [" + wantOne + "]", message{extras: []string{one}}, ""},
		{"additional does not count OPT", "rcode: NOERROR, additional: []", message{opt: true}, ""},
		{"additional too few", "rcode: NOERROR, additional: [" + wantOne + ", " + wantTwo + "]",
			message{extras: []string{one}, opt: true}, "additional:\n    want "},
		{"additional unwanted", "rcode: NOERROR, additional: []", message{extras: []string{one}}, "got  " + one},
		{"additional contains", "rcode: NOERROR, additional_contains: [" + wantTwo + "]",
			message{extras: []string{one, two}}, ""},
		{"additional contains not", "rcode: NOERROR, additional_contains: [" + wantTwo + "]",
			message{extras: []string{one}}, "want "},
	})
}

func TestCheckNoReply(t *testing.T) {
	silent := conformance.Query{Expect: conformance.Expect{NoReply: true}}
	if got := silent.Check(conformance.Reply{}, conformance.ErrNoReply, now); got != nil {
		t.Errorf("no reply, as expected: got %q", got)
	}
	loud := conformance.Query{Expect: conformance.Expect{Rcode: "NOERROR"}}
	if got := loud.Check(conformance.Reply{}, conformance.ErrNoReply, now); len(got) != 1 {
		t.Errorf("no reply where one is expected: got %q", got)
	}
}
