package plugins

import "github.com/prometheus/client_golang/prometheus"

// Metrics are what the plugins count.
type Metrics struct {
	loops    *prometheus.GaugeVec
	inflight prometheus.Gauge
}

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		loops: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "nodecache_upstream_loop",
			Help: "1 while a zone is forwarded back to node-cache and answers SERVFAIL.",
		}, []string{"zone"}),
		inflight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "nodecache_upstream_inflight",
			Help: "Queries without a reply yet. Cached replies take microseconds, so the others wait for an upstream.",
		}),
	}
	reg.MustRegister(m.loops, m.inflight)
	return m
}
