package skydns

import (
	"errors"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/udpbatch"
)

type metrics struct {
	// shared counts for all goroutines that have no counters of their own.
	shared *counters
	all    []*counters

	panics       prometheus.Counter
	overloads    prometheus.Counter
	stale        prometheus.Counter
	sendErrors   *prometheus.CounterVec
	unsent       [2]prometheus.Counter // of sendErrors: no room, refused
	sockets      atomic.Pointer[[]*udpbatch.Conn]
	conns        prometheus.Gauge
	connsRefused prometheus.Counter

	requests, legacyDurations, durations, sizes, errors, misses, responses *prometheus.Desc
}

// newMetrics makes the metrics of a server in which workers goroutines read
// packets.
func newMetrics(opts Options, workers int) *metrics {
	legacy := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(opts.MetricsNamespace, opts.MetricsSubsystem, name), help, labels, nil)
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		shared:    new(counters),
		panics:    counter("kubedns_dns_panics_total", "Panics while a query was handled; each was answered with SERVFAIL."),
		overloads: counter("kubedns_dns_overload_total", "Queries answered with SERVFAIL because too many waited for other servers, or too many wildcards ran."),
		stale:     counter("kubedns_dns_stale_answers_total", "Answers from the data of an earlier run, while the first lists are waited for."),
		sendErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kubedns_dns_send_errors_total",
			Help: "Replies over UDP that were dropped: the socket's send buffer was full (reason=\"buffer\"), or the kernel refused them (reason=\"refused\").",
		}, []string{"reason"}),
		conns:        prometheus.NewGauge(prometheus.GaugeOpts{Name: "kubedns_dns_tcp_connections", Help: "Open TCP connections of clients."}),
		connsRefused: counter("kubedns_dns_tcp_connections_refused_total", "TCP connections closed at once because there were too many."),

		requests:        legacy("dns_request_count_total", "Counter of DNS requests made.", "system"),
		legacyDurations: legacy("dns_request_duration_seconds", "Histogram of the time (in seconds) each request took to resolve.", "system"),
		durations:       prometheus.NewDesc("kubedns_dns_query_duration_seconds", "Time from the receipt of a query to its reply, in seconds.", []string{"system"}, nil),
		sizes:           legacy("dns_response_size_bytes", "Size of the returned response in bytes.", "system"),
		errors:          legacy("dns_error_count_total", "Counter of DNS requests resulting in an error.", "system", "cause"),
		misses:          legacy("dns_cachemiss_count_total", "Counter of DNS requests about the zone. There is no cache of responses, so each of them is a miss.", "cache"),
		responses:       prometheus.NewDesc("kubedns_dns_responses_total", "DNS replies by protocol (udp, tcp), type of the question and response code.", []string{"proto", "type", "rcode"}, nil),
	}
	m.unsent = [2]prometheus.Counter{m.sendErrors.WithLabelValues("buffer"), m.sendErrors.WithLabelValues("refused")}
	m.all = []*counters{m.shared}
	for range workers {
		m.all = append(m.all, new(counters))
	}
	drops := prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "kubedns_dns_receive_drops_total",
		Help: "Queries over UDP that the kernel dropped because a socket's receive buffer was full.",
	}, m.kernelDrops)
	if opts.Registerer != nil {
		opts.Registerer.MustRegister(m, drops, m.panics, m.overloads, m.stale, m.sendErrors, m.conns, m.connsRefused)
	}
	return m
}

// watchWaiting adds the gauge of queries that wait, which n counts.
func (m *metrics) watchWaiting(reg prometheus.Registerer, n func() int) {
	if reg == nil {
		return
	}
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "kubedns_dns_waiting_queries",
		Help: "Queries whose reply is still to come, from other servers most often. Beyond 2000 they get SERVFAIL at once.",
	}, func() float64 { return float64(n()) }))
}

// sendFailed counts a reply over UDP that could not be sent.
func (m *metrics) sendFailed(err error) {
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, os.ErrDeadlineExceeded) {
		m.unsent[0].Inc()
	} else {
		m.unsent[1].Inc()
	}
}

// watchSockets makes the packets that the kernel drops at these sockets a metric.
func (m *metrics) watchSockets(sockets []*udpbatch.Conn) { m.sockets.Store(&sockets) }

// kernelDrops returns how many queries the kernel dropped.
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

// ofWorker returns the counters of one goroutine.
func (m *metrics) ofWorker(i int) *counters { return m.all[1+i] }

// malformed counts a reply to a packet that is not processed.
func (m *metrics) malformed(via transport, rcode int) {
	m.shared.responses[via][otherType][rcode].Add(1)
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.requests, m.legacyDurations, m.durations, m.sizes, m.errors, m.misses, m.responses} {
		out <- d
	}
}

