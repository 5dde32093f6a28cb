package skydns_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"github.com/miekg/dns"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/skydns/internal/udpbatch"
)

// twinZone has a Service of every kind.
func twinZone() *kubedns.Zone {
	z := kubedns.NewZone(kubedns.Options{})
	key := func(name string) kubedns.Key { return kubedns.Key{Namespace: "ns", Name: name} }
	addr := netip.MustParseAddr
	port := func(name string, n uint16) kubedns.Port { return kubedns.Port{Name: name, Protocol: "tcp", Number: n} }
	z.SetService(kubedns.Service{
		Key: key("web"), ClusterIPs: []netip.Addr{addr("10.0.0.1")}, Ports: []kubedns.Port{port("http", 80), port("x", 81)},
	})
	z.SetService(kubedns.Service{
		Key: key("dual"), ClusterIPs: []netip.Addr{addr("10.0.0.2"), addr("fd00::2")},
		Ports: []kubedns.Port{port("http", 80)},
	})
	z.SetService(kubedns.Service{Key: key("ext"), ExternalName: "web.ns.svc.cluster.local"})
	z.SetService(kubedns.Service{Key: key("num"), ExternalName: "192.0.2.1"})
	z.SetService(kubedns.Service{Key: key("idle"), Headless: true})
	for name, n := range map[string]int{"two": 2, "ten": 10, "many": 300, "huge": 1500} {
		z.SetService(kubedns.Service{Key: key(name), Headless: true})
		peer := kubedns.Subset{Ports: []kubedns.Port{port("peer", 7)}}
		e := kubedns.Endpoints{Key: key(name), Service: name, Subsets: []kubedns.Subset{peer}}
		for i := range n {
			at := kubedns.Endpoint{Addr: netip.AddrFrom4([4]byte{10, byte(n % 251), byte(i >> 8), byte(i)}), Ready: true}
			if i%2 == 0 && n < 1000 {
				at.Hostname = "h" + string(rune('a'+i%26)) + string(rune('a'+i/26))
			}
			e.Subsets[0].Endpoints = append(e.Subsets[0].Endpoints, at)
		}
		z.SetEndpoints(e)
	}
	// Hosts with an address of each family, hosts without one of the ports, and a host with two
	// numbers for a port.
	z.SetService(kubedns.Service{Key: key("pairs"), Headless: true})
	z.SetService(kubedns.Service{Key: key("mixed"), Headless: true})
	for i := range 12 {
		host := "p" + string(rune('a'+i/2))
		family := addr(fmt.Sprint("10.9.0.", i))
		if i%2 == 1 {
			family = addr(fmt.Sprint("fd00::9:", i))
		}
		for name, ports := range map[string][]kubedns.Port{
			"pairs": {port("peer", 7)},
			"mixed": {port("peer", uint16(7+i%4/3)), port([]string{"a", "b"}[i%2], 9)},
		} {
			k := key(fmt.Sprint(name, "-", i))
			at := []kubedns.Endpoint{{Addr: family, Hostname: host, Ready: true}}
			z.SetEndpoints(kubedns.Endpoints{
				Key: k, Service: name, Subsets: []kubedns.Subset{{Ports: ports, Endpoints: at}},
			})
		}
	}
	z.Publish()
	z.MarkSynced()
	return z
}

