package main

import (
	"testing"

	"github.com/kube-dns/kube-dns/internal/docs"
	"github.com/kube-dns/kube-dns/internal/httpd"
	"github.com/kube-dns/kube-dns/pkg/sidecar"
)

// TestDocs compares the documents about the sidecar with its code.
func TestDocs(t *testing.T) {
	_, fs := newFlags()
	docs.CheckFlags(t, "sidecar", docs.GNUFlags(fs), append([]string{
		"dnsmasq-addr", "dnsmasq-port", "dnsmasq-poll-interval-ms", "probe",
		"prometheus-addr", "prometheus-namespace", "prometheus-path", "prometheus-port",
		"version", "v", "vmodule", "log-flush-frequency",
	}, docs.LegacyLogFlags...), []string{"lameduck", "logging-format", "once"})

	rec := docs.NewRecorder()
	httpd.RegisterBuildInfo(rec, "kubedns", "sidecar", "")
	// LABEL is the placeholder for the label of a probe in the documents.
	sidecar.New(sidecar.Options{
		Targets: []sidecar.Target{{Label: "LABEL"}}, Metrics: sidecar.NewMetrics(rec, "kubedns"),
	})
	docs.CheckMetrics(t, "sidecar", rec.Metrics(t),
		"kubedns_dnsmasq_errors", "kubedns_dnsmasq_evictions", "kubedns_dnsmasq_hits", "kubedns_dnsmasq_insertions",
		"kubedns_dnsmasq_max_size", "kubedns_dnsmasq_misses",
		"kubedns_probe_LABEL_errors", "kubedns_probe_LABEL_latency_ms")
}
