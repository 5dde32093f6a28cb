package agent

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/coredns/coredns/plugin/pkg/reuseport"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/kube-dns/kube-dns/internal/httpd"
	"github.com/kube-dns/kube-dns/internal/pause"
)

// serveMetrics serves metrics in addition to the listeners of the Corefile. A port in use does not
// stop the agent.
func (a *agent) serveMetrics(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(a.Gatherer, promhttp.HandlerOpts{}))
	ln, err := reuseport.Listen("tcp", a.opts.Listen.Metrics)
	if err != nil {
		a.Log.Error("Failed to start metrics handler", "flag", "-metrics-listen-address", "err", err)
		return nil
	}
	return a.serveHTTP(ctx, ln, mux)
}

// serveHealth serves /health and /ready once this agent has taken over. Agents that share an
// address also share its port: until then the old agent replies there.
func (a *agent) serveHealth(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.Handle("/health", httpd.Check(a.healthy))
	mux.Handle("/ready", httpd.UntilDraining(a.draining, a.ready))
	select {
	case <-a.tookOver:
	case <-ctx.Done():
		return nil
	}
	for {
		ln, err := reuseport.Listen("tcp", a.opts.Listen.Health)
		if err == nil {
			return a.serveHTTP(ctx, ln, mux)
		}
		if a.faults.News("health", err) {
			a.Log.Error("cannot listen for health, trying again", "flag", "-health-listen-address", "err", err)
		}
		if !pause.For(ctx, time.Second) {
			return nil
		}
	}
}

func (a *agent) serveHTTP(ctx context.Context, ln net.Listener, handler http.Handler) error {
	if err := httpd.Serve(ctx, ln, handler, a.Log); err != nil {
		a.Log.Error("cannot serve HTTP any more", "err", err)
	}
	return nil
}
