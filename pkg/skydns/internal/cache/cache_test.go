package cache

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
)

var start = time.Unix(1_700_000_000, 0)

type queryOption func(*dns.Msg)

func edns(do bool) queryOption { return func(m *dns.Msg) { m.SetEdns0(1232, do) } }

func query(t testing.TB, name string, qtype uint16, options ...queryOption) []byte {
	t.Helper()
	m := new(dns.Msg).SetQuestion(name, qtype)
	for _, option := range options {
		option(m)
	}
	packet, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return packet
}

func read(t testing.TB, packet []byte) Question {
	t.Helper()
	q, ok := Read(packet, 0)
	if !ok {
		t.Fatal("the query cannot be cached")
	}
	return q
}

// reply returns a reply to a query; sections are zone text.
func reply(t testing.TB, packet []byte, rcode int, answer, authority, extra string) []byte {
	t.Helper()
	q := new(dns.Msg)
	if err := q.Unpack(packet); err != nil {
		t.Fatal(err)
	}
	m := new(dns.Msg).SetRcode(q, rcode)
	m.RecursionAvailable = true
	m.Answer, m.Ns, m.Extra = dnstest.Records(t, answer), dnstest.Records(t, authority), dnstest.Records(t, extra)
	packed, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

const soa = "example. 600 IN SOA ns.example. host.example. 1 2 3 4 90"

// The records of a reply that a cache stores, and their TTL.
func TestKept(t *testing.T) {
	for _, tt := range []struct {
		name                     string
		qtype                    uint16
		rcode                    int
		answer, authority, extra string
		want                     string // of all sections; "": it is not kept
		ttl                      int
	}{
		{"addresses", dns.TypeA, 0, "www.example. 50 IN A 192.0.2.1", "", "", "www.example. 50 IN A 192.0.2.1\n", 50},
		{"nothing from additional and authority", dns.TypeA, 0, "www.example. 60 IN A 192.0.2.1",
			"example. 60 IN NS ns.example.", "ns.example. 60 IN A 203.0.113.66", "www.example. 60 IN A 192.0.2.1\n", 60},
		{"only the question's chain", dns.TypeA, 0,
			"a.example. 9 IN A 192.0.2.1\nwww.example. 60 IN CNAME a.example.\nbank.example. 60 IN A 203.0.113.66", "", "",
			"a.example. 9 IN A 192.0.2.1\nwww.example. 60 IN CNAME a.example.\n", 9},
		{"no such name", dns.TypeA, 3, "", soa, "", "example. 90 IN SOA ns.example. host.example. 1 2 3 4 90\n", 90},
		{"no data", dns.TypeA, 0, "", soa, "", "example. 90 IN SOA ns.example. host.example. 1 2 3 4 90\n", 90},
		{"negative after an alias", dns.TypeA, 3, "www.example. 20 IN CNAME a.other.", "other. 60 IN SOA . . 1 2 3 4 70", "",
			"www.example. 20 IN CNAME a.other.\nother. 60 IN SOA . . 1 2 3 4 70\n", 20},
		{"negative without SOA", dns.TypeA, 3, "", "", "", "", 0},
		{"SOA of another zone", dns.TypeA, 3, "", "other. 60 IN SOA . . 1 2 3 4 70", "", "", 0},
		{"TTL 0", dns.TypeA, 0, "www.example. 0 IN A 192.0.2.1", "", "", "", 0},
		{"TTL with the highest bit", dns.TypeA, 0, "www.example. 4294967295 IN A 192.0.2.1", "", "", "", 0},
		{"failure", dns.TypeA, 2, "", soa, "", "", 0},
		{"refused", dns.TypeA, 5, "", "", "", "", 0},
		{"another type", dns.TypeMX, 0, "www.example. 60 IN MX 1 a.example.", "", "", "www.example. 60 IN MX 1 a.example.\n",
			60},
		{"a loop of aliases", dns.TypeA, 0, "www.example. 60 IN CNAME www.example.", soa, "",
			"www.example. 60 IN CNAME www.example.\nexample. 90 IN SOA ns.example. host.example. 1 2 3 4 90\n", 60},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := New(MinSize)
			packet := query(t, "www.example.", tt.qtype)
			q := read(t, packet)
			c.Set(q, reply(t, packet, tt.rcode, tt.answer, tt.authority, tt.extra), start)
			kept, state := c.Get(q, start)
			if tt.want == "" {
				if state != Missing {
					t.Fatalf("state %d: it is kept", state)
				}
				return
			}
			m := unpack(t, kept)
			if diff := cmp.Diff(tt.want, dnstest.Text(slices.Concat(m.Answer, m.Ns, m.Extra))); diff != "" ||
				m.Rcode != tt.rcode {
				t.Errorf("rcode %d, records (-want +got):\n%s", m.Rcode, diff)
			}
			if _, state := c.Get(q, start.Add(time.Duration(tt.ttl)*time.Second-1)); state != Fresh {
				t.Errorf("state %d before the TTL is over", state)
			}
			if _, state := c.Get(q, start.Add(time.Duration(tt.ttl)*time.Second)); state != Stale {
				t.Errorf("state %d after it", state)
			}
		})
	}
}

