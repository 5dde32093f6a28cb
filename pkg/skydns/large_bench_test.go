package skydns_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/miekg/dns"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/skydns/internal/udpbatch"
)

// largeZone has 10,000 Services with a ClusterIP, and 1,000 headless ones with 50 endpoints.
func largeZone() *kubedns.Zone {
	z := kubedns.NewZone(kubedns.Options{})
	for i := range 10_000 {
		z.SetService(kubedns.Service{
			Key:        kubedns.Key{Namespace: fmt.Sprint("svc-", i%100), Name: fmt.Sprint("svc-", i)},
			ClusterIPs: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})},
			Ports:      []kubedns.Port{{Name: "http", Protocol: "tcp", Number: 80}},
		})
	}
	for i := range 1000 {
		k := kubedns.Key{Namespace: fmt.Sprint("fifty-", i%10), Name: fmt.Sprint("headless-", i)}
		z.SetService(kubedns.Service{Key: k, Headless: true})
		sub := kubedns.Subset{Ports: []kubedns.Port{{Name: "peer", Protocol: "tcp", Number: 7}}}
		for j := range 50 {
			addr := netip.AddrFrom4([4]byte{10, 128 + byte(i>>8), byte(i), byte(j)})
			sub.Endpoints = append(sub.Endpoints, kubedns.Endpoint{Addr: addr, Ready: true})
		}
		z.SetEndpoints(kubedns.Endpoints{Key: k, Service: k.Name, Subsets: []kubedns.Subset{sub}})
	}
	for i := range 100 {
		k := kubedns.Key{Namespace: fmt.Sprint("ten-", i%10), Name: fmt.Sprint("headless-", i)}
		z.SetService(kubedns.Service{Key: k, Headless: true})
		sub := kubedns.Subset{Ports: []kubedns.Port{{Name: "peer", Protocol: "tcp", Number: 7}}}
		for j := range 10 {
			addr := netip.AddrFrom4([4]byte{10, 64, byte(i), byte(j)})
			sub.Endpoints = append(sub.Endpoints, kubedns.Endpoint{Addr: addr, Ready: true})
		}
		z.SetEndpoints(kubedns.Endpoints{Key: k, Service: k.Name, Subsets: []kubedns.Subset{sub}})
	}
	z.Publish()
	z.MarkSynced()
	return z
}

// BenchmarkLarge: the fast path in batches, in a large cluster with Services that are not in the
// processor's cache. Each operation is one query.
func BenchmarkLarge(b *testing.B) {
	answerAll := newServer(b, skydns.Options{Backend: largeZone()}).BatchForTest()
	one := func(i int) string { return fmt.Sprintf("svc-%d.svc-%d.svc.cluster.local.", i, i%100) }
	fifty := func(i int) string {
		i %= 1000
		return fmt.Sprintf("headless-%d.fifty-%d.svc.cluster.local.", i, i%10)
	}
	ten := func(i int) string {
		i %= 100
		return fmt.Sprintf("headless-%d.ten-%d.svc.cluster.local.", i, i%10)
	}
	for _, mix := range []struct {
		label string
		qtype uint16
		edns  uint16
		name  func(i int) string
	}{
		{"A", dns.TypeA, 0, one},
		{"SRV", dns.TypeSRV, 0, func(i int) string { return "_http._tcp." + one(i) }},
		{"PTR", dns.TypePTR, 0, func(i int) string { return fmt.Sprintf("%d.%d.0.10.in-addr.arpa.", i&255, i>>8) }},
		{"headless50", dns.TypeA, 4096, fifty},
		{"SRV10", dns.TypeSRV, 4096, func(i int) string { return "_peer._tcp." + ten(i) }},
		{"SRV50", dns.TypeSRV, 4096, func(i int) string { return "_peer._tcp." + fifty(i) }},
		{"NXDOMAIN", dns.TypeA, 0, func(i int) string { return fmt.Sprintf("www.host%d.com.", i) + one(i) }},
	} {
		packets := make([][]byte, 10_000)
		for to, i := range rand.Perm(len(packets)) {
			m := new(dns.Msg).SetQuestion(mix.name(i), mix.qtype)
			if mix.edns > 0 {
				m.SetEdns0(mix.edns, false)
			}
			var err error
			if packets[to], err = m.Pack(); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(mix.label, func(b *testing.B) { benchmarkBatches(b, answerAll, packets) })
	}
}

// benchmarkBatches answers packets, one after the other, in batches.
func benchmarkBatches(b *testing.B, answerAll func([]udpbatch.Packet), packets [][]byte) {
	batch := make([]udpbatch.Packet, 32)
	for i := range batch {
		batch[i].Data = make([]byte, 512)
		batch[i].Room = make([]byte, 0, udpbatch.MaxPacket)
	}
	next := 0
	b.ReportAllocs()
	for n := 0; n < b.N; n += len(batch) {
		for i := range batch {
			data := batch[i].Data[:512]
			batch[i].Data = data[:copy(data, packets[next])]
			next = (next + 1) % len(packets)
		}
		answerAll(batch)
	}
}
