package skydns_test

import (
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// cachedServer returns the address of a server with a cache and one upstream.
func cachedServer(t *testing.T, handler dns.HandlerFunc) string {
	t.Helper()
	f := directForwarder(t, upstream.Options{Direct: true, CacheSize: cacheSize})
	f.SetRoutes([]netip.AddrPort{dnstest.NewServer(t, handler).AddrPort()}, nil)
	return serve(t, skydns.Options{Backend: &fake{status: backend.Ready}, Forwarder: f})
}

// A reply that a client got over TCP is sent over UDP in the client's size, and truncated if it
// does not fit.
func TestCacheTruncates(t *testing.T) {
	const records = 400
	zone := ""
	for i := range records {
		zone += "www.outside.example. 60 IN A 192.0." + strconv.Itoa(i/250) + "." + strconv.Itoa(i%250+1) + "\n"
	}
	var overTCP atomic.Int32
	addr := cachedServer(t, func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg).SetReply(q)
		if w.RemoteAddr().Network() == "udp" {
			reply.Truncated = true
		} else {
			overTCP.Add(1)
			reply.Answer = dnstest.Records(t, zone)
		}
		_ = w.WriteMsg(reply)
	})
	for range 2 {
		for _, size := range []uint16{0, 512, 1232, 4096, 65535} {
			query := dnstest.Query("www.outside.example", dns.TypeA)
			if size > 0 {
				query.SetEdns0(size, false)
			}
			reply := dnstest.Exchange(t, addr, query, false)
			reply.Compress = true // Len is that of the packet then
			if limit := min(max(512, int(size)), 4096); !reply.Truncated || reply.Len() > limit {
				t.Errorf("UDP with size %d: truncated %v, %d bytes", size, reply.Truncated, reply.Len())
			}
		}
		if reply := dnstest.Exchange(t, addr, dnstest.Query("www.outside.example", dns.TypeA),
			true); len(reply.Answer) != records {
			t.Errorf("TCP: %d records", len(reply.Answer))
		}
	}
	if n := overTCP.Load(); n != 1 {
		t.Errorf("the upstream was asked %d times over TCP", n)
	}
}

// An upstream that lies about other names affects only the questions that it gets.
func TestCacheKeepsOtherNamesOut(t *testing.T) {
	addr := cachedServer(t, func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg).SetReply(q)
		name := q.Question[0].Name
		if strings.HasPrefix(name, "www.partner.") {
			reply.Answer = dnstest.Records(t, name+" 60 IN CNAME www.bank.example.\nwww.bank.example. 60 IN A 203.0.113.66")
			reply.Ns = dnstest.Records(t, "bank.example. 60 IN NS ns.bank.example.")
			reply.Extra = dnstest.Records(t, "ns.bank.example. 60 IN A 203.0.113.66\nwww.cluster.local. 60 IN A 203.0.113.66")
		} else {
			reply.Answer = dnstest.Records(t, name+" 60 IN A 192.0.2.1")
		}
		_ = w.WriteMsg(reply)
	})
	for range 2 {
		dnstest.Exchange(t, addr, dnstest.Query("www.partner.example", dns.TypeA), false)
		for _, name := range []string{"www.bank.example", "ns.bank.example"} {
			want := name + ". 60 IN A 192.0.2.1"
			if diff := dnstest.DiffRecords(t, want, withTTL(dnstest.Exchange(t, addr, dnstest.Query(name, dns.TypeA),
				false).Answer, 60)); diff != "" {
				t.Error(diff)
			}
		}
		if reply := dnstest.Exchange(t, addr, dnstest.Query("www.cluster.local", dns.TypeA),
			false); reply.Rcode != dns.RcodeNameError {
			t.Errorf("a name of the zone:\n%s", reply)
		}
	}
}

func withTTL(records []dns.RR, ttl uint32) []dns.RR {
	for _, rr := range records {
		rr.Header().Ttl = ttl
	}
	return records
}

// Clients that set DO or CD get only replies to queries with the same bits.
func TestCacheKeepsBitsApart(t *testing.T) {
	addr := cachedServer(t, func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg).SetReply(q)
		do := q.IsEdns0() != nil && q.IsEdns0().Do()
		reply.Answer = dnstest.Records(t, q.Question[0].Name+" 60 IN TXT "+strconv.Quote(bits(do, q.CheckingDisabled)))
		if q.IsEdns0() != nil {
			reply.SetEdns0(1232, do)
		}
		_ = w.WriteMsg(reply)
	})
	for range 2 {
		for _, do := range []bool{false, true} {
			for _, cd := range []bool{true, false} {
				query := dnstest.Query("www.outside.example", dns.TypeTXT)
				query.CheckingDisabled = cd
				query.SetEdns0(1232, do)
				reply := dnstest.Exchange(t, addr, query, false)
				if len(reply.Answer) != 1 || reply.Answer[0].(*dns.TXT).Txt[0] != bits(do, cd) {
					t.Errorf("want %s, got\n%s", bits(do, cd), reply)
				}
			}
		}
	}
}

func bits(do, cd bool) string {
	return "DO " + strconv.FormatBool(do) + ", CD " + strconv.FormatBool(cd)
}

// While the upstream is silent, clients get the expired reply. When the upstream is back, its
// replies are used.
func TestCacheWithSilentUpstream(t *testing.T) {
	var silent atomic.Bool
	answer := answerWith(t, "www.outside.example. 1 IN A 192.0.2.1")
	addr := cachedServer(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if !silent.Load() {
			answer(w, q)
		}
	})
	askUntil := func(what string, stale bool) {
		for {
			reply := dnstest.Exchange(t, addr, dnstest.Query("www.outside.example", dns.TypeA), false)
			if reply.Rcode != dns.RcodeSuccess || len(reply.Answer) != 1 {
				t.Fatalf("%s:\n%s", what, reply)
			}
			if stale == (reply.Answer[0].Header().Ttl > 1) {
				return
			}
		}
	}
	askUntil("the upstream answers", false)
	silent.Store(true)
	askUntil("the upstream is silent", true)
	askUntil("it is still silent", true)
	silent.Store(false)
	askUntil("the upstream is back", false)
}
