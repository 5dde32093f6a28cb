package skydns_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// TestChurn changes Services and the configuration while clients send queries of all kinds, until
// the server stops. Services that never change always get the right answer. The race detector
// checks all other replies.
func TestChurn(t *testing.T) {
	z := kubedns.NewZone(kubedns.Options{})
	key := func(name string) kubedns.Key { return kubedns.Key{Namespace: "ns", Name: name} }
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
	z.SetService(kubedns.Service{Key: key("stays"), ClusterIPs: []netip.Addr{addr(1)}})
	z.Publish()
	z.MarkSynced()

	f := newForwarder(t, netip.AddrPort{})
	s, err := skydns.New(skydns.Options{Domain: "cluster.local.", Backend: z, Forwarder: f})
	if err != nil {
		t.Fatal(err)
	}
	sockets, err := skydns.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Run(ctx, sockets) }()

	up := dnstest.NewServer(t, rcode(dns.RcodeNameError)).AddrPort()
	churned := make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() { // the writer
		defer close(churned)
		for i := range 2000 {
			name := fmt.Sprint("svc", i%7)
			switch i % 5 {
			case 0:
				z.DeleteService(key(name))
			case 1:
				z.SetService(kubedns.Service{Key: key(name), ExternalName: "www.outside.example"})
			case 2:
				z.SetService(kubedns.Service{Key: key(name), ClusterIPs: []netip.Addr{addr(i)}})
			default:
				z.SetService(kubedns.Service{Key: key(name), Headless: true})
				at := []kubedns.Endpoint{{Addr: addr(i), Hostname: "h", Ready: true}}
				z.SetEndpoints(kubedns.Endpoints{
					Key: key(name), Service: name, Subsets: []kubedns.Subset{{Endpoints: at}},
				})
			}
			z.Publish()
		}
	})
	work.Go(func() { // the configuration
		for i := 0; ; i++ {
			select {
			case <-churned:
				return
			default:
			}
			servers := []netip.AddrPort{up, up}
			f.SetRoutes(servers[:i%3], map[string][]upstream.StubServer{"outside.example": {{Addr: up}}})
			z.SetFederations(map[string]string{"acme": fmt.Sprintf("f%d.example", i)})
		}
	})
	for worker := range 4 {
		work.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-churned:
					return
				default:
				}
				q := dnstest.Query("stays.ns.svc.cluster.local", dns.TypeA)
				m, err := dnstest.TryExchange(t.Context(), sockets.Addr().String(), q, worker == 0)
				if err != nil || len(m.Answer) != 1 {
					t.Errorf("what never changed: %v, %v", m, err)
					return
				}
				for _, name := range []string{
					"svc1.ns.svc.cluster.local", "h.svc2.ns.svc.cluster.local", "svc3.*.svc.cluster.local",
					"svc4.ns.acme.svc.cluster.local", "1.0.0.10.in-addr.arpa", "www.outside.example",
				} {
					q := dnstest.Query(name, []uint16{dns.TypeA, dns.TypeSRV, dns.TypePTR}[i%3])
					_, _ = dnstest.TryExchange(t.Context(), sockets.Addr().String(), q, i%2 == 0)
				}
			}
		})
	}
	work.Wait()
	// And stop, in the middle of queries.
	var late sync.WaitGroup
	for range 4 {
		late.Go(func() {
			query, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() { <-ctx.Done(); cancel() }()
			for query.Err() == nil {
				q := dnstest.Query("svc1.ns.svc.cluster.local", dns.TypeA)
				_, _ = dnstest.TryExchange(query, sockets.Addr().String(), q, false)
			}
		})
	}
	stop()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	late.Wait()
}
