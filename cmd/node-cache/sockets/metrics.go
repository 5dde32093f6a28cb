package sockets

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the metrics of the sockets.
type Metrics struct {
	conns                 prometheus.Gauge
	connsRefused, dropped prometheus.Counter
}

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		conns: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "nodecache_tcp_connections", Help: "Open TCP connections of clients.",
		}),
		connsRefused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "nodecache_tcp_connections_refused_total",
			Help: "TCP connections closed at once because there were too many.",
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "nodecache_udp_replies_dropped_total",
			Help: "Replies over UDP that were dropped because too many waited for the send buffer of the socket.",
		}),
	}
	reg.MustRegister(m.conns, m.connsRefused, m.dropped)
	return m
}
