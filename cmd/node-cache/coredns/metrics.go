package coredns

import (
	"crypto/sha512"
	"encoding/hex"
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of the CoreDNS plugin reload, which node-cache does not have.
type metrics struct {
	reloadFailed prometheus.Counter
	version      *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		reloadFailed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "coredns_reload_failed_total", Help: "Counter of the number of failed reload attempts.",
		}),
		version: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "coredns_reload_version_info",
			Help: "A metric with a constant '1' value labeled by hash, and value which type of hash generated.",
		}, []string{"hash", "value"}),
	}
	reg.MustRegister(m.reloadFailed, m.version)
	if proxied := proxyDurations(reg); proxied != nil {
		reg.MustRegister(&oldForward{proxied})
	}
	return m
}

// loaded records the running Corefile.
func (m *metrics) loaded(text string) {
	sum := sha512.Sum512([]byte(text))
	m.version.Reset()
	m.version.WithLabelValues("sha512", hex.EncodeToString(sum[:])).Set(1)
}

// proxyDurations returns CoreDNS's histogram of forwarded queries: the registry returns a collector
// that is already registered. It returns nil if CoreDNS has changed it.
func proxyDurations(reg prometheus.Registerer) prometheus.Collector {
	same := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "coredns_proxy_request_duration_seconds",
		Help: "Histogram of the time each request took.",
	}, []string{"proxy_name", "to", "rcode"})
	err := reg.Register(same)
	if is, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		return is.ExistingCollector
	}
	if err == nil {
		reg.Unregister(same)
	}
	return nil
}
