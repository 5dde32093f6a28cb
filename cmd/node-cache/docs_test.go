package main

import (
	"testing"

	"github.com/kube-dns/kube-dns/cmd/node-cache/agent"
	"github.com/kube-dns/kube-dns/cmd/node-cache/options"
	"github.com/kube-dns/kube-dns/cmd/node-cache/plugins"
	"github.com/kube-dns/kube-dns/cmd/node-cache/sockets"
	"github.com/kube-dns/kube-dns/internal/docs"
)

// TestDocs compares the documentation of node-cache with its code.
func TestDocs(t *testing.T) {
	_, fs := options.NewFlags()
	docs.CheckFlags(t, "node-cache", docs.GoFlags(fs), []string{
		"localip", "setupinterface", "interfacename", "setupiptables", "syncinterval", "health-port",
		"metrics-listen-address", "prometheus-listen-address", "basecorefile", "corefile", "kubednscm", "upstreamsvc",
		"skipteardown", "reloadwithsignal", "conf", "dns.port", "p", "pidfile", "quiet", "version", "plugins",
	}, []string{"forcetcp", "handover", "lameduck", "rules", "tracked", "health-listen-address", "check"})

	rec := docs.NewRecorder()
	agent.NewMetrics(rec)
	plugins.NewMetrics(rec)
	sockets.NewMetrics(rec)
	docs.CheckMetrics(t, "node-cache", rec.Metrics(t), "coredns_nodecache_setup_errors_total")
}
