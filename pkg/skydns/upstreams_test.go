package skydns_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// The metrics show the servers that reply; they are the servers of the configuration.
func TestUpstreamMetrics(t *testing.T) {
	silent, good := newMute(t).addr(), dnstest.NewServer(t, rcode(dns.RcodeSuccess)).AddrPort()
	stub := netip.MustParseAddrPort("192.0.2.1:53")
	reg := prometheus.NewRegistry()
	f := newForwarder(t, netip.AddrPort{})
	addr := serve(t, skydns.Options{Backend: zone(), Forwarder: f, Registerer: reg})
	f.SetRoutes([]netip.AddrPort{silent, good},
		map[string][]upstream.StubServer{"stub.example": {{Addr: stub}, {Host: "ns.example"}}})
	expect := func(name string, want ...string) {
		t.Helper()
		got := series(t, reg, name)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	expect("kubedns_dns_upstream_up", silent.String()+" 1", good.String()+" 1", stub.String()+" 1")
	for i := range 4 {
		dnstest.Exchange(t, addr, dnstest.Query(fmt.Sprintf("q%d.outside.example", i), dns.TypeA), false)
	}
	expect("kubedns_dns_upstream_up", silent.String()+" 0", good.String()+" 1", stub.String()+" 1")
	if got := value(t, reg, "kubedns_dns_upstream_reply_seconds"); got <= 0 {
		t.Errorf("replies took %v s", got)
	}
	for name, want := range map[string]float64{"duration_seconds": 4, "failures_total": 2} {
		if got := count(t, reg, "kubedns_dns_upstream_"+name); got < want {
			t.Errorf("%s: got %v, want %v replies of one server and failures of the other", name, got, want)
		}
	}
	f.SetRoutes([]netip.AddrPort{good}, nil)
	expect("kubedns_dns_upstream_up", good.String()+" 1")
}

// series returns the label and the value of each series of a gauge, sorted.
func series(t *testing.T, reg prometheus.Gatherer, name string) []string {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			out = append(out, fmt.Sprint(m.GetLabel()[0].GetValue(), " ", m.GetGauge().GetValue()))
		}
	}
	slices.Sort(out)
	return out
}

// count returns the sum of all series of a counter or a histogram.
func count(t *testing.T, reg prometheus.Gatherer, name string) (n float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				n += m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return n
}
