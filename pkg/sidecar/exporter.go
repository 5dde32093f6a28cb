package sidecar

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/kube-dns/kube-dns/pkg/dnsmasq"
)

// An exporter polls dnsmasq's counters and adds what they grew to ours.
type exporter struct {
	stats     func(context.Context) (dnsmasq.Stats, error)
	upstreams func(context.Context) ([]dnsmasq.ServerStats, error)
	interval  time.Duration
	metrics   *dnsmasqMetrics
	log       *slog.Logger

	// What follows belongs to run: what the last good poll gave, by server, and
	// whether the last poll was a good one.
	last          dnsmasq.Stats
	lastUpstreams map[netip.AddrPort]dnsmasq.ServerStats
	failing       bool
	upstreamsFail bool
}

func newExporter(opts Options) *exporter {
	return &exporter{
		stats:     opts.Stats,
		upstreams: opts.Upstreams,
		interval:  opts.PollInterval,
		metrics:   &opts.Metrics.dnsmasq,
		log:       opts.Log,
	}
}

// run polls at once and then after every interval, until ctx is done.
func (e *exporter) run(ctx context.Context) {
	for again := true; again; again = sleep(ctx, e.interval) {
		e.poll(ctx)
	}
}

// poll reads all counters once. A failure leaves every value as it was, so that
// what dnsmasq counts meanwhile comes with the next good poll.
func (e *exporter) poll(ctx context.Context) {
	now, err := e.stats(ctx)
	if ctx.Err() != nil {
		return
	}
	e.failing = e.note("dnsmasq's counters", e.failing, err)
	if err != nil {
		e.metrics.errors.Inc()
		return
	}
	grown, restarted := increase(e.last, now)
	e.last = now
	e.metrics.hits.Add(float64(grown.Hits))
	e.metrics.misses.Add(float64(grown.Misses))
	e.metrics.evictions.Add(float64(grown.Evictions))
	e.metrics.insertions.Add(float64(grown.Insertions))
	e.metrics.maxSize.Store(grown.CacheSize)
	if restarted {
		e.log.Info("dnsmasq was restarted: its counters began again")
		e.lastUpstreams = nil
	}
	if e.upstreams != nil {
		e.pollUpstreams(ctx)
	}
}

// pollUpstreams reads the counters of the upstream servers. A server that is no
// longer in use loses its series.
func (e *exporter) pollUpstreams(ctx context.Context) {
	servers, err := e.upstreams(ctx)
	if ctx.Err() != nil {
		return
	}
	e.upstreamsFail = e.note("the counters of dnsmasq's upstream servers", e.upstreamsFail, err)
	if err != nil {
		e.metrics.upstreamErrors.Inc()
		return
	}
	now := make(map[netip.AddrPort]dnsmasq.ServerStats, len(servers))
	for _, s := range servers {
		now[s.Address] = s
		before, label := e.lastUpstreams[s.Address], s.Address.String()
		e.metrics.upstreamQueries.WithLabelValues(label).Add(upstreamGrowth(before.Queries, s.Queries))
		e.metrics.upstreamFailures.WithLabelValues(label).Add(upstreamGrowth(before.Failed, s.Failed))
	}
	for address := range e.lastUpstreams {
		if _, used := now[address]; !used {
			e.metrics.dropUpstream(address.String())
		}
	}
	e.lastUpstreams = now
}

// upstreamGrowth is the difference between two values of an upstream server's
// counter within one life of dnsmasq. It goes down there when one of several
// domains that use the server is gone: the rest was counted before.
func upstreamGrowth(before, now uint64) float64 {
	return float64(max(now, before) - before)
}

// note logs the first of a series of failures and its end, the others at
// Debug. It returns whether err is a failure.
func (e *exporter) note(what string, failing bool, err error) bool {
	switch {
	case err == nil && failing:
		e.log.Info("polled again", "what", what)
	case err != nil && !failing:
		e.log.Warn("poll failed", "what", what, "err", err)
	case err != nil:
		e.log.Debug("poll failed again", "what", what, "err", err)
	}
	return err != nil
}
