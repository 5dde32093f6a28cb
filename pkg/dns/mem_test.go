package dns_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"

	"github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// large fills a zone like that of a large cluster: Services with a ClusterIP, each with a slice of
// 3 endpoints, and headless ones with 50 endpoints each.
func large(z *dns.Zone, services, headlessServices int) {
	port := []dns.Port{{Name: "http", Protocol: "tcp", Number: 80}}
	uid := "12345678-1234-1234-1234-123456789abc"
	for i := range services {
		k := dns.Key{Namespace: fmt.Sprint("namespace-", i%50), Name: fmt.Sprint("service-", i)}
		version := fmt.Sprint(1000 + i)
		z.SetService(dns.Service{Key: k, ClusterIPs: []netip.Addr{netip.AddrFrom4([4]byte{10, 96, byte(i >> 8), byte(i)})},
			Ports: port, Version: version, UID: fmt.Sprint(uid, i)})
		e := dns.Endpoints{Key: dns.Key{Namespace: k.Namespace, Name: k.Name + "-abcde"}, Service: k.Name, AnyReady: true,
			Version: version, UID: fmt.Sprint(uid, i), Subsets: []dns.Subset{{Ports: slices.Clone(port)}}}
		for j := range 3 {
			e.Subsets[0].Endpoints = append(e.Subsets[0].Endpoints,
				dns.Endpoint{Addr: netip.AddrFrom4([4]byte{10, byte(128 + i>>8), byte(i), byte(j)}), Ready: true})
		}
		z.SetEndpoints(e)
	}
	for i := range headlessServices {
		k := dns.Key{Namespace: fmt.Sprint("namespace-", i%50), Name: fmt.Sprint("headless-", i)}
		z.SetService(dns.Service{Key: k, Headless: true, UID: fmt.Sprint(uid, i)})
		e := dns.Endpoints{Key: dns.Key{Namespace: k.Namespace, Name: k.Name + "-abcde"}, Service: k.Name, AnyReady: true,
			UID: fmt.Sprint(uid, i), Subsets: []dns.Subset{{Ports: port}}}
		for j := range 50 {
			e.Subsets[0].Endpoints = append(e.Subsets[0].Endpoints,
				dns.Endpoint{Addr: netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), byte(j)}), Ready: true})
		}
		z.SetEndpoints(e)
	}
	z.Publish()
	z.MarkSynced()
}

// BenchmarkMemory reports the live heap of a large cluster, in bytes.
func BenchmarkMemory(b *testing.B) {
	for _, size := range []struct{ services, headless int }{{10_000, 0}, {0, 1000}, {10_000, 1000}} {
		b.Run(fmt.Sprintf("services=%d/headless=%dx50", size.services, size.headless), func(b *testing.B) {
			for b.Loop() {
				before := heap()
				z := dns.NewZone(dns.Options{})
				large(z, size.services, size.headless)
				b.ReportMetric(float64(heap()-before), "B")
				runtime.KeepAlive(z)
			}
		})
	}
}

// BenchmarkMemoryOfRecords is BenchmarkMemory for the simplest alternative: a list of records for
// each name. It does not include reverse names and the objects.
func BenchmarkMemoryOfRecords(b *testing.B) {
	for _, size := range []struct{ services, headless int }{{10_000, 0}, {0, 1000}} {
		b.Run(fmt.Sprintf("services=%d/headless=%dx50", size.services, size.headless), func(b *testing.B) {
			for b.Loop() {
				before := heap()
				names := map[string][]backend.Record{}
				add := func(owner string, ip netip.Addr) {
					host := fmt.Sprintf("%x.%s", ip.As4(), owner)
					a := backend.Record{Type: backend.TypeA, TTL: 30, Addr: ip}
					names[owner], names[host] = append(names[owner], a), []backend.Record{a}
					names["_http._tcp."+owner] = append(names["_http._tcp."+owner],
						backend.Record{Type: backend.TypeSRV, TTL: 30, Host: host, Port: 80, Addrs: []netip.Addr{ip}})
				}
				for i := range size.services {
					add(fmt.Sprintf("service-%d.namespace-%d.svc.cluster.local.", i, i%50),
						netip.AddrFrom4([4]byte{10, 96, byte(i >> 8), byte(i)}))
				}
				for i := range size.headless {
					for j := range 50 {
						add(fmt.Sprintf("headless-%d.namespace-%d.svc.cluster.local.", i, i%50),
							netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), byte(j)}))
					}
				}
				b.ReportMetric(float64(heap()-before), "B")
				runtime.KeepAlive(names)
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