func unpack(t testing.TB, packet []byte) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(packet); err != nil {
		t.Fatalf("%v in %x", err, packet)
	}
	return m
}

// A client gets its own ID, letter case, RD, CD and OPT, and TTLs that have decreased.
func TestReply(t *testing.T) {
	c := New(MinSize)
	first := query(t, "www.example.", dns.TypeA)
	c.Set(read(t, first), reply(t, first, 0, "www.example. 60 IN CNAME a.example.\na.example. 60 IN A 192.0.2.1", "", ""),
		start)
	packet := query(t, "wWw.eXample.", dns.TypeA, edns(false))
	kept, state := c.Get(read(t, packet), start.Add(10*time.Second))
	m, want := unpack(t, kept), unpack(t, packet)
	if state != Fresh || m.Id != want.Id || m.Question[0] != want.Question[0] || m.IsEdns0() == nil ||
		!m.Response || !m.RecursionDesired || !m.RecursionAvailable || m.Authoritative {
		t.Errorf("state %d:\n%s", state, m)
	}
	if got := dnstest.Text(m.Answer); !strings.Contains(got, "wWw.eXample. 50 IN CNAME") {
		t.Error(got)
	}
}

// DO, CD and AD are parts of the key, as are the route and the type. The letter case and EDNS
// without DO are not.
func TestKeys(t *testing.T) {
	base := query(t, "www.example.", dns.TypeA)
	of := func(packet []byte, route uint64) string {
		q, ok := Read(packet, route)
		if !ok {
			t.Fatal("not cacheable")
		}
		return q.key
	}
	different := map[string]string{
		"plain": of(base, 0), "DO": of(query(t, "www.example.", dns.TypeA, edns(true)), 0), "route": of(base, 1),
		"CD":   of(query(t, "www.example.", dns.TypeA, func(m *dns.Msg) { m.CheckingDisabled = true }), 0),
		"AD":   of(query(t, "www.example.", dns.TypeA, func(m *dns.Msg) { m.AuthenticatedData = true }), 0),
		"type": of(query(t, "www.example.", dns.TypeAAAA), 0), "name": of(query(t, "ww.wexample.", dns.TypeA), 0),
	}
	seen := map[string]string{}
	for name, key := range different {
		if other := seen[key]; other != "" {
			t.Errorf("%s and %s have the same key", name, other)
		}
		seen[key] = name
	}
	for _, same := range [][]byte{query(t, "WWW.example.", dns.TypeA), query(t, "www.example.", dns.TypeA, edns(false))} {
		if of(same, 0) != different["plain"] {
			t.Errorf("%x has another key", same)
		}
	}
	for name, option := range map[string]queryOption{
		"no recursion": func(m *dns.Msg) { m.RecursionDesired = false },
		"opcode":       func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify },
		"class":        func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS },
		"subnet": func(m *dns.Msg) {
			m.SetEdns0(1232, false)
			m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_LOCAL{Code: dns.EDNS0SUBNET, Data: []byte{0, 1, 0, 0}}}
		},
		"EDNS version": func(m *dns.Msg) { m.SetEdns0(1232, false); m.IsEdns0().SetVersion(1) },
	} {
		if _, ok := Read(query(t, "www.example.", dns.TypeA, option), 0); ok {
			t.Errorf("%s: the cache takes the query", name)
		}
	}
}

