package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-dns/kube-dns/internal/cli"
	"github.com/kube-dns/kube-dns/internal/httpd"
	"github.com/kube-dns/kube-dns/internal/statuspage"
	"github.com/kube-dns/kube-dns/pkg/sidecar"
)

// newHistory returns the history of dnsmasq's counters and of the probes.
func newHistory(reg prometheus.Gatherer, namespace string) *statuspage.History {
	return statuspage.NewHistory(reg,
		statuspage.Counted{Title: "Probes by result", Metric: "kubedns_probe_results_total", Label: "result"},
		statuspage.Counted{Title: "Queries of dnsmasq to each upstream",
			Metric: "kubedns_dnsmasq_upstream_queries_total", Label: "server"},
		statuspage.Counted{Title: "Answers from dnsmasq's cache", Metric: namespace + "_dnsmasq_hits"},
		statuspage.Counted{Title: "Queries that dnsmasq forwarded", Metric: namespace + "_dnsmasq_misses"},
	)
}

// withPage adds the page for operators, and the log level, to what the sidecar serves.
func withPage(server *sidecar.Server, f *flags, history *statuspage.History, log *slog.Logger) http.Handler {
	level := httpd.Loopback.Guard(httpd.OnlyLoopback, cli.LevelHandler(log))
	started := time.Now()
	page := statuspage.Handler(func(*http.Request) statuspage.Page {
		p := statuspage.Page{Command: "sidecar", Version: cli.Version(), Started: started, Charts: history.Charts()}
		for _, probe := range server.Probes() {
			p.Parts = append(p.Parts, part(probe))
			p.Links = append(p.Links, statuspage.Link{Path: "/healthcheck/" + probe.Label, Text: "that probe, as JSON"})
		}
		p.Links = append(p.Links, statuspage.Link{Path: f.prometheusPath, Text: "for Prometheus"})
		return p
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" && f.prometheusPath != "/" {
			page.ServeHTTP(w, r)
			return
		}
		if r.URL.Path == cli.LevelPath {
			level.ServeHTTP(w, r)
			return
		}
		server.ServeHTTP(w, r)
	})
}

func part(probe sidecar.ProbeState) statuspage.Part {
	part := statuspage.Part{Name: "probe " + probe.Label, Level: statuspage.OK, Since: probe.Since}
	switch probe.State {
	case sidecar.OK:
		part.Text = fmt.Sprintf("%s answers in %s", probe.Server, probe.Latency.Round(10*time.Microsecond))
	case sidecar.Pending, sidecar.NotReady:
		part.Level, part.Text = statuspage.Warning, probe.Err
	default:
		part.Level, part.Text = statuspage.Failed, fmt.Sprintf("%s (%d in a row)", probe.Err, probe.Failures)
	}
	return part
}
