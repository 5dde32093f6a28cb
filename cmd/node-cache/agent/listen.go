package agent

import (
	"context"
	"net"
	"net/http"

	"github.com/coredns/coredns/plugin/pkg/reuseport"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/internal/httpd"
)

// listen serves metrics and health next to the listeners of the Corefile. A port that is
// taken does not end the agent.
func (a *agent) listen(ctx context.Context, group *errgroup.Group) {
	health := http.NewServeMux()
	health.Handle("/health", httpd.Check(a.healthy))
	health.Handle("/ready", httpd.UntilDraining(a.draining, a.ready))
	metrics := http.NewServeMux()
	metrics.Handle("/metrics", promhttp.HandlerFor(a.Gatherer, promhttp.HandlerOpts{}))
	for _, l := range []struct {
		flag, addr string
		handler    http.Handler
	}{
		{"-metrics-listen-address", a.opts.Listen.Metrics, metrics},
		{"-health-listen-address", a.opts.Listen.Health, health},
	} {
		if l.addr == "" {
			continue
		}
		ln, err := reuseport.Listen("tcp", l.addr)
		if err != nil {
			a.Log.Error("Failed to start metrics handler, or that of health", "flag", l.flag, "err", err)
			continue
		}
		group.Go(func() error { return a.serveHTTP(ctx, ln, l.handler) })
	}
}

func (a *agent) serveHTTP(ctx context.Context, ln net.Listener, handler http.Handler) error {
	if err := httpd.Serve(ctx, ln, handler, a.Log); err != nil {
		a.Log.Error("cannot serve HTTP any more", "err", err)
	}
	return nil
}
