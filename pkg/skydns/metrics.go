package skydns

import (
	"errors"
	"math"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/kube-dns/kube-dns/internal/rcode"
	"github.com/kube-dns/kube-dns/pkg/skydns/internal/udpbatch"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

type metrics struct {
	shared  *counters   // of goroutines without counters of their own
	workers []*counters // of the goroutines that read packets
	sockets atomic.Pointer[[]*udpbatch.Conn]

	panics, overloads, stale prometheus.Counter
	noRoom, notSent          prometheus.Counter // replies over UDP
	conns                    prometheus.Gauge
	connsRefused             prometheus.Counter

	requests, legacyDurations, durations, sizes, errors, misses, responses *prometheus.Desc
}

// newMetrics returns the metrics of a server in which workers goroutines read packets. pending
// returns the number of pending queries.
func newMetrics(opts Options, workers int, pending func() int) *metrics {
	m := &metrics{shared: new(counters)}
	for range workers {
		m.workers = append(m.workers, new(counters))
	}
	m.describe(opts)
	reg := opts.Registerer
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		reg.MustRegister(c)
		return c
	}
	m.panics = counter("kubedns_dns_panics_total",
		"Panics while a query was handled; each was answered with SERVFAIL.")
	m.overloads = counter("kubedns_dns_overload_total",
		"Queries answered with SERVFAIL because too many were pending, or too many wildcards ran.")
	m.stale = counter("kubedns_dns_stale_answers_total",
		"Replies from the data of an earlier run, before the first lists are complete.")
	m.connsRefused = counter("kubedns_dns_tcp_connections_refused_total",
		"TCP connections closed at once because there were too many.")
	m.conns = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "kubedns_dns_tcp_connections", Help: "Open TCP connections of clients.",
	})
	unsent := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "kubedns_dns_send_errors_total",
		Help: `Replies over UDP that were dropped: the socket's send buffer was full (reason="buffer"), ` +
			`or the kernel refused them (reason="refused").`,
	}, []string{"reason"})
	m.noRoom, m.notSent = unsent.WithLabelValues("buffer"), unsent.WithLabelValues("refused")
	reg.MustRegister(m, m.conns, unsent, prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "kubedns_dns_receive_drops_total",
		Help: "Queries over UDP that the kernel dropped because a socket's receive buffer was full.",
	}, m.kernelDrops), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "kubedns_dns_waiting_queries",
		Help: "Pending queries, most of them at upstreams. Beyond 2000 they get SERVFAIL at once.",
	}, func() float64 { return float64(pending()) }))
	return m
}

// describe sets the descriptions of the metrics that Collect sends.
func (m *metrics) describe(opts Options) {
	legacy := func(name, help string, labels ...string) *prometheus.Desc {
		name = prometheus.BuildFQName(opts.MetricsNamespace, opts.MetricsSubsystem, name)
		return prometheus.NewDesc(name, help, labels, nil)
	}
	m.requests = legacy("dns_request_count_total", "Counter of DNS requests made.", "system")
	m.legacyDurations = legacy("dns_request_duration_seconds",
		"Histogram of the time (in seconds) each request took to resolve.", "system")
	m.sizes = legacy("dns_response_size_bytes", "Size of the returned response in bytes.", "system")
	m.errors = legacy("dns_error_count_total", "Counter of DNS requests resulting in an error.", "system", "cause")
	m.misses = legacy("dns_cachemiss_count_total", "Counter of DNS requests about the zone. "+
		"There is no cache of responses, so each of them is a miss.", "cache")
	m.durations = prometheus.NewDesc("kubedns_dns_query_duration_seconds",
		"Time from the receipt of a query to its reply, in seconds. A scrape that requests native histograms gets "+
			"buckets that grow by 9 %.", []string{"proto", "system"}, nil)
	m.responses = prometheus.NewDesc("kubedns_dns_responses_total",
		"DNS replies by protocol (udp, tcp), type of the question and response code.",
		[]string{"proto", "type", "rcode"}, nil)
}

// sendFailed counts a reply over UDP that could not be sent.
func (m *metrics) sendFailed(err error) {
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, os.ErrDeadlineExceeded) {
		m.noRoom.Inc()
	} else {
		m.notSent.Inc()
	}
}

// kernelDrops returns the number of queries that the kernel dropped.
func (m *metrics) kernelDrops() float64 {
	sockets := m.sockets.Load()
	if sockets == nil {
		return 0
	}
	var n uint64
	for _, conn := range *sockets {
		n += uint64(conn.Dropped())
	}
	return float64(n)
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		m.requests, m.legacyDurations, m.durations, m.sizes, m.errors, m.misses, m.responses,
	} {
		out <- d
	}
}

// sum adds up one counter of all goroutines.
func (m *metrics) sum(get func(*counters) *atomic.Uint64) (n uint64) {
	for _, c := range m.workers {
		n += get(c).Load()
	}
	return n + get(m.shared).Load()
}

