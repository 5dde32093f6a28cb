package sidecar

import (
	"strings"
	"sync/atomic"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/kube-dns/kube-dns/internal/rcode"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/chaos"
)

// Metrics are the Prometheus series of one Server.
type Metrics struct {
	factory   promauto.Factory
	namespace string

	duration *prometheus.HistogramVec
	results  *prometheus.CounterVec
	replies  *prometheus.CounterVec
	failures *prometheus.GaugeVec
	dnsmasq  dnsmasqMetrics
}

// NewMetrics registers the series that do not depend on the probes. Every name starts with
// namespace and an underscore, unless namespace is empty. It panics if reg has series of these
// names already; reg can be nil.
func NewMetrics(reg prometheus.Registerer, namespace string) *Metrics {
	factory := promauto.With(reg)
	return &Metrics{
		factory:   factory,
		namespace: namespace,
		duration: factory.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: "probe", Name: "duration_seconds",
			Help:    "Time from a probe's question to its answer, in seconds; successful probes only.",
			Buckets: prometheus.ExponentialBuckets(0.25e-3, 2, 16),
		}, []string{"probe"}),
		results: factory.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "probe", Name: "results_total",
			Help: "Probes by result: ok, not_ready (the server waits for its data) or failed.",
		}, []string{"probe", "result"}),
		replies: factory.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "probe", Name: "replies_total",
			Help: "Replies to probes by response code.",
		}, []string{"probe", "rcode"}),
		failures: factory.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: "probe", Name: "consecutive_failures",
			Help: "Probes since the last one that succeeded.",
		}, []string{"probe"}),
		dnsmasq: newDnsmasqMetrics(factory, namespace),
	}
}

// probeMetrics are the series of one probe.
type probeMetrics struct {
	*Metrics
	latency prometheus.Histogram // milliseconds
	errors  prometheus.Counter
}

// forProbe registers the series of the probe with this label.
//
// Compat: the label is part of the first two names, because dashboards use these.
func (m *Metrics) forProbe(label string) *probeMetrics {
	for _, state := range []State{OK, NotReady, Failed} {
		m.results.WithLabelValues(label, state.metric())
	}
	for _, code := range []int{dns.RcodeSuccess, dns.RcodeNameError, dns.RcodeServerFailure, dns.RcodeRefused} {
		m.replies.WithLabelValues(label, rcode.Text(code)) // the codes that name servers send
	}
	m.duration.WithLabelValues(label)
	m.failures.WithLabelValues(label)
	return &probeMetrics{
		Metrics: m,
		latency: m.factory.NewHistogram(prometheus.HistogramOpts{
			Namespace: m.namespace, Subsystem: "probe", Name: label + "_latency_ms",
			Help:    "Time from a question of the probe " + label + " to its answer, in milliseconds; successful probes only.",
			Buckets: prometheus.ExponentialBuckets(0.25, 2, 16),
		}),
		errors: m.factory.NewCounter(prometheus.CounterOpts{
			Namespace: m.namespace, Subsystem: "probe", Name: label + "_errors",
			Help: "Probes " + label + " that did not succeed.",
		}),
	}
}

// metric returns the state as a metric label.
func (s State) metric() string { return strings.ReplaceAll(string(s), " ", "_") }

// observe counts one more probe with the result s.
func (m *probeMetrics) observe(s *ProbeState) {
	m.results.WithLabelValues(s.Label, s.State.metric()).Inc()
	m.failures.WithLabelValues(s.Label).Set(float64(s.FailuresInARow))
	if s.LastRcode != "" {
		m.replies.WithLabelValues(s.Label, s.LastRcode).Inc()
	}
	if s.State != OK {
		m.errors.Inc()
		return
	}
	m.latency.Observe(s.LatencySeconds * 1000)
	m.duration.WithLabelValues(s.Label).Observe(s.LatencySeconds)
}

// dnsmasqMetrics are the series of dnsmasq's counters.
type dnsmasqMetrics struct {
	hits, misses, evictions, insertions prometheus.Counter

	maxSize *atomic.Uint64
	errors  prometheus.Counter

	upstreamQueries, upstreamFailures *prometheus.CounterVec
	upstreamErrors                    prometheus.Counter
}

func newDnsmasqMetrics(factory promauto.Factory, namespace string) dnsmasqMetrics {
	opts := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: namespace, Subsystem: "dnsmasq", Name: name, Help: help}
	}
	counter := func(name, help string) prometheus.Counter { return factory.NewCounter(opts(name, help)) }
	m := dnsmasqMetrics{
		hits:       counter("hits", "Queries that dnsmasq answered itself."),
		misses:     counter("misses", "Queries that dnsmasq had to forward."),
		evictions:  counter("evictions", "Cache entries of dnsmasq that were dropped before their time to live was over."),
		insertions: counter("insertions", "Entries that dnsmasq put into its cache."),
		maxSize:    new(atomic.Uint64),
		errors:     counter("errors", "Polls of dnsmasq's counters that failed."),
		upstreamQueries: factory.NewCounterVec(opts("upstream_queries_total",
			"Queries that dnsmasq sent to an upstream server over UDP. dnsmasq does not count TCP."), []string{"server"}),
		upstreamFailures: factory.NewCounterVec(opts("upstream_failures_total",
			"Queries over UDP that dnsmasq sent again or that a server refused or failed. A query that is never answered and "+
				"never repeated is not counted."), []string{"server"}),
		upstreamErrors: counter("upstream_poll_errors_total",
			"Number of times that dnsmasq returned its other counters but not those of its upstream servers."),
	}
	// Compat: it is a counter by type, for dashboards, although it can decrease with the cache.
	factory.NewCounterFunc(opts("max_size", "Number of entries that dnsmasq's cache can hold."),
		func() float64 { return float64(m.maxSize.Load()) })
	return m
}

// addUpstream adds to the series of an upstream server, even zero: the series exists from the first
// sight of the server.
func (m *dnsmasqMetrics) addUpstream(server string, grown chaos.Server) {
	m.upstreamQueries.WithLabelValues(server).Add(float64(grown.Queries))
	m.upstreamFailures.WithLabelValues(server).Add(float64(grown.Failed))
}

// dropUpstream removes the series of an unused upstream server.
func (m *dnsmasqMetrics) dropUpstream(server string) {
	m.upstreamQueries.DeleteLabelValues(server)
	m.upstreamFailures.DeleteLabelValues(server)
}
