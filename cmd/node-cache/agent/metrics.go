package agent

import (
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the metrics of the agent.
type Metrics struct {
	setupErrors *prometheus.CounterVec
	serving     *prometheus.GaugeVec
	fallback    *prometheus.CounterVec
	handover    *prometheus.CounterVec
}

// Reasons of a fallback to kube-dns.
const (
	noReply = "no_reply" // our own query got no reply
	noRules = "rules"    // the rules could not be added
)

// Results of a takeover from another agent.
const (
	handoverDone   = "done"
	handoverFailed = "failed"
)

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		setupErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "coredns_nodecache_setup_errors_total",
			Help: "The number of errors during periodic network setup for node-cache",
		}, []string{"errortype"}),
		serving: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "nodecache_serving",
			Help: "1 while the rules are in place and a query of our own to the address is answered.",
		}, []string{"address", "family"}),
		fallback: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "nodecache_fallback_total",
			Help: "How often the rules were removed, or could not be made, so that pods reach kube-dns.",
		}, []string{"reason"}),
		handover: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "nodecache_handover_total",
			Help: "How often this agent took over from another one, by result: done or failed.",
		}, []string{"result"}),
	}
	for _, kind := range []string{"iptables", "iptables_lock", "interface_add", "interface_check", "configmap"} {
		m.setupErrors.WithLabelValues(kind)
	}
	for _, reason := range []string{noReply, noRules} {
		m.fallback.WithLabelValues(reason)
	}
	for _, result := range []string{handoverDone, handoverFailed} {
		m.handover.WithLabelValues(result)
	}
	reg.MustRegister(m.setupErrors, m.serving, m.fallback, m.handover)
	return m
}

// failed counts an error of link, addresses, rules or configuration.
func (m *Metrics) failed(kind string) { m.setupErrors.WithLabelValues(kind).Inc() }

func (m *Metrics) configFailed() { m.failed("configmap") }

func (m *Metrics) setServing(addr netip.Addr, serving bool) {
	family, value := "1", 0.0
	if addr.Is6() {
		family = "2"
	}
	if serving {
		value = 1
	}
	m.serving.WithLabelValues(addr.String(), family).Set(value)
}