var twinNames = []string{
	"web.ns.svc.cluster.local.", "dual.ns.svc.cluster.local.", "ext.ns.svc.cluster.local.",
	"num.ns.svc.cluster.local.", "idle.ns.svc.cluster.local.",
	"two.ns.svc.cluster.local.", "ten.ns.svc.cluster.local.", "many.ns.svc.cluster.local.",
	"_peer._tcp.two.ns.svc.cluster.local.", "_peer._tcp.ten.ns.svc.cluster.local.",
	"_peer._tcp.many.ns.svc.cluster.local.", "_peer._tcp.huge.ns.svc.cluster.local.", "huge.ns.svc.cluster.local.",
	"pairs.ns.svc.cluster.local.", "_peer._tcp.pairs.ns.svc.cluster.local.", "pa.pairs.ns.svc.cluster.local.",
	"mixed.ns.svc.cluster.local.", "_peer._tcp.mixed.ns.svc.cluster.local.",
	"_a._tcp.mixed.ns.svc.cluster.local.", "_b._tcp.mixed.ns.svc.cluster.local.",
	"_A._tcp.Mixed.ns.svc.cluster.local.", "pb._peer._tcp.mixed.ns.svc.cluster.local.",
	"haa.two.ns.svc.cluster.local.", "haa._peer._tcp.two.ns.svc.cluster.local.",
	"_http._tcp.web.ns.svc.cluster.local.",
	"_http._tcp.dual.ns.svc.cluster.local.", "_tcp.web.ns.svc.cluster.local.", "_udp.web.ns.svc.cluster.local.",
	"_no._tcp.web.ns.svc.cluster.local.", "x.web.ns.svc.cluster.local.",
	"x.y.web.ns.svc.cluster.local.", "none.ns.svc.cluster.local.", "ns.svc.cluster.local.", "svc.cluster.local.",
	"cluster.local.", "none.cluster.local.", "x.dns.cluster.local.",
	"xdns.cluster.local.", "hostmaster.cluster.local.", "x.hostmaster.cluster.local.", "ns.dns.cluster.local.",
	"dns-version.cluster.local.", "1-2-3-4.ns.pod.cluster.local.",
	"www.example.com.ns.svc.cluster.local.", "WEB.Ns.svc.cluster.local.", "None.ns.svc.cluster.local.",
	"none.ns.svc.Cluster.local.", "_Peer._tcp.two.ns.svc.cluster.local.",
	"_PEER._TCP.TWO.NS.SVC.CLUSTER.LOCAL.", "*.web.ns.svc.cluster.local.", "x.ext.ns.svc.cluster.local.",
	"notcluster.local.", "www.example.", ".",
	"1.0.0.10.in-addr.arpa.", "0.0.2.10.in-addr.arpa.", "1.0.2.10.in-addr.arpa.", "01.0.0.10.in-addr.arpa.",
	"1.0.0.10.IN-ADDR.arpa.", "0.0.10.in-addr.arpa.", "256.0.0.10.in-addr.arpa.",
	"2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.",
}

// A twin is a server with its fast path and its slow path.
type twin struct {
	fast, slow func(packet []byte) []byte
	whole      func(packet []byte) []byte // the slow path over TCP
	tcp        bool
	batch      func([]udpbatch.Packet)
}

func newTwin(t testing.TB, tcp bool) twin {
	t.Helper()
	return twinOf(newServer(t, skydns.Options{Backend: twinZone()}), tcp)
}

func twinOf(s *skydns.Server, tcp bool) twin {
	return twin{
		fast: s.FastForTest(tcp), slow: s.SlowForTest(tcp), whole: s.SlowForTest(true), tcp: tcp, batch: s.BatchForTest(),
	}
}

// check compares the two for one packet. It reports whether the fast path had an answer.
func (tw twin) check(t testing.TB, packet []byte) bool {
	t.Helper()
	return tw.compare(t, packet, tw.fast(packet))
}

// compare compares unpacked messages: the letter case of names, and which names are compressed, can
// differ.
func (tw twin) compare(t testing.TB, packet, fast []byte) bool {
	t.Helper()
	if fast == nil {
		return false
	}
	slow := tw.slow(packet)
	f, s := unpacked(t, packet, fast), unpacked(t, packet, slow)
	if f.MsgHdr != s.MsgHdr || len(f.Question) != 1 || f.Question[0] != s.Question[0] {
		t.Fatalf("packet %x\nfast %x\n%v\nslow %x\n%v", packet, fast, f, slow, s)
	}
	if !f.Truncated {
		if !maps.Equal(records(f), records(s)) {
			t.Fatalf("packet %x\nfast %x\n%v\nslow %x\n%v", packet, fast, f, slow, s)
		}
		return true
	}
	// Not all fit, and each path uses the first records it finds.
	whole, limit := unpacked(t, packet, tw.whole(packet)), tw.limit(t, packet)
	all := records(whole)
	for _, m := range []*dns.Msg{f, s} {
		for record, n := range records(m) {
			if strings.Contains(record, "opt pseudosection") {
				continue
			}
			if n != 1 || all[record] != 1 && !whole.Truncated || strings.HasPrefix(record, "extra") {
				t.Fatalf("packet %x: %d times %s", packet, n, record)
			}
		}
	}
	const largest = 130 // an SRV record
	for _, reply := range [][]byte{fast, slow} {
		if len(reply) > limit || len(reply) < limit-largest {
			t.Fatalf("packet %x: %d bytes of at most %d", packet, len(reply), limit)
		}
	}
	return true
}

// limit returns the maximum size of the reply to a packet, in which an OPT record follows the
// question.
func (tw twin) limit(t testing.TB, packet []byte) int {
	if tw.tcp {
		return dns.MaxMsgSize
	}
	_, off, err := dns.UnpackDomainName(packet, 12)
	if err != nil {
		t.Fatal(err)
	}
	if packet[11] == 0 {
		return 512
	}
	return min(max(512, int(binary.BigEndian.Uint16(packet[off+7:]))), 4096)
}

