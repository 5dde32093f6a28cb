package skydns

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
)

// A system is the part of the server that answered, a label of the metrics
// that kube-dns has always had.
type system string

const (
	systemAuth      system = "auth"
	systemRecursive system = "recursive"
	systemReverse   system = "reverse"
)

type metrics struct {
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	sizes     *prometheus.HistogramVec
	errors    *prometheus.CounterVec
	misses    *prometheus.CounterVec

	responses    *prometheus.CounterVec
	panics       prometheus.Counter
	overloads    prometheus.Counter
	stale        prometheus.Counter
	sendErrors   prometheus.Counter
	conns        prometheus.Gauge
	connsRefused prometheus.Counter

	cacheMisses lazyCounter
}

// A lazyCounter makes its series when it is first counted.
type lazyCounter struct{ get func() prometheus.Counter }

func (l lazyCounter) Inc() { l.get().Inc() }

func newMetrics(opts Options) *metrics {
	legacy := func(name string) string {
		return prometheus.BuildFQName(opts.MetricsNamespace, opts.MetricsSubsystem, name)
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		requests: counter(legacy("dns_request_count_total"), "Counter of DNS requests made.", "system"),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: legacy("dns_request_duration_seconds"), Help: "Histogram of the time (in seconds) each request took to resolve.",
			Buckets: []float64{0.001, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
		}, []string{"system"}),
		sizes: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: legacy("dns_response_size_bytes"), Help: "Size of the returned response in bytes.",
			Buckets: append([]float64{0, 512, 1024, 1500, 2048}, prometheus.LinearBuckets(4096, 4096, 16)...),
		}, []string{"system"}),
		errors:       counter(legacy("dns_error_count_total"), "Counter of DNS requests resulting in an error.", "system", "cause"),
		misses:       counter(legacy("dns_cachemiss_count_total"), "Counter of DNS requests that result in a cache miss.", "cache"),
		responses:    counter("kubedns_dns_responses_total", "DNS replies by protocol (udp, tcp), type of the question and response code.", "proto", "type", "rcode"),
		panics:       prometheus.NewCounter(prometheus.CounterOpts{Name: "kubedns_dns_panics_total", Help: "Panics while a query was handled; each was answered with SERVFAIL."}),
		overloads:    prometheus.NewCounter(prometheus.CounterOpts{Name: "kubedns_dns_overload_total", Help: "Queries answered with SERVFAIL because too many waited for other servers, or too many wildcards ran."}),
		stale:        prometheus.NewCounter(prometheus.CounterOpts{Name: "kubedns_dns_stale_answers_total", Help: "Answers from the data of an earlier run, while the first lists are waited for."}),
		sendErrors:   prometheus.NewCounter(prometheus.CounterOpts{Name: "kubedns_dns_send_errors_total", Help: "Replies over UDP that could not be sent."}),
		conns:        prometheus.NewGauge(prometheus.GaugeOpts{Name: "kubedns_dns_tcp_connections", Help: "Open TCP connections of clients."}),
		connsRefused: prometheus.NewCounter(prometheus.CounterOpts{Name: "kubedns_dns_tcp_connections_refused_total", Help: "TCP connections closed at once because there were too many."}),
	}
	m.cacheMisses = lazyCounter{get: sync.OnceValue(func() prometheus.Counter { return m.misses.WithLabelValues("response") })}
	if opts.Registerer != nil {
		opts.Registerer.MustRegister(m.requests, m.durations, m.sizes, m.errors, m.misses,
			m.responses, m.panics, m.overloads, m.stale, m.sendErrors, m.conns, m.connsRefused)
	}
	return m
}

func proto(tcp bool) string {
	if tcp {
		return "tcp"
	}
	return "udp"
}

// knownType keeps the number of series bounded, whatever clients ask for.
func knownType(qtype uint16) string {
	switch qtype {
	case dns.TypeA, dns.TypeAAAA, dns.TypeSRV, dns.TypePTR, dns.TypeCNAME, dns.TypeTXT, dns.TypeNS, dns.TypeSOA, dns.TypeMX, dns.TypeHTTPS, dns.TypeSVCB, dns.TypeANY:
		return dns.TypeToString[qtype]
	}
	return "other"
}

func rcodeText(rcode int) string {
	if text, ok := dns.RcodeToString[rcode]; ok {
		return text
	}
	return "other"
}

// response counts a reply to a packet that could not be processed.
func (m *metrics) response(reply *dns.Msg, tcp bool) {
	m.responses.WithLabelValues(proto(tcp), "other", rcodeText(reply.Rcode)).Inc()
}

// answered counts a reply of ours, as it is sent.
func (m *metrics) answered(reply *dns.Msg, r *request, sys system, size int, took time.Duration) {
	m.count(r, sys, reply.Rcode, size, took)
	if reply.Truncated {
		m.errors.WithLabelValues(string(sys), "truncated").Inc()
	}
}

// forwarded counts another server's reply that is passed on.
func (m *metrics) forwarded(reply []byte, r *request, sys system, took time.Duration) {
	m.count(r, sys, int(binary.BigEndian.Uint16(reply[2:])&0xf), len(reply), took)
}

func (m *metrics) count(r *request, sys system, rcode, size int, took time.Duration) {
	m.requests.WithLabelValues(string(sys)).Inc()
	m.durations.WithLabelValues(string(sys)).Observe(took.Seconds())
	m.sizes.WithLabelValues(string(sys)).Observe(float64(size))
	m.responses.WithLabelValues(proto(r.tcp), knownType(r.q.Qtype), rcodeText(rcode)).Inc()
	var cause string
	switch rcode {
	case dns.RcodeNameError:
		cause = "nxdomain"
	case dns.RcodeRefused:
		cause = "refused"
	case dns.RcodeServerFailure:
		cause = "servfail"
	default:
		return
	}
	m.errors.WithLabelValues(string(sys), cause).Inc()
}