// Collect implements prometheus.Collector. Compat: a legacy series appears when it is first
// counted. Durations and SERVFAIL replies, which alerts read, exist from the start.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	emit := func(d *prometheus.Desc, n uint64, labels ...string) {
		if n > 0 {
			out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
		}
	}
	var byRcode [systems + 1][otherRcode + 1]uint64
	for via, proto := range transportNames {
		for qtype := range otherType + 1 {
			for code := range otherRcode + 1 {
				all := uint64(0)
				for sys := range systems + 1 {
					n := m.sum(func(c *counters) *atomic.Uint64 { return &c.replies[sys][via][qtype][code] })
					byRcode[sys][code] += n
					all += n
				}
				if all > 0 || code == dns.RcodeServerFailure {
					out <- prometheus.MustNewConstMetric(m.responses, prometheus.CounterValue, float64(all),
						proto, typeText(qtype), rcodeText(code))
				}
			}
		}
	}
	for sys, name := range systemNames {
		if n := m.collectHistograms(out, sys); n > 0 {
			emit(m.requests, n, name)
		}
		emit(m.errors, byRcode[sys][dns.RcodeNameError], name, "nxdomain")
		emit(m.errors, byRcode[sys][dns.RcodeRefused], name, "refused")
		emit(m.errors, byRcode[sys][dns.RcodeServerFailure], name, "servfail")
		emit(m.errors, m.sum(func(c *counters) *atomic.Uint64 { return &c.truncated[sys] }), name, "truncated")
	}
	emit(m.misses, m.sum(func(c *counters) *atomic.Uint64 { return &c.misses }), "response")
}

// collectHistograms sends the histograms of a system and returns the number of its
// replies.
func (m *metrics) collectHistograms(out chan<- prometheus.Metric, sys int) (all uint64) {
	legacy, took := map[float64]uint64{}, 0.0
	for via := range transportNames {
		n, seconds := m.collectDurations(out, sys, via, legacy)
		all += n
		took += seconds
	}
	if all == 0 {
		return 0
	}
	sizes := map[float64]uint64{}
	m.cumulate(len(sizeBounds), func(c *counters, i int) *atomic.Uint64 { return &c.sizes[sys][i] },
		func(i int, n uint64) { sizes[float64(sizeBounds[i])] = n })
	bytes := m.sum(func(c *counters) *atomic.Uint64 { return &c.bytes[sys] })
	out <- prometheus.MustNewConstHistogram(m.legacyDurations, all, took, legacy, systemNames[sys])
	out <- prometheus.MustNewConstHistogram(m.sizes, all, float64(bytes), sizes, systemNames[sys])
	return all
}

// collectDurations sends the histogram of a system and a protocol, and adds its buckets to the
// legacy buckets. It returns the number of replies and their time in seconds.
func (m *metrics) collectDurations(
	out chan<- prometheus.Metric, sys, via int, legacy map[float64]uint64,
) (n uint64, took float64) {
	buckets := map[float64]uint64{}
	n = m.cumulate(len(durationBounds), func(c *counters, i int) *atomic.Uint64 { return &c.durations[sys][via][i] },
		func(i int, n uint64) {
			buckets[durationBounds[i].Seconds()] = n
			if durationBounds[i] >= legacyLowest {
				legacy[durationBounds[i].Seconds()] += n
			}
		})
	nanos := m.sum(func(c *counters) *atomic.Uint64 { return &c.nanos[sys][via] })
	took = time.Duration(nanos).Seconds()
	proto, name := transportNames[via], systemNames[sys]
	out <- newFullHistogram(prometheus.MustNewConstHistogram(m.durations, n, took, buckets, proto, name), took,
		func(i int) uint64 { return m.sum(func(c *counters) *atomic.Uint64 { return &c.native[sys][via][i] }) },
		proto, name)
	return n, took
}

// A fullHistogram is a histogram with classic and native buckets. A scrape in a text format gets
// only the classic buckets.
type fullHistogram struct{ classic, native prometheus.Metric }

// newFullHistogram adds native buckets to a classic histogram. counts returns their counts by
// index. It reads them after the classic buckets, so that no classic bucket has more.
func newFullHistogram(
	classic prometheus.Metric, sum float64, counts func(i int) uint64, labels ...string,
) prometheus.Metric {
	zero, buckets := counts(0), map[int]int64{}
	n := zero
	for i := 1; i <= nativeCount; i++ {
		if count := counts(i); count > 0 {
			buckets[i-nativeOffset] = int64(count)
			n += count
		}
	}
	return fullHistogram{classic, prometheus.MustNewConstNativeHistogram(classic.Desc(), n, sum, buckets, nil,
		zero, nativeSchema, math.Exp2(nativeLowest), time.Time{}, labels...)}
}

// Desc implements prometheus.Metric.
func (h fullHistogram) Desc() *prometheus.Desc { return h.classic.Desc() }

// Write implements prometheus.Metric.
func (h fullHistogram) Write(out *dto.Metric) error {
	var classic dto.Metric
	if err := h.classic.Write(&classic); err != nil {
		return err
	}
	if err := h.native.Write(out); err != nil {
		return err
	}
	out.Histogram.Bucket, out.Histogram.CreatedTimestamp = classic.GetHistogram().GetBucket(), nil
	return nil
}

