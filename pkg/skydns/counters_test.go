package skydns

import (
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// TestDurationBuckets: both histograms count every query. The legacy one has its old bounds; the
// new one also has buckets for microseconds.
func TestDurationBuckets(t *testing.T) {
	m := newMetrics(Options{MetricsNamespace: "skydns", MetricsSubsystem: "skydns"}, 1, func() int { return 0 })
	for _, took := range []time.Duration{
		0, 9 * time.Microsecond, 10 * time.Microsecond, 11 * time.Microsecond, 499 * time.Microsecond, 501 * time.Microsecond,
		time.Millisecond, 2 * time.Millisecond, 10 * time.Second, 11 * time.Second,
	} {
		m.workers[0].count(took, outcome{series{systemAuth, udp, dns.TypeA, dns.RcodeSuccess, false}, 100})
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
		i := slices.IndexFunc(f.GetMetric(), func(m *dto.Metric) bool { return m.GetHistogram().GetSampleCount() > 0 })
		h, got := f.GetMetric()[max(i, 0)].GetHistogram(), map[float64]uint64{}
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

// TestNativeBuckets checks that each duration is in its bucket, and that a scrape has native
// buckets in addition to the classic ones.
func TestNativeBuckets(t *testing.T) {
	bound := func(i int) float64 { return math.Exp2(float64(i-nativeOffset) / nativeSteps) }
	for took := time.Duration(1); took < 15*time.Second; took = took*9/8 + 1 {
		i, seconds := nativeIndex(took), took.Seconds()
		if seconds > bound(i)*(1+1e-12) || i > 0 && seconds < bound(i-1)*(1-1e-12) {
			t.Errorf("%v is in bucket %d, from %g to %g", took, i, bound(i-1), bound(i))
		}
	}
	for took, want := range map[time.Duration]int{-1: 0, 0: 0, time.Second: nativeOffset, time.Hour: nativeCount} {
		if got := nativeIndex(took); got != want {
			t.Errorf("%v is in bucket %d, want %d", took, got, want)
		}
	}
	m := newMetrics(Options{}, 1, func() int { return 0 })
	m.workers[0].count(0, outcome{series{systemAuth, udp, dns.TypeA, dns.RcodeSuccess, false}, 100})
	m.workers[0].count(20*time.Microsecond, outcome{series{systemAuth, udp, dns.TypeA, dns.RcodeSuccess, false}, 100})
	m.workers[0].count(time.Second, outcome{series{systemAuth, tcp, dns.TypeA, dns.RcodeSuccess, false}, 100})
	reg := prometheus.NewRegistry()
	reg.MustRegister(m)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(families, func(f *dto.MetricFamily) bool {
		return f.GetName() == "kubedns_dns_query_duration_seconds"
	})
	series := families[i].GetMetric()
	if len(series) != 6 || series[3].GetLabel()[0].GetValue() != "udp" || series[3].GetLabel()[1].GetValue() != "auth" {
		t.Fatalf("got %v, want series of both protocols and all systems", series)
	}
	h := series[3].GetHistogram()
	if h.GetSampleCount() != 2 || h.GetZeroCount() != 1 || len(h.GetPositiveDelta()) != 1 || len(h.GetBucket()) != 19 {
		t.Errorf("got %v, want 2 durations, 1 in the zero bucket and 1 in another, and 19 classic buckets", h)
	}
}

// TestServfailFromTheStart checks that alerts find a series before the first SERVFAIL.
func TestServfailFromTheStart(t *testing.T) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(newMetrics(Options{}, 1, func() int { return 0 }))
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range families {
		for _, series := range f.GetMetric() {
			for _, l := range series.GetLabel() {
				if l.GetName() == "rcode" && l.GetValue() == "SERVFAIL" && series.GetCounter().GetValue() == 0 {
					n++
				}
			}
		}
	}
	if want := len(transportNames) * (otherType + 1); n != want {
		t.Errorf("got %d series of SERVFAIL, want %d", n, want)
	}
}

// TestCountBatch: replies counted in one step count like replies counted one by one.
func TestCountBatch(t *testing.T) {
	a := outcome{series{systemAuth, udp, dns.TypeA, dns.RcodeSuccess, false}, 100}
	large := outcome{series{systemAuth, udp, dns.TypeA, dns.RcodeSuccess, false}, 600}
	cut := outcome{series{systemAuth, udp, dns.TypeSRV, dns.RcodeSuccess, true}, 512}
	ptr := outcome{series{systemReverse, udp, dns.TypePTR, dns.RcodeSuccess, false}, 90}
	none := outcome{series: series{system: systemNone, via: udp, rcode: dns.RcodeFormatError}}
	batch := []outcome{a, a, large, a, cut, cut, none, ptr, ptr, none, a}
	var together, alone counters
	together.count(20*time.Microsecond, batch...)
	for _, o := range batch {
		alone.count(20*time.Microsecond, o)
	}
	if !reflect.DeepEqual(&together, &alone) {
		t.Error("the counters differ")
	}
	if got := together.bytes[systemAuth].Load(); got != 4*100+600+2*512 {
		t.Errorf("%d bytes", got)
	}
	if n, cut := together.sizes[systemAuth][1].Load(), together.truncated[systemAuth].Load(); n != 6 || cut != 2 {
		t.Errorf("%d replies of up to 512 bytes, %d truncated, want 6 and 2", n, cut)
	}
	if n := together.nanos[systemAuth][udp].Load(); n != 7*20_000 {
		t.Errorf("%d ns, want those of 7 replies", n)
	}
}
