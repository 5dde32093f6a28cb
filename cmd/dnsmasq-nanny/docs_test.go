package main

import (
	"testing"

	"github.com/kube-dns/kube-dns/internal/docs"
	"github.com/kube-dns/kube-dns/internal/httpd"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq"
)

// TestDocs compares the documents about the nanny with its code.
func TestDocs(t *testing.T) {
	_, fs := newFlags()
	docs.CheckFlags(t, "dnsmasq-nanny", docs.GoFlags(fs), []string{
		"dnsmasqExec", "restartDnsmasq", "configDir", "syncInterval", "kubednsServer", "logInterval",
		"v", "vmodule", "logtostderr", "alsologtostderr", "stderrthreshold", "log_dir", "log_file", "log_file_max_size",
		"log_backtrace_at", "add_dir_header", "skip_headers", "skip_log_headers", "one_output",
	}, []string{"httpAddr", "lameduck", "logging-format", "stateDir", "version"})

	rec := docs.NewRecorder()
	httpd.RegisterBuildInfo(rec, "kubedns", "dnsmasq-nanny", "")
	dnsmasq.NewMetrics(rec)
	docs.CheckMetrics(t, "dnsmasq-nanny", rec.Metrics(t)) // the one it comes after has none
}
