package dnsmasq

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics are the Prometheus series of one Nanny.
type Metrics struct {
	starts       *prometheus.CounterVec
	reloads      *prometheus.CounterVec
	configErrors prometheus.Counter
	configInfo   *prometheus.GaugeVec
	refused      *prometheus.GaugeVec
	pending      prometheus.Gauge
	serversFile  prometheus.Gauge
	ready        prometheus.Gauge
	info         *prometheus.GaugeVec
	overload     prometheus.Counter
	differ       prometheus.Gauge
	loops        *prometheus.GaugeVec
	failing      *prometheus.GaugeVec
	unresolved   prometheus.Gauge
}

// NewMetrics registers the series; reg can be nil. It panics if reg has series of these names
// already.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := newMetrics(reg)
	// To Prometheus, the first event of a new series is no increase.
	for _, reason := range []string{"first", "died", "change", "fallback"} {
		m.starts.WithLabelValues(reason)
	}
	for _, result := range []string{resultConfirmed, resultDifferent, resultUnconfirmed} {
		m.reloads.WithLabelValues(result)
	}
	return m
}

func newMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "kubedns", Subsystem: "nanny", Name: name, Help: help}
	}
	gauge := func(name, help string) prometheus.GaugeOpts {
		return prometheus.GaugeOpts{Namespace: "kubedns", Subsystem: "nanny", Name: name, Help: help}
	}
	return &Metrics{
		starts: f.NewCounterVec(counter("dnsmasq_starts_total",
			"Starts of dnsmasq by reason: first, died, change (could not be taken while running) or fallback (the servers file "+
				"does not work)."), []string{"reason"}),
		reloads: f.NewCounterVec(counter("reloads_total",
			"Changes of servers taken without a restart, by result: confirmed, different or unconfirmed. "+
				"Different: dnsmasq lacks some of the servers, or still has removed ones. "+
				"Unconfirmed: it does not answer for its list."), []string{"result"}),
		configErrors: f.NewCounter(counter("config_errors_total",
			"Readings of the configuration that failed or were invalid.")),
		configInfo: f.NewGaugeVec(gauge("config_info",
			"Always 1. Version is a hash of the configuration in use, source is directory, last_good or "+
				"default."), []string{"version", "source"}),
		refused: f.NewGaugeVec(gauge("config_refused",
			"1 while the newest configuration is not in use, by reason: the invalid key, or read (it cannot be "+
				"read)."), []string{"reason"}),
		pending: f.NewGauge(gauge("config_pending",
			"1 while dnsmasq runs with older servers than the configuration has, because restarts are off.")),
		serversFile: f.NewGauge(gauge("servers_file",
			"1 when servers change without a restart, 0 when they are arguments of dnsmasq.")),
		ready: f.NewGauge(gauge("dnsmasq_up",
			"1 while dnsmasq answers questions about itself.")),
		info: f.NewGaugeVec(gauge("dnsmasq_info",
			"Always 1. The version of the dnsmasq that is running."), []string{"version"}),
		overload: f.NewCounter(counter("dnsmasq_overload_lines_total",
			"Warnings of dnsmasq that too many queries wait for upstream servers (--dns-forward-max).")),
		differ: f.NewGauge(gauge("servers_differ",
			"Servers that dnsmasq lacks, or still has, after the last change. 0 when it has those it was given.")),
		loops: f.NewGaugeVec(gauge("upstream_loop",
			"1 for each server that leads back to dnsmasq: it is left out, unless it is in dnsmasq's own options. The domain "+
				"is empty for an upstream nameserver."), []string{"server", "domain"}),
		failing: f.NewGaugeVec(gauge("upstream_failing",
			"1 for each server that replied with SERVFAIL or REFUSED to its last two tests, and for that response code. A test "+
				"queries a random name and the SOA record of the domain. The domain is empty for an upstream nameserver."),
			[]string{"server", "domain", "rcode"}),
		unresolved: f.NewGauge(gauge("unresolved_names",
			"Stub servers given by name that have never been resolved and are left out.")),
	}
}

// setOne replaces all series of vec by one with these label values.
func setOne(vec *prometheus.GaugeVec, labels ...string) {
	vec.Reset()
	vec.WithLabelValues(labels...).Set(1)
}

// setBool sets a gauge to 1 for yes and 0 for no.
func setBool(g prometheus.Gauge, yes bool) {
	g.Set(0)
	if yes {
		g.Set(1)
	}
}