// While upstreams fail, the expired reply is for all clients, with a short TTL and the reason. One
// query at a time looks for a newer reply.
func TestStale(t *testing.T) {
	c := New(MinSize)
	packet := query(t, "www.example.", dns.TypeA, edns(false))
	q := read(t, packet)
	c.Set(q, reply(t, packet, 0, "www.example. 600 IN A 192.0.2.1", "", ""), start)
	late := start.Add(11 * time.Minute)
	if _, state := c.Get(q, late); state != Stale {
		t.Fatalf("state %d after the TTL", state)
	}
	m := unpack(t, c.Stale(q, late))
	opt := m.IsEdns0()
	if m.Answer[0].Header().Ttl != staleTTL || len(opt.Option) != 1 ||
		opt.Option[0].(*dns.EDNS0_EDE).InfoCode != dns.ExtendedErrorCodeStaleAnswer {
		t.Errorf("a stale reply:\n%s", m)
	}
	if c.Set(q, nil, late) {
		t.Error("nothing counts as an answer")
	}
	if _, state := c.Get(q, late); state != Failing {
		t.Errorf("state %d after a failure", state)
	}
	if !c.Claim(q, late) || c.Claim(q, late) {
		t.Error("not exactly one caller refreshes")
	}
	c.Set(q, reply(t, packet, dns.RcodeServerFailure, "", "", ""), late)
	if !c.Claim(q, late.Add(retryEvery)) {
		t.Error("nobody tries again after a failure")
	}
	c.Set(q, reply(t, packet, 0, "www.example. 600 IN A 192.0.2.2", "", ""), late)
	if got, state := c.Get(q, late); state != Fresh || unpack(t, got).Answer[0].(*dns.A).A.String() != "192.0.2.2" {
		t.Errorf("state %d after the upstream is there again", state)
	}
	if _, state := c.Get(q, late.Add(maxStale+11*time.Minute)); state != Missing {
		t.Errorf("state %d after a day", state)
	}
	// The name no longer exists: its old addresses are not used.
	c.Set(q, reply(t, packet, dns.RcodeNameError, "", "", ""), late)
	if _, state := c.Get(q, late); state != Missing {
		t.Errorf("state %d after NXDOMAIN without SOA", state)
	}
}

// A denial is NXDOMAIN without an alias, as long as it is fresh.
func TestDenied(t *testing.T) {
	c := New(MinSize)
	for _, tt := range []struct {
		name   string
		rcode  int
		answer string
		after  time.Duration
		want   uint32 // seconds; 0: no denial
	}{
		{"absent.example.", dns.RcodeNameError, "", 0, 90},
		{"older.example.", dns.RcodeNameError, "", 80 * time.Second, 10},
		{"over.example.", dns.RcodeNameError, "", 90 * time.Second, 0},
		{"nodata.example.", dns.RcodeSuccess, "", 0, 0},
		{"alias.example.", dns.RcodeNameError, "alias.example. 60 IN CNAME none.example.", 0, 0},
		{"there.example.", dns.RcodeSuccess, "there.example. 60 IN A 192.0.2.1", 0, 0},
	} {
		packet := query(t, tt.name, dns.TypeA)
		q := read(t, packet)
		c.Set(q, reply(t, packet, tt.rcode, tt.answer, soa, ""), start)
		if ttl, ok := c.Denied(q, start.Add(tt.after)); ttl != tt.want || ok != (tt.want > 0) {
			t.Errorf("%s: denied %t for %d seconds, want %d", tt.name, ok, ttl, tt.want)
		}
	}
	if _, ok := c.Denied(read(t, query(t, "unknown.example.", dns.TypeA)), start); ok {
		t.Error("a name that was never asked for is denied")
	}
}

