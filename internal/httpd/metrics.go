package httpd

import (
	"cmp"
	"net/http"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// NewRegistry returns a registry with the metrics of a command: its version, go_* and
// process_*.
func NewRegistry(namespace, component, version string) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	RegisterBuildInfo(reg, namespace, component, version)
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return reg
}

// RegisterBuildInfo registers a metric that is always 1. All commands have the same namespace by
// default, so one query shows the versions of a pod.
func RegisterBuildInfo(reg prometheus.Registerer, namespace, component, version string) {
	info, _ := debug.ReadBuildInfo() // nil if there is none
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace,
		Name:      "build_info",
		Help:      "Always 1. Version and git revision of the command, and the Go version that it is built with.",
		ConstLabels: prometheus.Labels{
			"component": component, "version": version, "revision": revision(linkedRevision, info),
			"goversion": runtime.Version(),
		},
	}, func() float64 { return 1 }))
}

// linkedRevision is set by the linker for images, so that their bytes do not depend on the checkout
// of the repository:
//
//	-ldflags "-X github.com/kube-dns/kube-dns/internal/httpd.linkedRevision=0123abcd"
var linkedRevision string

// revision returns the git revision from the linker, or the one that Go stamped into the program.
func revision(linked string, info *debug.BuildInfo) string {
	if linked == "" && info != nil {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				linked = s.Value
			}
		}
	}
	return cmp.Or(linked, "unknown")
}

// MetricsHandler serves the metrics of reg in the Prometheus formats, with its own metrics
// promhttp_metric_handler_*. If a collector fails, it counts the error and serves the rest. Several
// handlers can serve the same registry.
func MetricsHandler(reg *prometheus.Registry) http.Handler {
	return promhttp.InstrumentMetricHandler(reg, promhttp.HandlerFor(reg, promhttp.HandlerOpts{
		Registry:      reg,
		ErrorHandling: promhttp.ContinueOnError,
	}))
}
