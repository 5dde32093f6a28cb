package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-dns/kube-dns/internal/cli"
	"github.com/kube-dns/kube-dns/internal/httpd"
	"github.com/kube-dns/kube-dns/internal/statuspage"
	"github.com/kube-dns/kube-dns/pkg/sidecar"
)

const (
	upstreamQueries  = "_dnsmasq_upstream_queries_total" // follows the namespace
	upstreamFailures = "_dnsmasq_upstream_failures_total"
)

// newHistory returns the history of dnsmasq's counters and of the probes.
func newHistory(reg prometheus.Gatherer, namespace string) *statuspage.History {
	return statuspage.NewHistory(reg,
		statuspage.Counted{Title: "Probes by result", Metric: namespace + "_probe_results_total", Label: "result"},
		statuspage.Counted{Title: "Queries of dnsmasq to each upstream",
			Metric: namespace + upstreamQueries, Label: "server"},
		statuspage.Counted{Title: "Failures of each upstream of dnsmasq",
			Metric: namespace + upstreamFailures, Label: "server"},
		statuspage.Counted{Title: "Answers from dnsmasq's cache", Metric: namespace + "_dnsmasq_hits"},
		statuspage.Counted{Title: "Queries that dnsmasq forwarded", Metric: namespace + "_dnsmasq_misses"},
	)
}

// handler serves the page for operators, the states of the probes, the metrics, and the log level.
func handler(
	server *sidecar.Server, f *flags, history *statuspage.History, reg *prometheus.Registry, log *slog.Logger,
) http.Handler {
	started := time.Now()
	page := statuspage.Handler(func(*http.Request) statuspage.Page {
		p := statuspage.Page{Command: "sidecar", Version: cli.Version(), Started: started, Charts: history.Charts()}
		if len(server.Probes()) == 0 {
			p.Parts = append(p.Parts, statuspage.Part{Name: "probes", Level: statuspage.OK, Text: "none: no --probe is given"})
		}
		for _, probe := range server.Probes() {
			p.Parts = append(p.Parts, part(probe))
			p.Links = append(p.Links, statuspage.Link{Path: "/healthcheck/" + probe.Label, Text: "that probe, as JSON"})
		}
		if state := server.Dnsmasq(); state != nil {
			p.Parts = append(p.Parts, counters(state), upstreams(history, f.prometheusNamespace))
		}
		p.Links = append(p.Links, statuspage.Link{Path: f.prometheusPath, Text: "for Prometheus"})
		return p
	})
	mux := http.NewServeMux()
	mux.Handle("/", httpd.At(f.prometheusPath, httpd.MetricsHandler(reg)))
	if f.prometheusPath != "/" {
		mux.Handle("/{$}", page)
	}
	mux.Handle("/healthcheck/{label}", server)
	mux.Handle("/healthz", httpd.Check(func(context.Context) (string, error) {
		return fmt.Sprintf("ok (%s)", time.Now().UTC().Format(time.RFC3339)), nil
	}))
	mux.Handle(cli.LevelPath, httpd.Loopback.Guard(httpd.OnlyLoopback, cli.LevelHandler(log)))
	return mux
}

func part(probe *sidecar.ProbeState) statuspage.Part {
	part := statuspage.Part{Name: "probe " + probe.Label, Level: statuspage.OK, Since: probe.Since}
	switch probe.State {
	case sidecar.OK:
		part.Text = fmt.Sprintf("%s answers in %s", probe.Server, probe.Latency.Round(10*time.Microsecond))
	case sidecar.Pending, sidecar.NotReady:
		part.Level, part.Text = statuspage.Warning, probe.Err
	default:
		part.Level, part.Text = statuspage.Failed, fmt.Sprintf("%s (%d in a row)", probe.Err, probe.FailuresInARow)
	}
	return part
}

// counters reports whether dnsmasq's counters can be read.
func counters(state *sidecar.DnsmasqState) statuspage.Part {
	part := statuspage.Part{Name: "dnsmasq's counters", Level: statuspage.OK, Since: state.Since}
	switch {
	case !state.Polled:
		part.Text = "not read yet"
	case state.Err != "":
		part.Level, part.Text = statuspage.Warning, "cannot be read: "+state.Err
	default:
		part.Text = fmt.Sprintf("read; the cache holds %d entries at most", state.CacheSize)
	}
	return part
}

// upstreams summarizes the servers that dnsmasq forwards to. A server fails if more than one in
// twenty of its queries in the last minute did, as for the alert KubeDNSUpstreamFails.
func upstreams(history *statuspage.History, namespace string) statuspage.Part {
	part := statuspage.Part{Name: "dnsmasq's upstreams", Level: statuspage.OK}
	queries, failures := history.Grown(namespace+upstreamQueries), history.Grown(namespace+upstreamFailures)
	var failing []string
	for _, server := range slices.Sorted(maps.Keys(queries)) {
		if failed := failures[server]; failed > 1 && failed > queries[server]/20 {
			failing = append(failing,
				fmt.Sprintf("%s (%.0f of %.0f queries in the last minute)", server, failed, queries[server]))
		}
	}
	part.Text = "none fails by dnsmasq's counts, which may lack SERVFAIL: see the page of dnsmasq-nanny"
	if len(failing) > 0 {
		part.Level, part.Text = statuspage.Warning, "failing: "+strings.Join(failing, ", ")
	}
	return part
}