// Hot names are prefetched before their TTL is over, other names are not.
func TestPrefetch(t *testing.T) {
	c := New(MinSize)
	packet := query(t, "www.example.", dns.TypeA)
	q := read(t, packet)
	c.Set(q, reply(t, packet, 0, "www.example. 100 IN A 192.0.2.1", "", ""), start)
	soon := start.Add(95 * time.Second)
	if c.Claim(q, soon) {
		t.Error("a cold name is fetched")
	}
	for range hotUses {
		c.Get(q, start)
	}
	if c.Claim(q, start.Add(80*time.Second)) || !c.Claim(q, soon) {
		t.Error("a hot name is not fetched in the last tenth of its TTL")
	}
}

// Clients get the addresses in turn.
func TestRotation(t *testing.T) {
	c := New(MinSize)
	packet := query(t, "www.example.", dns.TypeA)
	q := read(t, packet)
	c.Set(q, reply(t, packet, 0, "www.example. 60 IN CNAME a.example.\na.example. 60 IN A 192.0.2.1\n"+
		"a.example. 60 IN A 192.0.2.2\na.example. 60 IN A 192.0.2.3", "", ""), start)
	firsts := map[string]bool{}
	for range 200 {
		kept, _ := c.Get(q, start)
		m := unpack(t, kept)
		if len(m.Answer) != 4 || m.Answer[0].Header().Rrtype != dns.TypeCNAME {
			t.Fatal(m)
		}
		firsts[m.Answer[1].(*dns.A).A.String()] = true
	}
	if len(firsts) != 3 {
		t.Errorf("first addresses: %v", firsts)
	}
}

// The cache remains below its size for any replies.
func TestBound(t *testing.T) {
	c := New(MinSize)
	long := "www.example. 60 IN TXT \"" + strings.Repeat("x", 200) + "\""
	for i := range 2000 {
		packet := query(t, "www.example.", dns.TypeTXT)
		q, _ := Read(packet, uint64(i))
		c.Set(q, reply(t, packet, 0, long, "", ""), start)
	}
	c.entries.CleanUp()
	if s := c.Stats(); s.Bytes > MinSize || s.Entries < 50 {
		t.Errorf("%d bytes in %d entries, limit %d", s.Bytes, s.Entries, MinSize)
	}
	packet := query(t, "www.example.", dns.TypeTXT)
	q := read(t, packet)
	c.Set(q, reply(t, packet, 0, strings.Repeat(long+"\n", 40), "", ""), start)
	if _, state := c.Get(q, start); state != Missing {
		t.Error("one reply takes more than a sixteenth of the cache")
	}
}

// Any bytes of clients or upstreams are safe, and a reply from the cache is sound.
func FuzzCache(f *testing.F) {
	packet := query(f, "www.example.", dns.TypeA, edns(true))
	f.Add(packet, reply(f, packet, 0, "www.example. 60 IN CNAME a.example.\na.example. 60 IN A 192.0.2.1", "", ""))
	f.Add(packet, reply(f, packet, 3, "", soa, ""))
	f.Fuzz(func(t *testing.T, packet, answer []byte) {
		q, ok := Read(packet, 0)
		if !ok {
			return
		}
		c := New(MinSize)
		c.Set(q, answer, start)
		if kept, _ := c.Get(q, start); kept != nil {
			unpack(t, kept)
		}
		if kept := c.Stale(q, start.Add(time.Hour)); kept != nil {
			unpack(t, kept)
		}
	})
}
