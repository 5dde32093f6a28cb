package skydns

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
)

// TestDurationBuckets: both histograms hold every query. The legacy one has its old
// bounds, the new one also has queries of microseconds in buckets of their own.
func TestDurationBuckets(t *testing.T) {
	m := newMetrics(Options{MetricsNamespace: "skydns", MetricsSubsystem: "skydns"}, 1, func() int { return 0 })
	for _, took := range []time.Duration{
		0, 9 * time.Microsecond, 10 * time.Microsecond, 11 * time.Microsecond, 499 * time.Microsecond, 501 * time.Microsecond,
		time.Millisecond, 2 * time.Millisecond, 10 * time.Second, 11 * time.Second,
	} {
		m.workers[0].count(outcome{systemAuth, udp, dns.TypeA, dns.RcodeSuccess, 100, false, took})
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(m)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]map[float64]uint64{
		"skydns_skydns_dns_request_duration_seconds": {
			0.001: 7, 0.003: 8, 0.005: 8, 0.01: 8, 0.025: 8, 0.05: 8, 0.1: 8, 0.25: 8, 0.5: 8, 1: 8, 2.5: 8, 5: 8, 10: 9,
		},
		"kubedns_dns_query_duration_seconds": {
			10e-6: 3, 25e-6: 4, 50e-6: 4, 100e-6: 4, 250e-6: 4, 500e-6: 5,
			0.001: 7, 0.003: 8, 0.005: 8, 0.01: 8, 0.025: 8, 0.05: 8, 0.1: 8, 0.25: 8, 0.5: 8, 1: 8, 2.5: 8, 5: 8, 10: 9,
		},
	}
	for _, f := range families {
		buckets, ok := want[f.GetName()]
		if !ok {
			continue
		}
		delete(want, f.GetName())
		h, got := f.GetMetric()[0].GetHistogram(), map[float64]uint64{}
		for _, b := range h.GetBucket() {
			got[b.GetUpperBound()] = b.GetCumulativeCount()
		}
		if diff := cmp.Diff(buckets, got); diff != "" || h.GetSampleCount() != 10 {
			t.Errorf("%s: got %d queries, want 10; buckets (-want +got):\n%s", f.GetName(), h.GetSampleCount(), diff)
		}
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}
