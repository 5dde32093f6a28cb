package querylog

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the metrics of a Log and its sinks.
type Metrics struct {
	drops *prometheus.CounterVec
	on    prometheus.Gauge
}

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		drops: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kubedns_querylog_dropped_total",
			Help: `Sampled queries that were dropped because there were too many. They were for all sinks (sink="buffer"), ` +
				`for the log ("log"), for a reader of /querylog ("stream"), or for dnstap ("dnstap").`,
		}, []string{"sink"}),
		on: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "kubedns_querylog_on", Help: "1 while the query log is switched on, else 0.",
		}),
	}
	for _, sink := range []string{"buffer", "dnstap", "log", "stream"} {
		m.Dropped(sink)
	}
	reg.MustRegister(m.drops, m.on)
	return m
}

// Dropped returns the counter of the entries that a sink drops.
func (m *Metrics) Dropped(sink string) prometheus.Counter { return m.drops.WithLabelValues(sink) }
