package wire_test

import (
	"math"
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/skydns/internal/wire"
)

// redirected returns the reply to a query for asked that leads to target, with a source's
// records, or nil.
func redirected(t testing.TB, asked, target string, source []byte, limit int) []byte {
	t.Helper()
	packet, err := new(dns.Msg).SetQuestion(asked, dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	var q wire.Query
	if !q.Parse(packet) {
		t.Fatalf("no plain query: %x", packet)
	}
	s, ok := wire.ReadSource(source)
	if !ok {
		return nil
	}
	var r wire.Reply
	r.Begin(nil, packet, &q, wire.Success)
	r.Alias(7, target)
	if !r.Copy(&s, 8, 9, limit) {
		return nil
	}
	return r.Buf
}

// sourceOf packs a reply to a question for target.
func sourceOf(t testing.TB, target, answers, authority string) []byte {
	t.Helper()
	m := new(dns.Msg).SetReply(new(dns.Msg).SetQuestion(target, dns.TypeA))
	m.Compress, m.Answer, m.Ns = true, dnstest.Records(t, answers), dnstest.Records(t, authority)
	packed, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

func TestCopy(t *testing.T) {
	const asked, target = "www.example.com.ns.svc.cluster.local.", "www.example.com."
	for _, tt := range []struct{ name, answers, authority, want string }{
		{"an address", "www.example.com. 5 IN A 192.0.2.1", "", "www.example.com. 8 IN A 192.0.2.1\n"},
		{
			"pointers into the question, and to a record before",
			"www.example.com. 5 IN CNAME a.example.com.\na.example.com. 5 IN CNAME b.a.example.com.\n" +
				"b.a.example.com. 5 IN A 192.0.2.1", "",
			"www.example.com. 8 IN CNAME a.example.com.\na.example.com. 8 IN CNAME b.a.example.com.\n" +
				"b.a.example.com. 8 IN A 192.0.2.1\n",
		},
		{
			"names in other data",
			"www.example.com. 5 IN MX 1 mx.example.com.\nwww.example.com. 5 IN PTR mx.example.com.", "",
			"www.example.com. 8 IN MX 1 mx.example.com.\nwww.example.com. 8 IN PTR mx.example.com.\n",
		},
		{"a denial", "", "com. 5 IN SOA ns.example.com. root.com. 1 2 3 4 5", ""},
		{
			"a denial after an alias", "www.example.com. 5 IN CNAME a.example.net.",
			"net. 5 IN SOA a.example.net. root.example.com. 1 2 3 4 5", "www.example.com. 8 IN CNAME a.example.net.\n",
		},
	} {
		source := sourceOf(t, target, tt.answers, tt.authority)
		m := new(dns.Msg)
		reply := redirected(t, asked, target, source, math.MaxUint16)
		if err := m.Unpack(reply); err != nil {
			t.Errorf("%s: %x: %v", tt.name, reply, err)
			continue
		}
		want := asked + " 7 IN CNAME www.example.com.\n" + tt.want
		if diff := dnstest.DiffRecords(t, want, m.Answer); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		for _, rr := range dnstest.Records(t, tt.authority) {
			rr.Header().Ttl = 9
			if len(m.Ns) != 1 || m.Ns[0].String() != rr.String() {
				t.Errorf("%s: got %v, want %v", tt.name, m.Ns, rr)
			}
		}
		for _, limit := range []int{len(reply) - 1, 20} {
			if redirected(t, asked, target, source, limit) != nil {
				t.Errorf("%s: a reply of %d bytes in %d", tt.name, len(reply), limit)
			}
		}
	}
}

func TestReadSource(t *testing.T) {
	const soa = "com. 60 IN SOA ns.example.com. root.com. 1 2 3 4 50"
	s, ok := wire.ReadSource(sourceOf(t, "a.com.", "a.com. 70 IN CNAME b.com.\nb.com. 40 IN A 192.0.2.1", soa))
	if !ok || s.Rcode != 0 || s.Answers != 2 || s.Type != dns.TypeA || s.TTL != 40 || s.NegativeTTL != 50 {
		t.Errorf("got %+v, %v", s, ok)
	}
	for name, source := range map[string][]byte{
		"NS":         sourceOf(t, "a.com.", "", "com. 60 IN NS ns.example.com."),
		"a TXT":      sourceOf(t, "a.com.", "a.com. 70 IN TXT \"text\"", ""),
		"two SOA":    sourceOf(t, "a.com.", "", soa+"\n"+soa),
		"cut":        sourceOf(t, "a.com.", "a.com. 70 IN A 192.0.2.1", "")[:30],
		"no message": {0, 1, 2},
	} {
		if _, ok := wire.ReadSource(source); ok {
			t.Errorf("%s: is read", name)
		}
	}
}

// FuzzCopy: the records of a message packed by the library do not change.
func FuzzCopy(f *testing.F) {
	const target = "www.example.com."
	f.Add(sourceOf(f, target, "www.example.com. 5 IN MX 1 mx.example.com.", ""))
	f.Add(sourceOf(f, target, "www.example.com. 5 IN CNAME a.example.net.",
		"net. 5 IN SOA a.example.net. root.example.com. 1 2 3 4 5"))
	f.Fuzz(func(t *testing.T, message []byte) {
		want := new(dns.Msg)
		if want.Unpack(message) != nil {
			return
		}
		want.Question = []dns.Question{{Name: target, Qtype: dns.TypeA, Qclass: dns.ClassINET}}
		want.Compress, want.Extra = true, nil
		source, err := want.Pack()
		if err != nil || want.Unpack(source) != nil {
			return
		}
		reply := redirected(t, "www.example.com.ns.svc.cluster.local.", target, source, 4096)
		if reply == nil {
			return
		}
		got := new(dns.Msg)
		if err := got.Unpack(reply); err != nil {
			t.Fatalf("source %x\nreply %x: %v", source, reply, err)
		}
		for i, rr := range append(got.Answer[1:], got.Ns...) {
			same := append(want.Answer, want.Ns...)[i]
			if same.Header().Ttl = rr.Header().Ttl; rr.String() != same.String() {
				t.Errorf("got %s, want %s", rr, same)
			}
		}
		if end, d := wire.Check(reply); d != wire.Sound || end != len(reply) || len(got.Answer) != 1+len(want.Answer) {
			t.Errorf("source %x\nreply %x: %s, %d of %d bytes", source, reply, d, end, len(reply))
		}
	})
}
