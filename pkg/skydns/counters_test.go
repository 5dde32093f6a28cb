package skydns

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
)

// What is tallied in batches adds up to what is counted one by one.
func TestTally(t *testing.T) {
	var one, batched counters
	tally := tally{counters: &batched}
	types := []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeSRV, dns.TypePTR, dns.TypeMX, dns.TypeHTTPS, dns.TypeANY, 65280}
	random := rand.New(rand.NewPCG(1, 2))
	auth := uint64(0)
	for range 500 {
		began := time.Now()
		for range random.IntN(33) {
			sys, via, truncated := system(random.IntN(int(systems))), transport(random.IntN(2)), random.IntN(9) == 0
			qtype, rcode, size := types[random.IntN(len(types))], random.IntN(rcodes+1), random.IntN(3000)
			o := outcomeOf(sys, via, qtype, rcode, size, truncated)
			one.count(o, size, 0)
			tally.note(o, size, began)
			if sys == systemAuth {
				auth++
			}
		}
		tally.end(time.Since(began))
	}
	for i := range one.systems {
		want, got := &one.systems[i], &batched.systems[i]
		if want.requests.Load() != got.requests.Load() || want.bytes.Load() != got.bytes.Load() {
			t.Errorf("%s: %d replies of %d bytes, want %d of %d", systemNames[i], got.requests.Load(), got.bytes.Load(), want.requests.Load(), want.bytes.Load())
		}
		for bucket := range want.sizes {
			if want, got := want.sizes[bucket].Load(), got.sizes[bucket].Load(); want != got {
				t.Errorf("%s: %d replies in the bucket of sizes %d, want %d", systemNames[i], got, bucket, want)
			}
		}
		for why := range want.causes {
			if want, got := want.causes[why].Load(), got.causes[why].Load(); want != got {
				t.Errorf("%s: %d replies are %s, want %d", systemNames[i], got, causeNames[why], want)
			}
		}
		timed := uint64(0)
		for bucket := range got.durations {
			timed += got.durations[bucket].Load()
		}
		if timed != got.requests.Load() {
			t.Errorf("%s: %d of %d replies have a duration", systemNames[i], timed, got.requests.Load())
		}
	}
	for protocol := range one.responses {
		for qtype := range one.responses[protocol] {
			for rcode := range one.responses[protocol][qtype] {
				if want, got := one.responses[protocol][qtype][rcode].Load(), batched.responses[protocol][qtype][rcode].Load(); want != got {
					t.Errorf("protocol %d, type %d, rcode %d: %d, want %d", protocol, qtype, rcode, got, want)
				}
			}
		}
	}
	if got := batched.misses.Load(); got != auth {
		t.Errorf("%d misses, want %d", got, auth)
	}
}

// TestDurationBuckets: both histograms hold every query. The legacy one has its old
// bounds, the new one also has queries of microseconds in buckets of their own.
func TestDurationBuckets(t *testing.T) {
	m := newMetrics(Options{MetricsNamespace: "skydns", MetricsSubsystem: "skydns"}, 1)
	for _, took := range []time.Duration{
		0, 9 * time.Microsecond, 10 * time.Microsecond, 11 * time.Microsecond, 499 * time.Microsecond, 501 * time.Microsecond,
		time.Millisecond, 2 * time.Millisecond, 10 * time.Second, 11 * time.Second,
	} {
		m.ofWorker(0).count(outcomeOf(systemAuth, udp, dns.TypeA, dns.RcodeSuccess, 100, false), 100, took)
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
