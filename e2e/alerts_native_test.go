//go:build chaos

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestAlertsNativeHistograms: a Prometheus that accepts native histograms gets the duration of
// queries as a native histogram, with each query in it, and no classic buckets. The legacy
// histogram remains classic.
func TestAlertsNativeHistograms(t *testing.T) {
	dir := stateDir(t)
	manifest := "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: prod}, spec: {clusterIP: 10.0.0.1}}"
	objects := filepath.Join(dir, "objects")
	if err := os.Mkdir(objects, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(objects, "web.yaml"), []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	metrics, queries, status := freePort(t), freePort(t), freePort(t)
	t.Setenv("PROMETHEUS_PORT", strconv.Itoa(metrics))
	start(t, "kube-dns", nil, "--manifests="+objects, "--dns-bind-address=127.0.0.1", "--dns-port="+strconv.Itoa(queries),
		"--http-bind-address=127.0.0.1", "--healthz-port="+strconv.Itoa(status), "--lameduck=0s")
	eventually(t, 30*time.Second, func() error {
		_, err := get(fmt.Sprintf("http://127.0.0.1:%d/readiness", status), http.StatusOK)
		return err
	})
	answered := 0
	for range 50 {
		if _, err := exchange("udp", fmt.Sprintf("127.0.0.1:%d", queries), "web.prod.svc.cluster.local.",
			dns.TypeA); err == nil {
			answered++ // on a busy machine some replies are late
		}
	}
	config := "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n  - job_name: kube-dns\n" +
		fmt.Sprintf("    static_configs: [{targets: ['127.0.0.1:%d']}]\n", metrics)
	f := &fleet{url: startPrometheus(t, dir, config, "--enable-feature=native-histograms")}
	for expr, want := range map[string]int{
		fmt.Sprintf(`histogram_count(kubedns_dns_query_duration_seconds{proto="udp", system="auth"}) >= %d`, answered): 1,
		`histogram_quantile(0.99, kubedns_dns_query_duration_seconds{proto="udp", system="auth"}) > 0`:                 1,
		`histogram_count(kubedns_dns_query_duration_seconds) == 0`:                                                     5,
		`kubedns_dns_query_duration_seconds_bucket`:                                                                    0,
		`count(skydns_skydns_dns_request_duration_seconds_bucket{system="auth"}) > 10`:                                 1,
	} {
		eventually(t, 30*time.Second, func() error {
			series, err := f.query(expr)
			if err == nil && len(series) != want {
				err = fmt.Errorf("%s: got %d series, want %d", expr, len(series), want)
			}
			return err
		})
	}
}