func unpacked(t testing.TB, packet, raw []byte) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(raw); err != nil {
		t.Fatalf("packet %x: the reply %x cannot be read: %v", packet, raw, err)
	}
	return m
}

// records counts the records of a message by section.
func records(m *dns.Msg) map[string]int {
	count := map[string]int{}
	for section, rrs := range map[string][]dns.RR{"answer": m.Answer, "authority": m.Ns, "extra": m.Extra} {
		for _, rr := range rrs {
			count[section+" "+strings.ToLower(rr.String())]++
		}
	}
	return count
}

// twinQueries are all names with all kinds of types, sizes and bits.
func twinQueries(t testing.TB) [][]byte {
	var out [][]byte
	for _, name := range twinNames {
		for _, qtype := range []uint16{
			dns.TypeA, dns.TypeAAAA, dns.TypeSRV, dns.TypePTR, dns.TypeMX, dns.TypeHTTPS, dns.TypeCNAME, dns.TypeTXT,
			dns.TypeNS, dns.TypeSOA, dns.TypeANY, dns.TypeAXFR, 0, 65535,
		} {
			for variant := range 8 {
				q := new(dns.Msg).SetQuestion(name, qtype)
				q.Id = uint16(variant)
				q.RecursionDesired = variant%2 == 0
				q.CheckingDisabled, q.AuthenticatedData, q.Zero = variant == 1, variant == 2, variant == 3
				if sizes := []uint16{0, 0, 100, 512, 1232, 4096, 65535, 1232}; sizes[variant] > 0 {
					q.SetEdns0(sizes[variant], variant == 4)
				}
				if variant == 7 {
					q.IsEdns0().Option = []dns.EDNS0{
						&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"},
						&dns.EDNS0_PADDING{Padding: make([]byte, 20)},
						&dns.EDNS0_LOCAL{Code: 19}, &dns.EDNS0_LOCAL{Code: dns.EDNS0SUBNET, Data: []byte{9}},
					}
				}
				raw, err := q.Pack()
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, raw)
			}
		}
	}
	return out
}

// TestFastPathIsTheTwinOfTheSlow: the fast path has no reply, or the slow path's.
func TestFastPathIsTheTwinOfTheSlow(t *testing.T) {
	queries := twinQueries(t)
	for _, tcp := range []bool{false, true} {
		tw := newTwin(t, tcp)
		answered := 0
		for range 3 { // packed answers are made at the first round, and come in several orders
			for _, packet := range queries {
				if tw.check(t, packet) {
					answered++
				}
			}
		}
		if share := float64(answered) / float64(3*len(queries)); share < 0.3 {
			t.Errorf("the fast path answered %.0f %%", 100*share)
		}
	}
}

// TestFastPathInBatches: the same for packets of a batch. The same number of them get a reply.
func TestFastPathInBatches(t *testing.T) {
	tw, queries := newTwin(t, false), twinQueries(t)
	rand.Shuffle(len(queries), func(i, j int) { queries[i], queries[j] = queries[j], queries[i] })
	for size := 1; len(queries) > 0; size = size%32 + 1 {
		packets := queries[:min(size, len(queries))]
		queries = queries[len(packets):]
		batch := make([]udpbatch.Packet, len(packets))
		for i := range batch {
			batch[i].Data = packets[i]
		}
		tw.batch(batch)
		for i := range batch {
			if together, alone := tw.compare(t, packets[i], batch[i].Reply), tw.fast(packets[i]) != nil; together != alone {
				t.Errorf("packet %x: answered alone %v, with %d others %v", packets[i], alone, len(packets)-1, together)
			}
		}
	}
}

func FuzzTwin(f *testing.F) {
	for i, packet := range twinQueries(f) {
		if i%5 == 0 {
			f.Add(packet)
		}
	}
	udp, tcp, search := newTwin(f, false), newTwin(f, true), newSearchTwin(f, false)
	f.Fuzz(func(t *testing.T, packet []byte) {
		udp.check(t, packet)
		tcp.check(t, packet)
		search.check(t, packet)
	})
}

