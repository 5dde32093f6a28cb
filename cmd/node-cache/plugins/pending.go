package plugins

import (
	"context"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"
)

// pending counts the pending queries. It turns the REFUSED of forward and clients for a query above
// a limit into SERVFAIL, since REFUSED means missing permission. It precedes the cache, which would
// keep the SERVFAIL.
type pending struct {
	next    plugin.Handler
	metrics *Metrics
}

func setupPending(c *caddy.Controller, m *Metrics) error {
	for c.Next() {
		if c.NextArg() {
			return plugin.Error("pending", c.ArgErr())
		}
	}
	add(c, func(next plugin.Handler) plugin.Handler { return pending{next: next, metrics: m} })
	return nil
}

// Name implements plugin.Handler.
func (pending) Name() string { return "pending" }

// ServeDNS implements plugin.Handler. An error marks the REFUSED of a plugin; that of an upstream
// has no error. The error is not returned, since the plugin errors would log each query. Metrics
// count them.
func (p pending) ServeDNS(ctx context.Context, w dns.ResponseWriter, query *dns.Msg) (int, error) {
	p.metrics.inflight.Inc()
	defer p.metrics.inflight.Dec()
	rcode, err := plugin.NextOrFailure(p.Name(), p.next, ctx, w, query)
	if rcode == dns.RcodeRefused && err != nil {
		return dns.RcodeServerFailure, nil
	}
	return rcode, err
}
