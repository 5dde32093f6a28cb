package dnsmasq

import (
	"flag"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/httpd"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestMetricsGolden pins the names, types, labels and help texts of all series.
func TestMetricsGolden(t *testing.T) {
	reg := httpd.NewRegistry("kubedns", "dnsmasq-nanny", "")
	m := NewMetrics(reg)
	server := netip.MustParseAddrPort("192.0.2.1:53")
	m.starts.WithLabelValues("first").Inc()
	m.reloads.WithLabelValues(resultConfirmed).Inc()
	setOne(m.configInfo, "0123", "directory")
	setOne(m.refused, "stubDomains")
	setOne(m.info, "2.90")
	tested := newResults(m, testLog(t))
	tested.servers = map[upstreams.Server]*result{
		{Domain: "", Addr: server}:          {loops: true},
		{Domain: "acme.test", Addr: server}: {loops: true, failing: dns.RcodeServerFailure},
	}
	tested.publish()

	var got strings.Builder
	for line := range strings.Lines(scrape(t, httpd.MetricsHandler(reg))) {
		if strings.Contains(line, "kubedns_nanny_") {
			got.WriteString(line)
		}
	}
	const golden = "testdata/metrics.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s (-want +got); go test -update rewrites it if this is meant:\n%s", golden, diff)
	}
	tested.keep(nil)
	if text := scrape(t, httpd.MetricsHandler(reg)); strings.Contains(text, "upstream_loop{") ||
		strings.Contains(text, "upstream_failing{") {
		t.Errorf("a server that no longer leads back, or fails, still has a series")
	}
}
