package upstream

import (
	"bytes"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
)

// TestLookupWithoutEDNS: a server that does not support EDNS gets a look-up again without
// it, whichever error it replies, and whatever a second server does.
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
					continue // a reply with a question counts more than an error without one
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

// withoutEDNS is a server that refuses queries with OPT: it counts those and the others.
func withoutEDNS(t *testing.T, code int, echo, question bool) (addr netip.AddrPort, withOPT, bare *atomic.Int32) {
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
		if echo {
			m.Extra = q.Extra
		}
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

// TestForwardWithoutEDNS: a server that refuses OPT is asked again without it, once. The
// client gets the reply with OPT, and later queries cost one packet.
func TestForwardWithoutEDNS(t *testing.T) {
	for _, tcp := range []bool{false, true} {
		for _, code := range []int{dns.RcodeFormatError, dns.RcodeNotImplemented} {
			for _, question := range []bool{true, false} {
				addr, withOPT, bare := withoutEDNS(t, code, false, question)
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
				if withOPT.Load() != 1 || bare.Load() != 5 {
					t.Errorf("TCP %v, %s, question %v: %d queries with OPT, %d without", tcp, dns.RcodeToString[code],
						question, withOPT.Load(), bare.Load())
				}
			}
		}
	}
}

// TestErrorWithOPT: a server that sends an OPT with its error supports EDNS. It is asked
// without OPT for that query, and with OPT the next time.
func TestErrorWithOPT(t *testing.T) {
	for _, tcp := range []bool{false, true} {
		addr, withOPT, bare := withoutEDNS(t, dns.RcodeFormatError, true, true)
		f := toAddrs(t, addr)
		for id := range uint16(3) {
			raw, err := forwardOver(t, f, clientQuery(t, id), tcp)
			if err != nil || raw[3]&0xf != dns.RcodeSuccess {
				t.Fatalf("TCP %v: got %q, %v", tcp, raw, err)
			}
		}
		if withOPT.Load() != 3 || bare.Load() != 3 {
			t.Errorf("TCP %v: %d queries with OPT, %d without", tcp, withOPT.Load(), bare.Load())
		}
	}
}

// TestErrorForEverything: a server that refuses queries without OPT, too, is asked twice. The
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

// TestForgedErrorCostsNothing: FORMERR for one query, which may be forged, does not end
// EDNS for a server that replies to queries with OPT, before or after.
func TestForgedErrorCostsNothing(t *testing.T) {
	for _, question := range []bool{true, false} {
		for _, before := range []bool{true, false} {
			var refused, withOPT atomic.Int32
			release := make(chan struct{})
			s := dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
				m := new(dns.Msg).SetReply(q)
				m.Answer = dnstest.Records(t, "www.outside.example. 5 IN A 192.0.2.1")
				hasOPT := q.IsEdns0() != nil
				if hasOPT {
					m.SetEdns0(1232, false)
				}
				if hasOPT && withOPT.Add(1) == 2 {
					forged := new(dns.Msg).SetRcode(q, dns.RcodeFormatError)
					if refused.Add(1); !question {
						forged.Question = nil
					}
					_ = w.WriteMsg(forged)
					if before {
						return
					}
					<-release // then the genuine reply
				}
				_ = w.WriteMsg(m)
			}))
			f := toAddrs(t, s.AddrPort())
			ask := func() {
				raw, err := forwardOver(t, f, clientQuery(t, 7), false)
				if err != nil || raw[3]&0xf != dns.RcodeSuccess {
					t.Fatalf("question %v, before %v: got %q, %v", question, before, raw, err)
				}
			}
			if before {
				ask()
			} else {
				withOPT.Store(1)
			}
			ask() // refused, and sent again without OPT
			close(release)
			ask()
			for until := time.Now().Add(10 * time.Second); !before && withOPT.Load() < 3 && time.Now().Before(until); {
				ask() // until the genuine reply has come
			}
			if refused.Load() != 1 || withOPT.Load() < 3 {
				t.Errorf("question %v, before %v: %d refused, %d queries with OPT", question, before, refused.Load(),
					withOPT.Load())
			}
		}
	}
}
