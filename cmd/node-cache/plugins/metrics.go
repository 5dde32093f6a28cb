package plugins

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the metrics of the plugins.
type Metrics struct {
	loops    *prometheus.GaugeVec
	inflight prometheus.Gauge
	overload prometheus.Counter

	mu      sync.Mutex
	loopsOf map[string]*loop // by zone: the last loop that set the series
}

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		loopsOf: make(map[string]*loop),
		loops: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "nodecache_upstream_loop",
			Help: "1 while a zone is forwarded back to node-cache and answers SERVFAIL.",
		}, []string{"zone"}),
		inflight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "nodecache_upstream_inflight",
			Help: "Queries without a reply yet. Cached replies take microseconds, so the others wait for an upstream.",
		}),
		overload: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "nodecache_overload_total",
			Help: "Queries answered with SERVFAIL because their client had too many pending ones.",
		}),
	}
	reg.MustRegister(m.loops, m.inflight, m.overload)
	return m
}

// setLoop records whether the zone of l is a loop.
func (m *Metrics) setLoop(l *loop, value float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loopsOf[l.zone] = l
	m.loops.WithLabelValues(l.zone).Set(value)
}

// endLoop removes the series of l, unless the server that replaced l has set it.
func (m *Metrics) endLoop(l *loop) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.loopsOf[l.zone] == l {
		delete(m.loopsOf, l.zone)
		m.loops.DeleteLabelValues(l.zone)
	}
}
