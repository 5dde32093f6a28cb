package kube

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/kube-dns/kube-dns/pkg/dns/kube/listwatch"
)

// The label resource of metrics. Endpoints are read from EndpointSlices or Endpoints.
const (
	roleServices   = "services"
	roleEndpoints  = "endpoints"
	roleConfigMaps = "configmaps"
)

// The result of an audit, for the label result.
const (
	auditOK          = "ok"
	auditDifferent   = "different"
	auditUnclear     = "unclear"
	auditUnsupported = "unsupported"
	auditSkipped     = "skipped"
	auditError       = "error"
)

// Metrics of all readers of the API server.
type Metrics struct {
	errors       *prometheus.CounterVec // resource, reason
	lists        *prometheus.CounterVec // resource, mode
	watches      *prometheus.CounterVec // resource
	streamingOff *prometheus.CounterVec // reason
	fallback     prometheus.Gauge
	connected    *prometheus.GaugeVec   // resource
	lastEvent    *prometheus.GaugeVec   // resource
	audits       *prometheus.CounterVec // resource, result
	differences  *prometheus.CounterVec // resource
	publishing   prometheus.Histogram
	programming  prometheus.Observer // of headless Services
}

// NewMetrics returns metrics, registered with reg unless it is nil.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	factory := promauto.With(reg)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return factory.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return factory.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		errors: counter("kubedns_api_errors_total",
			"Requests to the API server that failed, by resource and by class of error.", "resource", "reason"),
		lists: counter("kubedns_api_lists_total",
			"Complete lists that were read, by resource; more than one each means that a watch missed something. Mode is "+
				"streamed or paged.", "resource", "mode"),
		watches: counter("kubedns_api_watches_total",
			"Watches that the API server has opened. It ends each after 5 to 10 minutes: many more mean that something closes "+
				"them before.", "resource"),
		streamingOff: counter("kubedns_api_streaming_off_total",
			"Times that lists are read in pages for an hour, since the API server does not stream them although its version "+
				"can. Reason is silent or refused.", "reason"),
		fallback: factory.NewGauge(prometheus.GaugeOpts{
			Name: "kubedns_api_endpoints_fallback",
			Help: "1 while Endpoints are read because EndpointSlices are missing or forbidden.",
		}),
		connected: gauge("kubedns_api_watch_connected",
			"1 while the watch of the resource is open.", "resource"),
		lastEvent: gauge("kubedns_api_last_event_timestamp_seconds",
			"When the last change or bookmark of the resource arrived, as Unix time.", "resource"),
		publishing: factory.NewHistogram(prometheus.HistogramOpts{
			Name: "kubedns_api_publish_duration_seconds",
			Help: "Time from the arrival of a change, or of a list, until it is answered. Changes that are published " +
				"together count once, from the first.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9), // to 6.5 s
		}),
		programming: factory.NewHistogramVec(prometheus.HistogramOpts{
			Name: "kubedns_dns_programming_duration_seconds",
			Help: "DNS programming latency: time from a change of a Service or its pods until it is answered. The endpoints " +
				"controller notes the change in endpoints.kubernetes.io/last-change-trigger-time. " +
				"First lists are not counted.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 21), // to 17.5 minutes
		}, []string{"service_kind"}).WithLabelValues("headless_with_selector"),
		audits: counter("kubedns_api_audits_total",
			"Comparisons of the stored objects with those of the API server. Result is ok, different, unclear "+
				"(the watch was behind), unsupported (the server does not list only metadata), skipped (a watch was not "+
				"open) or error.", "resource", "result"),
		differences: counter("kubedns_api_audit_differences_total",
			"Objects that are held in another state than the API server shows, although the watch has passed it: changes that "+
				"were missed.", "resource"),
	}
	m.begin()
	return m
}

// begin creates the series with finite labels. To Prometheus, the first event of a new series is no
// increase.
func (m *Metrics) begin() {
	for _, role := range []string{roleServices, roleEndpoints, roleConfigMaps} {
		for _, reason := range listwatch.Reasons() {
			m.errors.WithLabelValues(role, string(reason))
		}
		m.watches.WithLabelValues(role)
		for _, mode := range []string{"paged", "streamed"} {
			m.lists.WithLabelValues(role, mode)
		}
	}
	for _, role := range []string{roleServices, roleEndpoints} {
		m.differences.WithLabelValues(role)
		for _, result := range []string{auditOK, auditDifferent, auditUnclear, auditUnsupported, auditSkipped, auditError} {
			m.audits.WithLabelValues(role, result)
		}
	}
	for _, reason := range []string{"silent", "refused"} {
		m.streamingOff.WithLabelValues(reason)
	}
}

func (m *Metrics) setFallback(on bool) {
	m.fallback.Set(0)
	if on {
		m.fallback.Set(1)
	}
}

// programmed counts published changes, by the times of their causes. A time in the future comes
// from another clock.
func (m *Metrics) programmed(triggers []time.Time, now time.Time) {
	for _, at := range triggers {
		if took := now.Sub(at); took >= 0 {
			m.programming.Observe(took.Seconds())
		}
	}
}
