package dns_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/kube-dns/kube-dns/pkg/dns"
)

// For an address with any number of names in one Service, a reply has a few distinct names, and
// each name has its turn. A query creates no more names.
func TestReverseOfManyNames(t *testing.T) {
	const hosts, most = 3000, 64
	z := newZone()
	z.SetService(headless("ns/db"))
	var endpoints []string
	for i := range hosts {
		endpoints = append(endpoints, fmt.Sprintf("10.0.0.1=h%d", i))
	}
	z.SetEndpoints(slice("ns/a", "db", endpoints...))
	other := slice("ns/b", "db", endpoints...)
	other.Subsets[0].Ports = []dns.Port{{Name: "other", Protocol: "tcp", Number: 9}}
	z.SetEndpoints(other)
	z.Publish()
	seen := map[string]bool{}
	for queries := 0; len(seen) < hosts && queries < 30*hosts/most; queries++ {
		names := reverse(z, "10.0.0.1")
		if len(names) != most || len(slices.Compact(names)) != most {
			t.Fatalf("got %d names, want %d, each once", len(names), most)
		}
		for _, name := range names {
			seen[name] = true
		}
	}
	if len(seen) != hosts {
		t.Errorf("got %d different names, want %d", len(seen), hosts)
	}
	addr := netip.MustParseAddr("10.0.0.1")
	if n := testing.AllocsPerRun(10, func() { _, _ = z.ReverseRecords(addr) }); n > 2*most {
		t.Errorf("%.0f allocations for %d names", n, most)
	}
}
