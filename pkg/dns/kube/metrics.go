package kube

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics of everything that reads from the API server.
type Metrics struct {
	errors       *prometheus.CounterVec // resource, reason
	lists        *prometheus.CounterVec // resource, mode
	fetches      *prometheus.CounterVec // result
	streamingOff *prometheus.CounterVec // reason
	fallbacks    prometheus.Counter
	connected    *prometheus.GaugeVec   // resource
	lastEvent    *prometheus.GaugeVec   // resource
	audits       *prometheus.CounterVec // resource, result
	differences  *prometheus.CounterVec // resource
	publishing   prometheus.Histogram
}

// NewMetrics returns metrics that are registered with reg. Without one they
// count for nobody.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	const namespace, subsystem = "kubedns", "api"
	factory := promauto.With(reg)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return factory.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return factory.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, labels)
	}
	return &Metrics{
		errors: counter("errors_total",
			"Requests to the API server that failed, by resource and by class of error.", "resource", "reason"),
		lists: counter("lists_total",
			"Complete lists that were read, by resource; more than one each says that a watch missed something. Mode is streamed or paged.", "resource", "mode"),
		fetches: counter("endpoints_fetches_total",
			"Times the endpoints of a single Service were read because they were not kept before. Result is ok or error.", "result"),
		streamingOff: counter("streaming_off_total",
			"1 when the API server turned out not to stream its lists, although its version says so. Reason is silent or refused.", "reason"),
		fallbacks: factory.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "endpoints_fallbacks_total",
			Help: "1 when EndpointSlices are missing or forbidden, and Endpoints are read instead.",
		}),
		connected: gauge("watch_connected",
			"Whether changes of the resource arrive: 1 while its watch is open.", "resource"),
		lastEvent: gauge("last_event_timestamp_seconds",
			"When the last change or bookmark of the resource arrived, as Unix time.", "resource"),
		publishing: factory.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "publish_duration_seconds",
			Help:    "Time from the arrival of a change, or of a list, until it is answered. Changes that are published together count once, from the first.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9), // to 6.5 s
		}),
		audits: counter("audits_total",
			"Comparisons of the objects that are held with those that the API server shows. Result is ok, different, unclear (the watch was behind), "+
				"unsupported (the server does not list metadata alone), skipped (a watch was not open) or error.", "resource", "result"),
		differences: counter("audit_differences_total",
			"Objects that are held in another state than the API server shows, although the watch has passed it: changes that were missed.", "resource"),
	}
}

// eventsOf returns what notes the time of the last event of a resource, which has
// such a time from now on.
func (m *Metrics) eventsOf(resource string) func(time.Time) {
	gauge := m.lastEvent.WithLabelValues(resource)
	return func(at time.Time) { gauge.Set(float64(at.UnixMilli()) / 1000) }
}
