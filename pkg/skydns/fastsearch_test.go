package skydns_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// longName has with its search domains almost the maximum size of a name.
var longName = strings.Repeat("long-label-of-twenty.", 9) + "example."

const aliases = "cdn.example.com. 3600 IN CNAME a.cdn.example.net.\na.cdn.example.net. 3600 IN CNAME example.com."

// outsideRecords are the records of outside names, by name and type. No TTL is below the limits of
// the server, so replies do not depend on the time.
var outsideRecords = map[string]string{
	"www.example.com.":      "www.example.com. 3600 IN A 192.0.2.1",
	"mail.example.com.":     "mail.example.com. 3600 IN A 192.0.2.2\nmail.example.com. 7200 IN A 192.0.2.3",
	"mail.example.com. 6":   "mail.example.com. 3600 IN AAAA 2001:db8::2",
	"six.example.com. 6":    "six.example.com. 3600 IN AAAA 2001:db8::6",
	"cdn.example.com.":      aliases + "\nexample.com. 3600 IN A 192.0.2.4",
	"cdn.example.com. 6":    aliases,
	"git.dev.corp.example.": "git.dev.corp.example. 3600 IN A 192.0.2.5",
	"empty.example.com.":    "",
	longName:                longName + " 3600 IN A 192.0.2.6",
}

// replyOutside replies from outsideRecords.
func replyOutside(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	name := strings.ToLower(q.Question[0].Name)
	four, found := outsideRecords[name]
	six, foundSix := outsideRecords[name+" 6"]
	text := four
	if q.Question[0].Qtype == dns.TypeAAAA {
		text = six
	}
	if !found && !foundSix {
		m.Rcode = dns.RcodeNameError
	}
	for line := range strings.Lines(text) {
		rr, err := dns.NewRR(line)
		if err != nil {
			panic(err)
		}
		m.Answer = append(m.Answer, rr)
	}
	if n := len(m.Answer); n == 0 || m.Answer[n-1].Header().Rrtype != q.Question[0].Qtype {
		apex := "."
		if n > 0 {
			apex = "example.com."
		}
		m.Ns = []dns.RR{&dns.SOA{
			Hdr: dns.RR_Header{Name: apex, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 7200},
			Ns:  "ns.example.com.", Mbox: "root.example.net.", Minttl: 3600,
		}}
	}
	_ = w.WriteMsg(m)
}

// newSearchTwin returns a server with a search list whose cache has all of outsideRecords.
func newSearchTwin(t testing.TB, tcp bool) twin {
	t.Helper()
	f := upstream.NewForwarder(upstream.Options{Direct: true, CacheSize: cacheSize})
	t.Cleanup(f.Close)
	f.SetRoutes([]netip.AddrPort{dnstest.NewServer(t, dns.HandlerFunc(replyOutside)).AddrPort()}, nil)
	for key := range outsideRecords {
		name, _, _ := strings.Cut(key, " ")
		for _, candidate := range []string{name, name + "corp.example."} {
			for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
				if _, err := f.Lookup(t.Context(), candidate, qtype); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	zone, one := twinZone(), netip.MustParseAddr("10.0.1.1")
	for name, addrs := range map[string][]netip.Addr{"api": {one}, "dual": {one, netip.MustParseAddr("fd00::1:1")}} {
		zone.SetService(kubedns.Service{Key: kubedns.Key{Namespace: "other", Name: name}, ClusterIPs: addrs})
	}
	ext := kubedns.Key{Namespace: "other", Name: "ext"}
	zone.SetService(kubedns.Service{Key: ext, ExternalName: "www.example.com"})
	zone.Publish()
	return twinOf(newServer(t, skydns.Options{
		Backend: zone, Forwarder: f, Autopath: true, SearchDomains: []string{"corp.example."},
	}), tcp)
}

// TestFastSearchIsTheTwinOfTheSlow: names of a search list whose replies are in the cache.
func TestFastSearchIsTheTwinOfTheSlow(t *testing.T) {
	for _, tt := range []struct {
		name string
		fast bool // has a reply
	}{
		{"www.example.com.ns", true}, {"mail.example.com.ns", true}, {"MAIL.Example.com.NS", true},
		{"six.example.com.ns", true}, {"cdn.example.com.ns", true}, {"git.dev.ns", true}, {longName + "ns", true},
		{"empty.example.com.ns", false}, // clients differ there
		{"web.example.com.ns", true}, {"not-ready.two.ns", true}, {"www.example.com.none", true},
		{"dual.other.ns", true}, {"api.other.ns", true}, {"api.other.svc.ns", true}, {"ext.other.ns", false},
		{"new.example.com.ns", false}, // not in a cache
	} {
		for _, tcp := range []bool{false, true} {
			tw := newSearchTwin(t, tcp)
			for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
				for _, size := range []uint16{0, 512, 1232, 4096} {
					q := dnstest.Query(tt.name+".svc.cluster.local", qtype)
					if size > 0 {
						q.SetEdns0(size, size == 1232)
					}
					packet, err := q.Pack()
					if err != nil {
						t.Fatal(err)
					}
					if got := tw.check(t, packet); got != tt.fast && size != 512 {
						t.Errorf("%s %s, TCP %v, size %d: answered %v, want %v", tt.name, dns.Type(qtype), tcp, size, got, tt.fast)
					}
				}
			}
		}
	}
}

// BenchmarkSearch answers the first name of a search list from memory, for both families.
func BenchmarkSearch(b *testing.B) {
	tw := newSearchTwin(b, false)
	for label, name := range map[string]string{"inside": "api.other.ns", "outside": "www.example.com.ns"} {
		var packets [][]byte
		for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
			packet, err := dnstest.Query(name+".svc.cluster.local", qtype).Pack()
			if err != nil {
				b.Fatal(err)
			}
			packets = append(packets, packet)
		}
		for way, answer := range map[string]func([]byte) []byte{"fast": tw.fast, "handler": tw.slow} {
			b.Run(label+"/"+way, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					for _, packet := range packets {
						answer(packet)
					}
				}
			})
		}
	}
}
