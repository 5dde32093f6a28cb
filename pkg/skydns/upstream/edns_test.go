package upstream

import (
	"bytes"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
)

// TestLookupWithoutEDNS: a server that does not support EDNS gets a look-up again without it, after
// any error and with any second server.
func TestLookupWithoutEDNS(t *testing.T) {
	seconds := map[string][]netip.AddrPort{
		"alone":              nil,
		"then a closed port": {dnstest.FreeAddr(t)},
		"then SERVFAIL":      {dnstest.NewServer(t, rcode(dns.RcodeServerFailure)).AddrPort()},
	}
	for name, second := range seconds {
		for _, code := range []int{dns.RcodeFormatError, dns.RcodeNotImplemented} {
			for _, question := range []bool{true, false} {
				if !question && name == "then SERVFAIL" {
					continue // a reply with a question has priority over an error without one
				}
				old := dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
					m := new(dns.Msg).SetReply(q)
					if q.IsEdns0() == nil {
						m.Answer = dnstest.Records(t, "www.outside.example. 5 IN A 192.0.2.1")
					} else if m.Rcode = code; !question {
						m.Question = nil
					}
					_ = w.WriteMsg(m)
				}))
				f := toAddrs(t, append([]netip.AddrPort{old.AddrPort()}, second...)...)
				m, err := f.Lookup(t.Context(), "www.outside.example.", dns.TypeA)
				if err != nil || len(m.Answer) != 1 {
					t.Errorf("%s, %s, question %v: got %v, %v", name, dns.RcodeToString[code], question, m, err)
				}
			}
		}
	}
}

// withoutEDNS is a server that refuses queries with OPT. It counts queries with and without OPT.
func withoutEDNS(t *testing.T, code int, question bool) (addr netip.AddrPort, withOPT, bare *atomic.Int32) {
	t.Helper()
	withOPT, bare = new(atomic.Int32), new(atomic.Int32)
	s := dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.IsEdns0() == nil {
			bare.Add(1)
			m.Answer = dnstest.Records(t, "www.outside.example. 5 IN A 192.0.2.1")
			_ = w.WriteMsg(m)
			return
		}
		withOPT.Add(1)
		m.Rcode = code
		if !question {
			m.Question = nil
		}
		_ = w.WriteMsg(m)
	}))
	return s.AddrPort(), withOPT, bare
}

// clientQuery is a query of a client with EDNS, DO and a cookie.
func clientQuery(t *testing.T, id uint16) []byte {
	t.Helper()
	q := new(dns.Msg).SetQuestion("www.outside.example.", dns.TypeA)
	q.Id = id
	q.SetEdns0(4096, true)
	q.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"}}
	return packed(t, q)
}

// forwardOver forwards a query over UDP or TCP.
func forwardOver(t *testing.T, f *Forwarder, query []byte, tcp bool) ([]byte, error) {
	t.Helper()
	if tcp {
		return f.ForwardTCP(t.Context(), query)
	}
	ended := make(chan result, 1)
	f.ForwardUDP(query, func(reply []byte, err error) { ended <- result{bytes.Clone(reply), err} })
	r := wait(t, ended)
	return r.reply, r.err
}

// TestForwardWithoutEDNS: a server that refuses OPT is queried again without it, once for each
// query. The client gets the reply with OPT.
func TestForwardWithoutEDNS(t *testing.T) {
	for _, tcp := range []bool{false, true} {
		for _, code := range []int{dns.RcodeFormatError, dns.RcodeNotImplemented} {
			for _, question := range []bool{true, false} {
				addr, withOPT, bare := withoutEDNS(t, code, question)
				f := toAddrs(t, addr)
				for id := range uint16(5) {
					raw, err := forwardOver(t, f, clientQuery(t, id), tcp)
					m := new(dns.Msg)
					if err != nil || m.Unpack(raw) != nil {
						t.Fatalf("TCP %v, %s: got %q, %v", tcp, dns.RcodeToString[code], raw, err)
					}
					opt := m.IsEdns0()
					if m.Id != id || m.Rcode != dns.RcodeSuccess || len(m.Answer) != 1 || opt == nil || !opt.Do() ||
						len(opt.Option) != 0 {
						t.Errorf("TCP %v, %s: got %v", tcp, dns.RcodeToString[code], m)
					}
				}
				if withOPT.Load() != 5 || bare.Load() != 5 {
					t.Errorf("TCP %v, %s, question %v: %d queries with OPT, %d without", tcp, dns.RcodeToString[code],
						question, withOPT.Load(), bare.Load())
				}
			}
		}
	}
}

// TestErrorForEverything: a server that refuses queries without OPT as well gets two queries. The
// client gets its error.
func TestErrorForEverything(t *testing.T) {
	for _, tcp := range []bool{false, true} {
		var asked atomic.Int32
		s := dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			asked.Add(1)
			_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeFormatError))
		}))
		f := toAddrs(t, s.AddrPort())
		for n := range int32(3) {
			raw, err := forwardOver(t, f, clientQuery(t, 7), tcp)
			if err != nil || raw[3]&0xf != dns.RcodeFormatError || asked.Load() != 2*(n+1) {
				t.Errorf("TCP %v: got %q, %v after %d queries", tcp, raw, err, asked.Load())
			}
		}
	}
}

// TestErrorWithoutEDNS: a query without OPT that gets FORMERR is sent once.
func TestErrorWithoutEDNS(t *testing.T) {
	for _, tcp := range []bool{false, true} {
		var asked atomic.Int32
		s := dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			asked.Add(1)
			_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeFormatError))
		}))
		query := packed(t, new(dns.Msg).SetQuestion("www.outside.example.", dns.TypeA))
		raw, err := forwardOver(t, toAddrs(t, s.AddrPort()), query, tcp)
		if err != nil || raw[3]&0xf != dns.RcodeFormatError || asked.Load() != 1 {
			t.Errorf("TCP %v: got %q, %v after %d queries", tcp, raw, err, asked.Load())
		}
	}
}

// TestForgedErrorCostsNothing: FORMERR, which may be forged, stops neither a query nor EDNS.
func TestForgedErrorCostsNothing(t *testing.T) {
	for _, question := range []bool{true, false} {
		m := newMute(t)
		f := to(t, m)
		for id := range uint16(3) {
			ended := make(chan result, 1)
			f.ForwardUDP(clientQuery(t, id), func(reply []byte, err error) { ended <- result{bytes.Clone(reply), err} })
			first := m.next()
			m.refuse(first, question)
			bare := m.next()
			query := new(dns.Msg)
			if err := query.Unpack(first.query); err != nil || query.IsEdns0() == nil {
				t.Fatalf("question %v: got %v, %v, want a query with OPT", question, query, err)
			}
			if len(bare.query) >= len(first.query) {
				t.Errorf("question %v: the second query has an OPT", question)
			}
			m.reply(first)
			if r := wait(t, ended); r.err != nil || r.reply[3]&0xf != dns.RcodeNameError {
				t.Errorf("question %v: got %q, %v, want the genuine reply", question, r.reply, r.err)
			}
		}
	}
}

// refuse sends FORMERR for a query.
func (m mute) refuse(r received, question bool) {
	m.t.Helper()
	query := new(dns.Msg)
	if err := query.Unpack(r.query); err != nil {
		m.t.Fatal(err)
	}
	reply := new(dns.Msg).SetRcode(query, dns.RcodeFormatError)
	if !question {
		reply.Question = nil
	}
	if _, err := m.WriteToUDPAddrPort(packed(m.t, reply), r.from); err != nil {
		m.t.Fatal(err)
	}
}
