package sidecar

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/kube-dns/kube-dns/internal/pause"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/chaos"
)

// An exporter polls dnsmasq's counters and adds their growth to ours.
type exporter struct {
	stats     func(context.Context) (chaos.Stats, error)
	upstreams func(context.Context) ([]chaos.Server, error)
	interval  time.Duration
	metrics   *dnsmasqMetrics
	log       *slog.Logger
	state     atomic.Pointer[DnsmasqState] // never nil

	// The fields below belong to run.
	last          chaos.Stats
	lastUpstreams []chaos.Server // nil before the first
	happened      event          // event since lastUpstreams
	upstreamsFail bool
}

// A DnsmasqState is the outcome of the last poll of dnsmasq.
type DnsmasqState struct {
	Polled    bool      // false: no poll is done yet
	Err       string    // empty on success
	Since     time.Time // when polls started to succeed, or to fail
	CacheSize uint64    // capacity of dnsmasq's cache in entries
}

// run polls at once, then after every interval, until ctx is done.
func (e *exporter) run(ctx context.Context) {
	for again := true; again; again = pause.For(ctx, e.interval) {
		e.poll(ctx)
	}
}

// poll reads all counters once. A failure changes no value, so the next good poll includes the
// counts in between.
func (e *exporter) poll(ctx context.Context) {
	now, err := e.stats(ctx)
	if ctx.Err() != nil {
		return
	}
	before := e.state.Load()
	failed := before.Err != ""
	state := DnsmasqState{Polled: true, Since: before.Since, CacheSize: now.CacheSize}
	if !before.Polled || failed != (err != nil) {
		state.Since = time.Now()
	}
	if err != nil {
		state.Err = err.Error()
	}
	e.state.Store(&state)
	e.note("dnsmasq's counters", failed, err)
	if err != nil {
		e.metrics.errors.Inc()
		return
	}
	grown, happened := increase(e.last, now)
	e.last = now
	e.metrics.hits.Add(float64(grown.Hits))
	e.metrics.misses.Add(float64(grown.Misses))
	e.metrics.evictions.Add(float64(grown.Evictions))
	e.metrics.insertions.Add(float64(grown.Insertions))
	e.metrics.maxSize.Store(grown.CacheSize)
	if happened == restart {
		e.log.Info("dnsmasq was restarted: its counters began again")
	}
	e.happened = max(e.happened, happened)
	if e.upstreams != nil {
		e.pollUpstreams(ctx)
	}
}

// pollUpstreams reads the counters of the upstream servers and adds their growth. The series of an
// unused server is removed.
func (e *exporter) pollUpstreams(ctx context.Context) {
	servers, err := e.upstreams(ctx)
	if ctx.Err() != nil {
		return
	}
	e.note("the counters of dnsmasq's upstream servers", e.upstreamsFail, err)
	if e.upstreamsFail = err != nil; err != nil {
		e.metrics.upstreamErrors.Inc()
		return
	}
	for _, old := range e.lastUpstreams {
		if !slices.ContainsFunc(servers, func(s chaos.Server) bool { return sameServer(s, old) }) {
			e.metrics.dropUpstream(old.Address.String())
		}
	}
	for i, grown := range upstreamGrowth(e.lastUpstreams, servers, e.happened) {
		e.metrics.addUpstream(servers[i].Address.String(), grown)
	}
	e.lastUpstreams, e.happened = servers, nothing
}

// note logs the first of a series of failures and the end of the series, the rest at Debug.
func (e *exporter) note(what string, failing bool, err error) {
	switch {
	case err == nil && failing:
		e.log.Info("polled again", "what", what)
	case err != nil && !failing:
		e.log.Warn("poll failed", "what", what, "err", err)
	case err != nil:
		e.log.Debug("poll failed again", "what", what, "err", err)
	}
}
