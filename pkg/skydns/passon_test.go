package skydns_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
	"github.com/kube-dns/kube-dns/pkg/skydns/internal/wire"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// A forwarded reply above the client's size has TC, complete records, and the OPT.
func TestLargeForwardedReplies(t *testing.T) {
	var lines []string
	for i := range 300 {
		lines = append(lines, fmt.Sprintf("www.outside.example. 300 IN A 192.0.%d.%d", i/250, i%250))
	}
	up := newMute(t)
	_, addr := forwarding(t, skydns.Options{}, up)
	c := newClient(t, addr)
	for _, size := range []uint16{0, 1, 512, 1232, 4096, 65535} { // 0 is without EDNS
		q := dnstest.Query("www.outside.example", dns.TypeA)
		if size > 0 {
			q.SetEdns0(size, false)
		}
		raw, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(raw); err != nil {
			t.Fatal(err)
		}
		sent := up.next()
		m := new(dns.Msg)
		if err := m.Unpack(sent.query); err != nil {
			t.Fatal(err)
		}
		m.Response, m.Compress = true, true
		m.Answer = dnstest.Records(t, strings.Join(lines, "\n"))
		packed, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		up.say(packed, sent.from)
		got, want := c.next(), min(max(512, int(size)), 4096)
		r := new(dns.Msg)
		if err := r.Unpack(got); err != nil {
			t.Fatal(err)
		}
		if len(got) > want || r.Truncated != (want < len(packed)) || len(r.Answer) < want/16-10 ||
			(r.IsEdns0() != nil) != (size > 0) {
			t.Errorf("size %d: %d bytes, %d answers, TC %v", size, len(got), len(r.Answer), r.Truncated)
		}
	}
}

// A large reply that the library cannot read is cut to its question.
func TestLargeUnreadableReply(t *testing.T) {
	up := newMute(t)
	_, addr := forwarding(t, skydns.Options{}, up)
	c := newClient(t, addr)
	c.ask(1, "www.outside.example")
	q := up.next()
	r := reply(q.query, dns.RcodeSuccess)
	r[7] = 1 // answers: a TXT whose last string ends after the record
	r = append(r, "\xc0\x0c\x00\x10\x00\x01\x00\x00\x00\x05\x23\x28"...)
	up.say(append(r, bytes.Repeat([]byte{0xff}, 9000)...), q.from)
	m := new(dns.Msg)
	if got := c.next(); m.Unpack(got) != nil || !m.Truncated || len(m.Question) != 1 || len(got) > 512 {
		t.Errorf("got %q", got)
	}
}

// A reply that ends before its records is not passed on: the client gets SERVFAIL.
func TestMalformedForwardedReply(t *testing.T) {
	up := newMute(t)
	_, addr := forwarding(t, skydns.Options{}, up)
	c := newClient(t, addr)
	c.ask(1, "www.outside.example")
	q := up.next()
	r := reply(q.query, dns.RcodeSuccess)
	r[7] = 5 // answers
	up.say(r, q.from)
	if got := c.next(); got[3]&0xf != dns.RcodeServerFailure || got[7] != 0 {
		t.Errorf("got %q", got)
	}
}

// A query with a compressed name gets FORMERR at once, over both transports, on both paths, for
// names of the zone and others: a reply to it could not be matched.
func TestCompressedQuestion(t *testing.T) {
	queries := map[string][]byte{
		"to its own labels": {0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 1, 'b', 1, 'c', 0xc0, 6, 0, 1, 0, 1},
		"to the header":     {0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 4, 0, 1, 0, 1},
		"to itself":         {0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1},
		"past the end":      {0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0xc0, 99, 0, 1, 0, 1},
		"in the zone": append(append([]byte{0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0},
			"\x03web\xc0\x16\x00\x01\x00\x01"...), "\x07cluster\x05local\x00"...),
	}
	for _, slow := range []bool{false, true} {
		_, addr := forwarding(t, skydns.Options{NoFastPath: slow}, newMute(t))
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		for name, query := range queries {
			c := newClient(t, addr)
			if _, err := c.Write(query); err != nil {
				t.Fatal(err)
			}
			if got := c.next(); got[3]&0xf != dns.RcodeFormatError || got[1] != 7 {
				t.Errorf("%s, UDP: got %q", name, got)
			}
			if _, err := conn.Write(append([]byte{0, byte(len(query))}, query...)); err != nil {
				t.Fatal(err)
			}
			reply, err := wire.ReadMessage(bufio.NewReader(conn))
			if err != nil || reply[3]&0xf != dns.RcodeFormatError || reply[1] != 7 {
				t.Errorf("%s, TCP: got %q, %v", name, reply, err)
			}
		}
	}
}