func TestFastPathAllocatesNothing(t *testing.T) {
	tw := newSearchTwin(t, false)
	var batch []udpbatch.Packet
	for _, q := range []struct {
		name  string
		qtype uint16
	}{
		{"web.ns.svc.cluster.local.", dns.TypeA}, {"web.ns.svc.cluster.local.", dns.TypeAAAA},
		{"ten.ns.svc.cluster.local.", dns.TypeA},
		{"_http._tcp.web.ns.svc.cluster.local.", dns.TypeSRV}, {"ten.ns.svc.cluster.local.", dns.TypeSRV},
		{"_peer._tcp.huge.ns.svc.cluster.local.", dns.TypeSRV},
		{"_peer._tcp.mixed.ns.svc.cluster.local.", dns.TypeSRV},
		{"_Peer._tcp.Pairs.ns.svc.cluster.local.", dns.TypeSRV},
		{"None.Ns.svc.Cluster.local.", dns.TypeA}, {"none.dns.cluster.local.", dns.TypeA},
		{"none.ns.svc.cluster.local.", dns.TypeA},
		{"api.other.ns.svc.cluster.local.", dns.TypeA}, {"api.other.ns.svc.cluster.local.", dns.TypeAAAA},
		{"www.example.com.none.svc.cluster.local.", dns.TypeA}, {"1.0.0.10.in-addr.arpa.", dns.TypePTR},
		{"0.0.2.10.in-addr.arpa.", dns.TypePTR},
	} {
		msg := new(dns.Msg).SetQuestion(q.name, q.qtype)
		msg.SetEdns0(4096, false)
		raw, err := msg.Pack()
		if err != nil {
			t.Fatal(err)
		}
		if tw.fast(raw) == nil {
			t.Errorf("%s is not answered by the fast path", q.name)
			continue
		}
		if allocs := testing.AllocsPerRun(100, func() { tw.fast(raw) }); allocs != 0 {
			t.Errorf("%s: %v allocations", q.name, allocs)
		}
		batch = append(batch, udpbatch.Packet{Data: raw, Room: make([]byte, 0, udpbatch.MaxPacket)})
	}
	if allocs := testing.AllocsPerRun(100, func() { tw.batch(batch) }); allocs != 0 {
		t.Errorf("a batch of all: %v allocations", allocs)
	}
}

func BenchmarkAnswer(b *testing.B) {
	tw := newTwin(b, false)
	for _, q := range []struct {
		label, name string
		qtype       uint16
	}{
		{"A", "web.ns.svc.cluster.local.", dns.TypeA}, {"SRV", "_http._tcp.web.ns.svc.cluster.local.", dns.TypeSRV},
		{"SRV10", "_peer._tcp.ten.ns.svc.cluster.local.", dns.TypeSRV},
		{"SRV1500", "_peer._tcp.huge.ns.svc.cluster.local.", dns.TypeSRV},
		{"headless10", "ten.ns.svc.cluster.local.", dns.TypeA}, {"PTR", "1.0.0.10.in-addr.arpa.", dns.TypePTR},
		{"NXDOMAIN", "none.ns.svc.cluster.local.", dns.TypeA},
	} {
		raw, err := new(dns.Msg).SetQuestion(q.name, q.qtype).SetEdns0(4096, false).Pack()
		if err != nil {
			b.Fatal(err)
		}
		for _, way := range []struct {
			name   string
			answer func([]byte) []byte
		}{{"fast", tw.fast}, {"handler", tw.slow}} {
			b.Run(q.label+"/"+way.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					way.answer(raw)
				}
			})
		}
	}
}

// TestPortsTimesEndpointsAreNotKept: queries for every port of a Service with many ports must not
// retain memory: it would be the product of ports and endpoints.
func TestPortsTimesEndpointsAreNotKept(t *testing.T) {
	z := kubedns.NewZone(kubedns.Options{})
	k := kubedns.Key{Namespace: "ns", Name: "wide"}
	z.SetService(kubedns.Service{Key: k, Headless: true})
	var sub kubedns.Subset
	for i := range 20_000 {
		sub.Ports = append(sub.Ports, kubedns.Port{Name: fmt.Sprint("p", i), Protocol: "tcp", Number: uint16(i + 1)})
	}
	for i := range 45 {
		addr := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
		sub.Endpoints = append(sub.Endpoints, kubedns.Endpoint{Addr: addr, Hostname: fmt.Sprint("h", i%9), Ready: true})
	}
	z.SetEndpoints(kubedns.Endpoints{Key: k, Service: "wide", Subsets: []kubedns.Subset{sub}})
	z.Publish()
	z.MarkSynced()
	s := newServer(t, skydns.Options{Backend: z})
	fast := s.FastForTest(false)
	heap := func() int {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := heap()
	for i := range 20_000 {
		packet := fairQuery(t, fmt.Sprintf("_p%d._tcp.wide", i), dns.TypeSRV, 4096)
		if m := unpacked(t, packet, fast(packet)); len(m.Answer) != 9 || m.Answer[0].(*dns.SRV).Port != uint16(i+1) {
			t.Fatalf("port %d: %v", i, m)
		}
	}
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	runtime.KeepAlive(z)
}
