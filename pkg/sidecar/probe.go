package sidecar

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/kube-dns/kube-dns/internal/pause"
)

// A probe asks one server the same question for ever and keeps the outcome.
type probe struct {
	target   Target
	exchange Exchange
	metrics  *probeMetrics
	log      *slog.Logger

	// health is written by run alone and read by the HTTP handler.
	health atomic.Pointer[health]
}

func newProbe(t Target, ask Exchange, metrics *probeMetrics, log *slog.Logger) *probe {
	p := &probe{target: t, exchange: ask, metrics: metrics, log: log}
	p.health.Store(&health{result: result{
		state: Pending,
		err:   fmt.Errorf("no probe of %s is done yet", t.Server),
	}, since: time.Now()})
	return p
}

// run probes at once, so that the health is not pending for long, and then after
// every interval, until ctx is done.
func (p *probe) run(ctx context.Context) {
	var wait time.Duration
	for pause.For(ctx, wait) {
		r := p.ask(ctx)
		if ctx.Err() != nil {
			return // a question cut short by the stop is no news of the server
		}
		p.record(r)
		wait = p.target.Interval - r.rtt
	}
}

// ask puts the question once.
func (p *probe) ask(ctx context.Context) result {
	reply, rtt, err := p.exchange(ctx, p.target)
	r := result{state: Failed, err: err}
	if err == nil {
		r = judge(reply, rtt)
	}
	if r.err != nil {
		r.err = fmt.Errorf("%s %s at %s: %w", p.target.Name, p.target.Type, p.target.Server, r.err)
	}
	return r
}

// record publishes r, counts it, and logs what changed.
func (p *probe) record(r result) {
	before := *p.health.Load()
	now := before.next(r, time.Now())
	p.health.Store(&now)
	p.metrics.observe(now)

	attrs := []any{"probe", p.target.Label, "server", p.target.Server, "state", string(now.state)}
	switch {
	case now.state == OK && before.state == OK:
		p.log.Debug("server answers as before", append(attrs, "rtt", r.rtt)...)
	case now.state == OK:
		p.log.Info("server answers", append(attrs, "before", string(before.state), "failures", before.failures)...)
	case now.state == before.state:
		p.log.Debug("server still gives no answer", append(attrs, "failures", now.failures, "err", r.err)...)
	default:
		p.log.Warn("server gives no answer", append(attrs, "before", string(before.state), "err", r.err)...)
	}
}
