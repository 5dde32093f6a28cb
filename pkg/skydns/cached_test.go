package skydns_test

import (
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

const cacheSize = 1 << 20

// directForwarder returns a forwarder with options, which is closed at the end of the test.
func directForwarder(t testing.TB, o upstream.Options) *upstream.Forwarder {
	t.Helper()
	f := upstream.NewForwarder(o)
	t.Cleanup(f.Close)
	return f
}

// counting returns a handler that counts its queries.
func counting(n *atomic.Int32, handler dns.HandlerFunc) dns.HandlerFunc {
	return func(w dns.ResponseWriter, q *dns.Msg) {
		n.Add(1)
		handler(w, q)
	}
}

// A query is forwarded once, over either transport; then the cache answers, even for the server's
// own look-ups.
func TestCacheAnswers(t *testing.T) {
	for _, tcp := range []bool{false, true} {
		t.Run("tcp="+strconv.FormatBool(tcp), func(t *testing.T) {
			var asked atomic.Int32
			f := directForwarder(t, upstream.Options{CacheSize: cacheSize})
			f.SetRoutes([]netip.AddrPort{dnstest.NewServer(t,
				counting(&asked, answerWith(t, "www.outside.example. 60 IN A 192.0.2.1"))).AddrPort()}, nil)
			addr := serve(t, skydns.Options{Backend: &fake{status: backend.Ready}, Forwarder: f})
			for range 5 {
				reply := dnstest.Exchange(t, addr, dnstest.Query("Www.outside.example", dns.TypeA), tcp)
				if got := dnstest.Text(reply.Answer); reply.Rcode != 0 || len(reply.Answer) != 1 {
					t.Errorf("rcode %d: %s", reply.Rcode, got)
				}
			}
			if f.CachedReply("www.outside.example.", dns.TypeA) == nil {
				t.Error("the server's own look-up has no reply")
			}
			if n := asked.Load(); n != 1 {
				t.Errorf("the upstream was asked %d times", n)
			}
		})
	}
}

// Replies of servers that left the configuration are not used.
func TestCacheFollowsConfiguration(t *testing.T) {
	f := directForwarder(t, upstream.Options{CacheSize: cacheSize})
	addr := serve(t, skydns.Options{Backend: &fake{status: backend.Ready}, Forwarder: f})
	for _, want := range []string{"192.0.2.1", "192.0.2.2"} {
		zone := "www.outside.example. 600 IN A " + want
		f.SetRoutes([]netip.AddrPort{dnstest.NewServer(t, answerWith(t, zone)).AddrPort()}, nil)
		for range 2 {
			reply := dnstest.Exchange(t, addr, dnstest.Query("www.outside.example", dns.TypeA), false)
			if diff := dnstest.DiffRecords(t, zone, reply.Answer); diff != "" {
				t.Error(diff)
			}
		}
	}
}

// With the option Direct a client's query goes to the servers of the longest stub domain, also
// inside the zone. Names of one label go to the upstreams.
func TestDirect(t *testing.T) {
	server := func(addr string) netip.AddrPort {
		return dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetReply(q)
			m.Answer = dnstest.Records(t, q.Question[0].Name+" 60 IN A "+addr)
			_ = w.WriteMsg(m)
		})).AddrPort()
	}
	f := directForwarder(t, upstream.Options{Direct: true, CacheSize: cacheSize})
	f.SetRoutes([]netip.AddrPort{server("192.0.2.1")}, map[string][]upstream.StubServer{
		"acme.example":          {{Addr: server("192.0.2.2")}},
		"deep.acme.example":     {{Addr: server("192.0.2.3")}},
		"legacy.cluster.local":  {{Addr: server("192.0.2.4")}},
		"nowhere.outside.local": {},
	})
	addr := serve(t, skydns.Options{Backend: &fake{status: backend.Ready, names: map[string][]backend.Record{
		"web.shop.svc": {a("10.96.0.1")},
	}}, Forwarder: f})
	for name, want := range map[string]string{
		"www.outside.example.": "192.0.2.1", "single.": "192.0.2.1", "xacme.example.": "192.0.2.1",
		`a\.acme.example.`: "192.0.2.1", "acme.example.": "192.0.2.2", "WWW.Acme.Example.": "192.0.2.2",
		"x.deep.acme.example.": "192.0.2.3", "a.legacy.cluster.local.": "192.0.2.4",
		"web.shop.svc.cluster.local.": "10.96.0.1", "a.nowhere.outside.local.": "192.0.2.1",
	} {
		for _, tcp := range []bool{false, true} {
			reply := dnstest.Exchange(t, addr, dnstest.Query(name, dns.TypeA), tcp)
			if len(reply.Answer) != 1 || reply.Answer[0].(*dns.A).A.String() != want {
				t.Errorf("%s, tcp %v:\n%s", name, tcp, reply)
			}
		}
	}
}

// A stub server given by name is looked up in the zone, or at the upstreams.
func TestDirectStubServerByName(t *testing.T) {
	f := directForwarder(t, upstream.Options{Direct: true})
	f.SetRoutes(nil, map[string][]upstream.StubServer{"acme.example": {{Host: "absent.shop.svc.cluster.local"}}})
	addr := serve(t, skydns.Options{Backend: &fake{status: backend.Ready}, Forwarder: f})
	reply := dnstest.Exchange(t, addr, dnstest.Query("www.acme.example", dns.TypeA), false)
	if reply.Rcode != dns.RcodeServerFailure {
		t.Errorf("without an address of the server:\n%s", reply)
	}
}

// While the upstream is down, the expired reply is used.
func TestCacheWithoutUpstream(t *testing.T) {
	f := directForwarder(t, upstream.Options{CacheSize: cacheSize})
	var fails atomic.Bool
	answer := answerWith(t, "www.outside.example. 1 IN A 192.0.2.1")
	f.SetRoutes([]netip.AddrPort{dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if fails.Load() {
			rcode(dns.RcodeServerFailure)(w, q)
		} else {
			answer(w, q)
		}
	})).AddrPort()}, nil)
	addr := serve(t, skydns.Options{Backend: &fake{status: backend.Ready}, Forwarder: f})
	ask := func() *dns.Msg {
		return dnstest.Exchange(t, addr, dnstest.Query("www.outside.example", dns.TypeA), false)
	}
	ask()
	fails.Store(true)
	for reply := ask(); reply.Answer[0].Header().Ttl <= 1; reply = ask() { // until its TTL is over
		if reply.Rcode != dns.RcodeSuccess {
			t.Fatal(reply)
		}
	}
	fails.Store(false)
	for reply := ask(); reply.Answer[0].Header().Ttl > 1; reply = ask() { // until the recovery is detected
		if reply.Rcode != dns.RcodeSuccess {
			t.Fatal(reply)
		}
	}
}
