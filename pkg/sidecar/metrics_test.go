package sidecar_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/kube-dns/kube-dns/pkg/dnsmasq/chaos"
	"github.com/kube-dns/kube-dns/pkg/sidecar"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Dashboards and alerts depend on the names, types and buckets of the metrics.
func TestMetricsGolden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := &script{rtt: 3 * time.Millisecond, reply: reply(dns.RcodeSuccess, 1)}
		waits := &script{rtt: 3 * time.Millisecond, reply: reply(dns.RcodeServerFailure, 0, waiting(""))}
		s, reg := newServer(t, sidecar.Options{
			Targets: []sidecar.Target{target(t, "dnsmasq,127.0.0.1,a.test,5,A"),
				target(t, "kubedns,127.0.0.1:10053,a.test,5,SRV")},
			Exchange: func(ctx context.Context, t sidecar.Target) (*dns.Msg, time.Duration, error) {
				if t.Label == "dnsmasq" {
					return good.exchange(ctx, t)
				}
				return waits.exchange(ctx, t)
			},
			Stats: func(context.Context) (chaos.Stats, error) {
				return chaos.Stats{Hits: 1, Misses: 2, Evictions: 3, Insertions: 4, CacheSize: 1000}, nil
			},
			Upstreams: func(context.Context) ([]chaos.Server, error) {
				return []chaos.Server{upstream("10.0.0.1:53", 5, 1)}, nil
			},
			PollInterval: 5 * time.Second,
		})
		stop := running(t, s)
		time.Sleep(4 * time.Second) // one probe each: see TestStates
		stop()

		_, _, got := get(t, promhttp.HandlerFor(reg, promhttp.HandlerOpts{}), "/metrics")
		golden := filepath.Join("testdata", "metrics.golden")
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("metrics (-want +got); rewrite %s with -update if this is meant:\n%s", golden, diff)
		}
	})
}