// Collect implements prometheus.Collector. Compat: a series appears when it is
// first counted.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	sum := func(get func(*counters) *atomic.Uint64) uint64 {
		var n uint64
		for _, c := range m.all {
			n += get(c).Load()
		}
		return n
	}
	emit := func(d *prometheus.Desc, n uint64, labels ...string) {
		if n > 0 {
			out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
		}
	}
	for sys := range systems {
		name := systemNames[sys]
		n := sum(func(c *counters) *atomic.Uint64 { return &c.systems[sys].requests })
		if n == 0 {
			continue
		}
		emit(m.requests, n, name)
		for why := range causes {
			emit(m.errors, sum(func(c *counters) *atomic.Uint64 { return &c.systems[sys].causes[why] }), name, causeNames[why])
		}
		m.collectHistograms(out, sys, sum)
	}
	emit(m.misses, sum(func(c *counters) *atomic.Uint64 { return &c.misses }), "response")
	for via, proto := range transportNames {
		for t := range otherType + 1 {
			for rcode := range rcodes {
				n := sum(func(c *counters) *atomic.Uint64 { return &c.responses[via][t][rcode] })
				emit(m.responses, n, proto, typeText(t), rcodeText(rcode))
			}
		}
	}
}

func (m *metrics) collectHistograms(out chan<- prometheus.Metric, sys system, sum func(func(*counters) *atomic.Uint64) uint64) {
	durations, legacy, seen := map[float64]uint64{}, map[float64]uint64{}, uint64(0)
	for i, bound := range durationBounds {
		seen += sum(func(c *counters) *atomic.Uint64 { return &c.systems[sys].durations[i] })
		durations[bound.Seconds()] = seen
		if bound >= legacyLowest {
			legacy[bound.Seconds()] = seen
		}
	}
	seen += sum(func(c *counters) *atomic.Uint64 { return &c.systems[sys].durations[len(durationBounds)] })
	total := time.Duration(sum(func(c *counters) *atomic.Uint64 { return &c.systems[sys].nanos })).Seconds()
	out <- prometheus.MustNewConstHistogram(m.legacyDurations, seen, total, legacy, systemNames[sys])
	out <- prometheus.MustNewConstHistogram(m.durations, seen, total, durations, systemNames[sys])

	sizes := map[float64]uint64{}
	seen = 0
	for i, bound := range sizeBounds {
		seen += sum(func(c *counters) *atomic.Uint64 { return &c.systems[sys].sizes[i] })
		sizes[float64(bound)] = seen
	}
	seen += sum(func(c *counters) *atomic.Uint64 { return &c.systems[sys].sizes[len(sizeBounds)] })
	bytes := sum(func(c *counters) *atomic.Uint64 { return &c.systems[sys].bytes })
	out <- prometheus.MustNewConstHistogram(m.sizes, seen, float64(bytes), sizes, systemNames[sys])
}

func typeText(index int) string {
	if index == otherType {
		return "other"
	}
	return dns.TypeToString[namedTypes[index]]
}

func rcodeText(rcode int) string {
	switch rcode {
	case rcodes - 1:
		return "other"
	case dns.RcodeBadVers: // the library knows the number as that of TSIG
		return "BADVERS"
	}
	if text, ok := dns.RcodeToString[rcode]; ok {
		return text
	}
	return strconv.Itoa(rcode)
}

// upstreamMetrics are those of a forwarder's servers. A server that leaves the
// configuration leaves them, too.
type upstreamMetrics struct {
	forwarder *Forwarder
	up, rtt   *prometheus.Desc
}

func newUpstreamMetrics(f *Forwarder) *upstreamMetrics {
	return &upstreamMetrics{
		forwarder: f,
		up: prometheus.NewDesc("kubedns_dns_upstream_up",
			"0 while another server does not reply to our queries, else 1, also before the first one.", []string{"server"}, nil),
		rtt: prometheus.NewDesc("kubedns_dns_upstream_reply_seconds",
			"Time that another server takes to reply over UDP, smoothed.", []string{"server"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (m *upstreamMetrics) Describe(out chan<- *prometheus.Desc) {
	out <- m.up
	out <- m.rtt
}

// Collect implements prometheus.Collector.
func (m *upstreamMetrics) Collect(out chan<- prometheus.Metric) {
	for server := range m.forwarder.servers() {
		up, rtt := m.forwarder.health.state(server)
		value := 0.0
		if up {
			value = 1
		}
		out <- prometheus.MustNewConstMetric(m.up, prometheus.GaugeValue, value, server.String())
		if rtt > 0 {
			out <- prometheus.MustNewConstMetric(m.rtt, prometheus.GaugeValue, rtt.Seconds(), server.String())
		}
	}
}
