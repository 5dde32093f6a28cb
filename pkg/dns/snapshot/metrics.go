package snapshot

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics of a Keeper.
type Metrics struct {
	written, confirmed prometheus.Gauge
	failed, ignored    prometheus.Counter
}

// NewMetrics returns metrics, and registers them unless reg is nil.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	to := promauto.With(reg)
	return &Metrics{
		written: to.NewGauge(prometheus.GaugeOpts{Name: "kubedns_snapshot_written_timestamp_seconds",
			Help: "Time of the last write of the snapshot."}),
		confirmed: to.NewGauge(prometheus.GaugeOpts{Name: "kubedns_snapshot_confirmed_timestamp_seconds",
			Help: "Time at which the snapshot last agreed with the API server."}),
		failed: to.NewCounter(prometheus.CounterOpts{Name: "kubedns_snapshot_write_errors_total",
			Help: "Writes of the snapshot that failed."}),
		ignored: to.NewCounter(prometheus.CounterOpts{Name: "kubedns_snapshot_ignored_total",
			Help: "1 when the snapshot found at the start was not used: " +
				"truncated, too old, from the future, or of another zone."}),
	}
}
