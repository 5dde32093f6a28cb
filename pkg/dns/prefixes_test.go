package dns_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"

	"github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// The names above those of addresses exist as long as one of the addresses does.
func TestReverseBelow(t *testing.T) {
	z := dns.NewZone(dns.Options{})
	z.MarkSynced()
	below := func(prefix string) bool {
		t.Helper()
		err := z.ReverseBelow(netip.MustParsePrefix(prefix))
		if err != nil && !errors.Is(err, backend.ErrNotFound) {
			t.Fatal(err)
		}
		return err == nil
	}
	z.SetService(clusterIP("ns/a", "10.96.0.20", "fd00:10:96::7014"))
	z.SetService(clusterIP("ns/b", "10.96.0.21", "fd00:10:96::7015"))
	z.Publish()
	for _, prefix := range []string{"10.0.0.0/8", "10.96.0.0/16", "10.96.0.0/24", "f000::/4", "fd00:10:96::/48",
		"fd00:10:96::7010/124"} {
		if !below(prefix) {
			t.Errorf("nothing below %s", prefix)
		}
	}
	for _, prefix := range []string{"11.0.0.0/8", "10.97.0.0/16", "10.96.1.0/24", "::/4", "e000::/4", "fd00:10:97::/48",
		"fd00:10:96::7000/124"} {
		if below(prefix) {
			t.Errorf("something below %s", prefix)
		}
	}
	z.DeleteService(key("ns/a"))
	z.Publish()
	if !below("10.96.0.0/24") || !below("fd00:10:96::7010/124") {
		t.Error("the other Service's addresses are gone")
	}
	z.SetService(dns.Service{Key: key("ns/b"), Headless: true})
	z.SetEndpoints(slice("ns/b-1", "b", "10.1.0.1=h", "10.2.0.1"))
	z.Publish()
	if below("10.96.0.0/24") || below("f000::/4") || !below("10.1.0.0/24") || below("10.2.0.0/24") {
		t.Error("prefixes are not those of the addresses with a name")
	}
	z.DeleteService(key("ns/b"))
	z.Publish()
	if below("10.0.0.0/8") {
		t.Error("something is left")
	}
}

// After any change, the prefixes are those of the existing addresses. The prefixes of an address
// that remains are never missing.
func TestReverseBelowAtRandom(t *testing.T) {
	z := dns.NewZone(dns.Options{})
	z.MarkSynced()
	z.SetService(clusterIP("ns/stays", "10.0.0.1", "fd00::1"))
	z.Publish()
	stop := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			for n := 4; n <= 124; n += 4 {
				if err := z.ReverseBelow(netip.PrefixFrom(netip.MustParseAddr("fd00::1"), n).Masked()); err != nil {
					t.Errorf("/%d: %v", n, err)
					return
				}
			}
		}
	})
	random := rand.New(rand.NewPCG(1, 2))
	held := map[int][]netip.Addr{-1: addrs("10.0.0.1", "fd00::1")}
	for range 2000 {
		i := random.IntN(30)
		k := key(fmt.Sprint("ns/s", i))
		if held[i] != nil {
			z.DeleteService(k)
			delete(held, i)
		} else {
			six := netip.MustParseAddr("fd00::1").As16()
			six[random.IntN(16)] = byte(random.IntN(256))
			held[i] = []netip.Addr{netip.AddrFrom4([4]byte{10, byte(random.IntN(2)), byte(random.IntN(3)),
				byte(random.IntN(9))}), netip.AddrFrom16(six)}
			z.SetService(dns.Service{Key: k, ClusterIPs: held[i]})
		}
		z.Publish()
		for _, addr := range []netip.Addr{netip.AddrFrom4([4]byte{10, byte(random.IntN(3)), byte(random.IntN(4)), 0}),
			held[-1][1], netip.AddrFrom16([16]byte{byte(random.IntN(256))})} {
			for n := 8; n <= addr.BitLen()-8; n += 8 {
				prefix := netip.PrefixFrom(addr, n).Masked()
				want := false
				for _, list := range held {
					for _, a := range list {
						want = want || prefix.Contains(a)
					}
				}
				if got := z.ReverseBelow(prefix) == nil; got != want {
					t.Fatalf("%s: got %v, want %v", prefix, got, want)
				}
			}
		}
	}
	close(stop)
	readers.Wait()
}
