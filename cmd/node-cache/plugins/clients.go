package plugins

import (
	"context"
	"errors"
	"math"
	"strconv"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/cmd/node-cache/sockets"
	"github.com/kube-dns/kube-dns/internal/shares"
)

// clients limits a client to half of the pending queries that the forwards of a zone accept.
// Further queries get REFUSED, which is not cached, and which pending replaces with SERVFAIL.
type clients struct {
	next    plugin.Handler
	pending *shares.Shares
	metrics *Metrics
}

var errManyPending = errors.New("the client has too many pending queries")

// setupClients adds up the limits of the forwards, which enforce the total.
func setupClients(c *caddy.Controller, m *Metrics) error {
	limit := 0
	for c.Next() {
		args := c.RemainingArgs()
		if len(args) != 1 {
			return plugin.Error("clients", c.ArgErr())
		}
		n, err := strconv.Atoi(args[0])
		if err != nil || n < 1 {
			return plugin.Error("clients", c.Errf("%q is not a number above 0", args[0]))
		}
		limit += n
	}
	pending := shares.New(math.MaxInt, max(1, limit/2))
	add(c, func(next plugin.Handler) plugin.Handler { return clients{next: next, pending: pending, metrics: m} })
	return nil
}

// Name implements plugin.Handler.
func (clients) Name() string { return "clients" }

// ServeDNS implements plugin.Handler.
func (p clients) ServeDNS(ctx context.Context, w dns.ResponseWriter, query *dns.Msg) (int, error) {
	client := sockets.Client(w)
	if !p.pending.Take(client, 1) {
		p.metrics.overload.Inc()
		return dns.RcodeRefused, errManyPending
	}
	defer p.pending.Give(client, 1)
	return plugin.NextOrFailure(p.Name(), p.next, ctx, w, query)
}
