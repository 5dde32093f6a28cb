package skydns_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/miekg/dns"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/skydns"
)

// fairZone has headless Services of several sizes, and hosts with several
// addresses and ports.
func fairZone() *kubedns.Zone {
	z := kubedns.NewZone(kubedns.Options{})
	port := []kubedns.Port{{Name: "peer", Protocol: "tcp", Number: 7}}
	other := []kubedns.Port{{Name: "peer", Protocol: "tcp", Number: 8}, {Name: "x", Protocol: "tcp", Number: 9}}
	for _, n := range []int{2, 10, 5000} {
		name := fmt.Sprint("n", n)
		z.SetService(kubedns.Service{Key: kubedns.Key{Namespace: "ns", Name: name}, Headless: true})
		k := kubedns.Key{Namespace: "ns", Name: name}
		e := kubedns.Endpoints{Key: k, Service: name, Subsets: []kubedns.Subset{{Ports: port}}}
		for i := range n {
			at := kubedns.Endpoint{Addr: netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), Ready: true}
			e.Subsets[0].Endpoints = append(e.Subsets[0].Endpoints, at)
		}
		z.SetEndpoints(e)
	}
	// Names with one address and with two. The port has one number, two, or none.
	z.SetService(kubedns.Service{Key: kubedns.Key{Namespace: "ns", Name: "mixed"}, Headless: true})
	for i := range 20 {
		at := kubedns.Endpoint{Addr: netip.AddrFrom4([4]byte{10, 2, 0, byte(i)}), Ready: true}
		if i%3 == 0 {
			at.Hostname = fmt.Sprint("host-", i/6)
		}
		ports := [][]kubedns.Port{port, port, other, other[1:]}[i%4]
		k := kubedns.Key{Namespace: "ns", Name: fmt.Sprint("mixed-", i)}
		mixed := kubedns.Subset{Ports: ports, Endpoints: []kubedns.Endpoint{at}}
		z.SetEndpoints(kubedns.Endpoints{Key: k, Service: "mixed", Subsets: []kubedns.Subset{mixed}})
	}
	z.Publish()
	z.MarkSynced()
	return z
}

// fairQuery returns a packet; size 0 is without EDNS.
func fairQuery(t *testing.T, name string, qtype, size uint16) []byte {
	t.Helper()
	q := new(dns.Msg).SetQuestion(name+".ns.svc.cluster.local.", qtype)
	if size > 0 {
		q.SetEdns0(size, false)
	}
	raw, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// target is what a client connects to.
func target(rr dns.RR) string {
	switch rr := rr.(type) {
	case *dns.A:
		return rr.A.String()
	case *dns.SRV:
		return fmt.Sprint(rr.Target, rr.Port)
	}
	return rr.String()
}

// bothPaths runs a test for the fast path and the slow path, over UDP and TCP.
func bothPaths(t *testing.T, test func(t *testing.T, udp, tcp func([]byte) []byte)) {
	s := newServer(t, skydns.Options{Backend: fairZone()})
	t.Run("fast", func(t *testing.T) { test(t, s.FastForTest(false), s.FastForTest(true)) })
	t.Run("slow", func(t *testing.T) { test(t, s.SlowForTest(false), s.SlowForTest(true)) })
}

// TestEveryRecordIsFirst: every record comes first equally often.
func TestEveryRecordIsFirst(t *testing.T) {
	tests := []struct {
		name  string
		qtype uint16
		want  int
	}{
		{"n2", dns.TypeA, 2}, {"_peer._tcp.n2", dns.TypeSRV, 2}, {"n2", dns.TypeSRV, 2}, {"n10", dns.TypeA, 10},
		{"_peer._tcp.n10", dns.TypeSRV, 10},
		{"n10", dns.TypeSRV, 10}, {"_peer._tcp.mixed", dns.TypeSRV, 15}, {"_x._tcp.mixed", dns.TypeSRV, 10},
		{"mixed", dns.TypeSRV, 17},
	}
	bothPaths(t, func(t *testing.T, udp, _ func([]byte) []byte) {
		for _, tt := range tests {
			packet := fairQuery(t, tt.name, tt.qtype, 4096)
			first, rounds := map[string]int{}, 1200*tt.want
			for range rounds {
				m := unpacked(t, packet, udp(packet))
				if len(m.Answer) != tt.want || m.Truncated {
					t.Fatalf("%s: %d records, want %d", tt.name, len(m.Answer), tt.want)
				}
				first[target(m.Answer[0])]++
			}
			even := float64(rounds) / float64(tt.want)
			for record, n := range first {
				if share := float64(n) / even; share < 0.85 || share > 1.15 {
					t.Errorf("%s: %s is first %d times, even is %.0f", tt.name, record, n, even)
				}
			}
			if len(first) != tt.want {
				t.Errorf("%s: only %d of %d records are ever first", tt.name, len(first), tt.want)
			}
		}
	})
}

// TestEveryEndpointIsReached: clients reach every endpoint, even if only a few fit into a reply.
func TestEveryEndpointIsReached(t *testing.T) {
	bothPaths(t, func(t *testing.T, udp, tcp func([]byte) []byte) {
		for _, name := range []string{"n5000", "_peer._tcp.n5000"} {
			for _, qtype := range []uint16{dns.TypeA, dns.TypeSRV} {
				if name != "n5000" && qtype == dns.TypeA {
					continue
				}
				reach(t, name+", UDP 512", udp, fairQuery(t, name, qtype, 0))
				reach(t, name+", UDP 4096", udp, fairQuery(t, name, qtype, 4096))
				reach(t, name+", TCP", tcp, fairQuery(t, name, qtype, 0))
			}
		}
	})
}

// reach sends queries until all 5,000 were seen. By chance that needs about nine times as many
// records.
func reach(t *testing.T, what string, ask func([]byte) []byte, packet []byte) {
	t.Helper()
	seen, records := map[string]bool{}, 0
	for len(seen) < 5000 && records < 30*5000 {
		m := unpacked(t, packet, ask(packet))
		for _, rr := range m.Answer {
			seen[target(rr)] = true
		}
		records += len(m.Answer)
	}
	if len(seen) < 5000 {
		t.Errorf("%s: %d of 5000 endpoints in %d records", what, len(seen), records)
	}
}
