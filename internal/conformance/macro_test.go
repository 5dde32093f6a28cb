package conformance

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Only a complete run shows macros and ClusterIPs of the API from outside, so these tests are
// internal.
func TestExpand(t *testing.T) {
	n := names{
		resolver: netip.MustParseAddrPort("127.0.0.1:5300"),
		given:    map[netip.Addr]netip.Addr{netip.MustParseAddr("10.96.70.10"): netip.MustParseAddr("10.0.0.1")},
	}
	cases := []struct{ name, text, want string }{
		{"hash", "{hash:10.0.0.1}.svc", "3234633364383235.svc"},
		{"hash of a ClusterIP that became another", "{hash:10.96.70.10}", "3234633364383235"},
		{"hash twice", "{hash:10.0.0.1}{hash:10.0.0.1}", "32346333643832353234633364383235"},
		{"reverse", "{arpa:10.96.70.11}", "11.70.96.10.in-addr.arpa"},
		{"reverse of a ClusterIP that became another", "{arpa:10.96.70.10}", "1.0.0.10.in-addr.arpa"},
		{"reverse v6", "{arpa:2001:db8::1}",
			"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"},
		{"resolver", `["127.0.0.1:9", "{resolver}"]`, `["127.0.0.1:9", "127.0.0.1:5300"]`},
		{"resolver in a JSON object", `{"a.example": ["{resolver}"]}`, `{"a.example": ["127.0.0.1:5300"]}`},
		{"braces that are no macro", `{"a.example": ["192.0.2.1"]}`, `{"a.example": ["192.0.2.1"]}`},
		{"address outside of a macro", "10.96.70.10", "10.96.70.10"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := n.expand(c.text)
			if err != nil || got != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
	if _, err := n.expand("{arpa:somewhere}"); err == nil {
		t.Error("a macro without address is no error")
	}
}

// Every list of records is expanded; the File's own lists do not change.
func TestExpandQuery(t *testing.T) {
	n := names{given: map[netip.Addr]netip.Addr{
		netip.MustParseAddr("10.96.70.10"):   netip.MustParseAddr("10.0.0.1"),
		netip.MustParseAddr("fd00:10:96::1"): netip.MustParseAddr("fd00::1"),
	}}
	before := []Record{
		{Owner: "{hash:10.96.70.10}", Type: "A", Rdata: "10.96.70.10"},
		{Owner: "a", Type: "AAAA", Rdata: "fd00:10:96::1"},
		{Owner: "a", Type: "TXT", Rdata: "10.96.70.10"},
	}
	after := []Record{
		{Owner: "3234633364383235", Type: "A", Rdata: "10.0.0.1"},
		{Owner: "a", Type: "AAAA", Rdata: "fd00::1"},
		{Owner: "a", Type: "TXT", Rdata: "10.96.70.10"},
	}
	expect := func(r []Record) Expect {
		return Expect{
			Answer: r, AnswerContains: r, AnswerSubset: r, AnswerAnyOf: []Records{{}, r},
			Authority: &Authority{Records: r}, Additional: r, AdditionalContains: r,
		}
	}
	query := Query{Question: Question{Name: "{hash:10.96.70.10}.a"}, Expect: expect(before)}
	got, err := n.query(query)
	if err != nil {
		t.Fatal(err)
	}
	want := Query{Question: Question{Name: "3234633364383235.a"}, Expect: expect(after)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("expanded (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Query{Question: Question{Name: "{hash:10.96.70.10}.a"}, Expect: expect(before)},
		query); diff != "" {
		t.Errorf("original changed:\n%s", diff)
	}
	if got, err := n.query(Query{}); err != nil || got.Answer != nil || got.Authority != nil {
		t.Errorf("absent keys: got %+v, %v", got, err)
	}
}
