package dns_test

import (
	"fmt"
	"testing"

	"github.com/kube-dns/kube-dns/pkg/dns"
)

// BenchmarkUpdate changes the readiness of one endpoint of a headless Service with 50, in clusters
// of several sizes. The cost must not depend on the size.
func BenchmarkUpdate(b *testing.B) {
	for _, services := range []int{100, 10_000} {
		b.Run(fmt.Sprint("services=", services), func(b *testing.B) {
			z := dns.NewZone(dns.Options{})
			large(z, services, services/10)
			names := make([]string, 50)
			for i := range names {
				names[i] = fmt.Sprintf("10.200.0.%d", i)
			}
			z.SetService(headless("namespace-1/changing"))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				names[0] = fmt.Sprintf("10.200.1.%d", i%250)
				z.SetEndpoints(slice("namespace-1/changing-abcde", "changing", names...))
				z.Publish()
			}
		})
	}
}