// Short TTLs of targets remain short, in all sections.
func TestTTLOfTargets(t *testing.T) {
	f := forwarderTo(t, answerWith(t, "www.outside.example. 5 IN A 192.0.2.1"))
	addr := serve(t, skydns.Options{Backend: zone(), Forwarder: f})
	m := dnstest.Exchange(t, addr, dnstest.Query("out.cluster.local", dns.TypeA), false)
	for _, rr := range m.Answer {
		if rr.Header().Ttl != 5 {
			t.Error(rr)
		}
	}
	m = dnstest.Exchange(t, addr, dnstest.Query("out.cluster.local", dns.TypeSRV), false)
	for _, rr := range m.Extra {
		if rr.Header().Rrtype == dns.TypeA && rr.Header().Ttl != 5 {
			t.Error(rr)
		}
	}
}

// SRV of an alias to an alias has each record once.
func TestAliasChainInAdditional(t *testing.T) {
	z := zone()
	z.names["a"] = []backend.Record{alias("b.cluster.local.")}
	z.names["b"] = []backend.Record{{Type: backend.TypeCNAME, TTL: 7, Host: "web.cluster.local."}}
	addr := serve(t, skydns.Options{Backend: z})
	m := dnstest.Exchange(t, addr, dnstest.Query("a.cluster.local", dns.TypeSRV), false)
	if len(m.Extra) != 2 || m.Extra[0].Header().Ttl != 7 {
		t.Errorf("got %v", m.Extra)
	}
	m = dnstest.Exchange(t, addr, dnstest.Query("b.cluster.local", dns.TypeA), false)
	if len(m.Answer) != 2 || m.Answer[0].Header().Ttl != 7 {
		t.Errorf("got %v", m.Answer)
	}
}

// SRV of an alias looks up both families of the target at the same time: the upstream replies only
// after both queries.
func TestFamiliesAreLookedUpTogether(t *testing.T) {
	var both sync.WaitGroup
	both.Add(2)
	var seen sync.Map
	f := forwarderTo(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if _, again := seen.LoadOrStore(q.Question[0].Qtype, true); !again {
			both.Done()
		}
		both.Wait()
		m := new(dns.Msg).SetReply(q)
		m.Answer = dnstest.Records(t, map[uint16]string{
			dns.TypeA: "www.outside.example. 5 IN A 192.0.2.1", dns.TypeAAAA: "www.outside.example. 5 IN AAAA 2001:db8::1",
		}[q.Question[0].Qtype])
		_ = w.WriteMsg(m)
	})
	addr := serve(t, skydns.Options{Backend: zone(), Forwarder: f})
	m := dnstest.Exchange(t, addr, dnstest.Query("out.cluster.local", dns.TypeSRV), false)
	if len(m.Answer) != 1 || len(m.Extra) != 2 {
		t.Errorf("got %v", m)
	}
}

// The target of an alias may be in a stub domain inside the zone.
func TestAliasIntoStubDomain(t *testing.T) {
	z := zone()
	z.names["corp"] = []backend.Record{alias("www.stub.cluster.local.")}
	f := forwarderTo(t, rcode(dns.RcodeNameError))
	stub := dnstest.NewServer(t, answerWith(t, "www.stub.cluster.local. 20 IN A 192.0.2.9"))
	f.SetRoutes(nil, map[string][]upstream.StubServer{"stub.cluster.local": {{Addr: stub.AddrPort()}}})
	addr := serve(t, skydns.Options{Backend: z, Forwarder: f})
	front := newForwarder(t, stub.AddrPort()) // cluster-first
	front.SetRoutes(nil, map[string][]upstream.StubServer{"stub.cluster.local": {{Host: "elsewhere.example"}}})
	behind := serve(t, skydns.Options{Backend: z, Forwarder: front})
	direct := newForwarder(t, stub.AddrPort())
	direct.SetRoutes(nil, map[string][]upstream.StubServer{"stub.cluster.local": {{Host: "elsewhere.example"}}})
	fast := serve(t, skydns.Options{Backend: twinZone(), Forwarder: direct})
	m := dnstest.Exchange(t, fast, dnstest.Query("www.stub.cluster.local", dns.TypeA), false)
	if len(m.Answer) != 1 || m.Rcode != dns.RcodeSuccess {
		t.Errorf("asked itself: got %v", m)
	}
	for _, server := range []string{addr, behind} {
		m := dnstest.Exchange(t, server, dnstest.Query("corp.cluster.local", dns.TypeA), false)
		if len(m.Answer) != 2 || m.Rcode != dns.RcodeSuccess || !m.CheckingDisabled {
			t.Errorf("got %v", m)
		}
	}
}

// A stub domain that is the zone or above it does not affect names of the zone.
func TestStubDomainAboveTheZone(t *testing.T) {
	for _, domain := range []string{"cluster.local", "local"} {
		f := forwarderTo(t, rcode(dns.RcodeNameError))
		stub := dnstest.NewServer(t, rcode(dns.RcodeRefused))
		f.SetRoutes(nil, map[string][]upstream.StubServer{domain: {{Addr: stub.AddrPort()}}})
		addr := serve(t, skydns.Options{Backend: zone(), Forwarder: f})
		m := dnstest.Exchange(t, addr, dnstest.Query("in.cluster.local", dns.TypeA), false)
		if len(m.Answer) != 2 || m.CheckingDisabled {
			t.Errorf("%s: got %v", domain, m)
		}
	}
}
