package upstream

import (
	"net/netip"
	"testing"

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
				m, err := f.Lookup(t.Context(), "www.outside.example.", dns.TypeA, nil)
				if err != nil || len(m.Answer) != 1 {
					t.Errorf("%s, %s, question %v: got %v, %v", name, dns.RcodeToString[code], question, m, err)
				}
			}
		}
	}
}
