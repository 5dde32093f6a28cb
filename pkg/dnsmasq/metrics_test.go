package dnsmasq

import (
	"flag"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kube-dns/kube-dns/internal/httpd"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestMetricsGolden pins the names, types, labels and help texts of all series.
func TestMetricsGolden(t *testing.T) {
	reg := httpd.NewRegistry()
	m := NewMetrics(reg)
	server := netip.MustParseAddrPort("192.0.2.1:53")
	m.starts.WithLabelValues("first").Inc()
	m.reloads.WithLabelValues(confirmed.String()).Inc()
	setOne(m.configInfo, "0123", "directory")
	setOne(m.refused, refusedRollback)
	setOne(m.info, "2.90")
	m.disable(server, "loop")
	m.disable(netip.MustParseAddrPort("127.0.0.1:0"), "local")
	m.setLoops(map[netip.AddrPort]string{server: "why"})
	m.count([]ServerStats{{server, 3, 1}}, nil)

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
	m.count(nil, []netip.AddrPort{server})
	if text := scrape(t, httpd.MetricsHandler(reg)); strings.Contains(text, "upstream_queries_total{") {
		t.Errorf("a server that has gone still has a series")
	}
}