// cumulate calls set with the number of replies up to each bound, and returns the total.
func (m *metrics) cumulate(bounds int, get func(*counters, int) *atomic.Uint64, set func(i int, n uint64)) (n uint64) {
	for i := range bounds + 1 {
		n += m.sum(func(c *counters) *atomic.Uint64 { return get(c, i) })
		if i < bounds {
			set(i, n)
		}
	}
	return n
}

func typeText(index int) string {
	if index == otherType {
		return "other"
	}
	return dns.TypeToString[namedTypes[index]]
}

func rcodeText(index int) string {
	if index == otherRcode {
		return "other"
	}
	return rcode.Text(index)
}

// upstreamMetrics are the metrics of a forwarder's servers. A server removed from the configuration
// has no series.
type upstreamMetrics struct {
	forwarder *upstream.Forwarder
	up, rtt   *prometheus.Desc
	malformed *prometheus.Desc
	lookups   *prometheus.Desc
	entries   *prometheus.Desc
	bytes     *prometheus.Desc
	// durations and failures count single tries.
	durations, failures *prometheus.Desc
}

func newUpstreamMetrics(f *upstream.Forwarder) *upstreamMetrics {
	return &upstreamMetrics{
		forwarder: f,
		up: prometheus.NewDesc("kubedns_dns_upstream_up",
			"0 while an upstream does not reply, else 1, also before its first query.", []string{"server"}, nil),
		rtt: prometheus.NewDesc("kubedns_dns_upstream_reply_seconds",
			"Time that an upstream takes to reply over UDP, in seconds, smoothed.", []string{"server"}, nil),
		malformed: prometheus.NewDesc("kubedns_dns_upstream_malformed_replies_total",
			"Replies of upstreams that were dropped since they cannot be read. The message ends before its records "+
				`(reason="short"), or a name (reason="name") or the data of a record (reason="data") is invalid.`,
			[]string{"reason"}, nil),
		lookups: prometheus.NewDesc("kubedns_dns_cache_lookups_total",
			"Queries outside the zone that the cache was searched for, with --cache-size. They were answered from it "+
				`(result="hit"), also with an old reply while upstreams fail (result="stale"), or forwarded (result="miss").`,
			[]string{"result"}, nil),
		entries: prometheus.NewDesc("kubedns_dns_cache_entries", "Replies of upstreams in the cache, with --cache-size.",
			nil, nil),
		bytes: prometheus.NewDesc("kubedns_dns_cache_bytes",
			"Memory that the replies in the cache take, in bytes. It stays below --cache-size.", nil, nil),
		durations: prometheus.NewDesc("kubedns_dns_upstream_duration_seconds",
			"Time from a query to an upstream to its reply, in seconds, late replies included.", []string{"server"}, nil),
		failures: prometheus.NewDesc("kubedns_dns_upstream_failures_total",
			"Queries to an upstream that failed, so that another server is queried. The reason is timeout (the reply "+
				"may be late), unreachable, servfail, refused, other_rcode or malformed.", []string{"server", "reason"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (m *upstreamMetrics) Describe(out chan<- *prometheus.Desc) {
	out <- m.up
	out <- m.rtt
	out <- m.malformed
	out <- m.lookups
	out <- m.entries
	out <- m.bytes
	out <- m.durations
	out <- m.failures
}

// Collect implements prometheus.Collector.
func (m *upstreamMetrics) Collect(out chan<- prometheus.Metric) {
	for reason, n := range m.forwarder.Malformed() {
		out <- prometheus.MustNewConstMetric(m.malformed, prometheus.CounterValue, float64(n), reason)
	}
	m.collectCache(out)
	for _, server := range m.forwarder.Servers() {
		value := 0.0
		if server.Up {
			value = 1
		}
		name, replies := server.Addr.String(), server.Replies
		out <- prometheus.MustNewConstMetric(m.up, prometheus.GaugeValue, value, name)
		if server.RTT > 0 {
			out <- prometheus.MustNewConstMetric(m.rtt, prometheus.GaugeValue, server.RTT.Seconds(), name)
		}
		out <- prometheus.MustNewConstHistogram(m.durations, replies.Count, replies.Took.Seconds(), replies.Within, name)
		for why, n := range server.Failures {
			out <- prometheus.MustNewConstMetric(m.failures, prometheus.CounterValue, float64(n), name, why.String())
		}
	}
}

func (m *upstreamMetrics) collectCache(out chan<- prometheus.Metric) {
	stats, ok := m.forwarder.Cache()
	if !ok {
		return
	}
	for result, n := range map[string]uint64{
		"hit": stats.Fresh, "stale": stats.Failing, "miss": stats.Missed + stats.Stale,
	} {
		out <- prometheus.MustNewConstMetric(m.lookups, prometheus.CounterValue, float64(n), result)
	}
	out <- prometheus.MustNewConstMetric(m.entries, prometheus.GaugeValue, float64(stats.Entries))
	out <- prometheus.MustNewConstMetric(m.bytes, prometheus.GaugeValue, float64(stats.Bytes))
}
