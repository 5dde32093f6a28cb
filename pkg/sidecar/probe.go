package sidecar

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kube-dns/kube-dns/internal/pause"
)

// A probe repeats one query to one server and keeps the result.
type probe struct {
	target   Target
	exchange Exchange
	metrics  *probeMetrics
	log      *slog.Logger

	// state is written only by run and read by the HTTP handler.
	state atomic.Pointer[ProbeState]
}

func newProbe(t Target, ask Exchange, metrics *probeMetrics, log *slog.Logger) *probe {
	p := &probe{target: t, exchange: ask, metrics: metrics, log: log}
	p.state.Store(&ProbeState{
		Label: t.Label, Server: t.Server, State: Pending, Since: now(),
		Err: fmt.Sprintf("no probe of %s is done yet", t.Server),
	})
	return p
}

// now returns the time in the form that monitoring reads.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// run probes at once, so that the state is not pending for long, then after every interval, until
// ctx is done.
func (p *probe) run(ctx context.Context) {
	var wait time.Duration
	for pause.For(ctx, wait) {
		state := ask(ctx, p.target, p.exchange)
		if ctx.Err() != nil {
			return // the stop cut the query short: it does not show the state of the server
		}
		p.record(state)
		wait = p.target.Interval - state.Latency
	}
}

// ask sends the query once. The state has no history.
func ask(ctx context.Context, t Target, exchange Exchange) *ProbeState {
	s := &ProbeState{Label: t.Label, Server: t.Server, State: Failed}
	reply, rtt, err := exchange(ctx, t)
	if err != nil {
		s.Err = err.Error()
	} else {
		s.judge(reply, rtt)
	}
	if s.State != OK {
		s.Err = fmt.Sprintf("%s %s at %s: %s", t.Name, t.Type, t.Server, s.Err)
	}
	return s
}

// Once runs each of targets once, all at the same time, and returns the results in the order of
// targets. It needs no metrics and no Run.
func Once(ctx context.Context, targets []Target) []*ProbeState {
	states := make([]*ProbeState, len(targets))
	var asked sync.WaitGroup
	for i, t := range targets {
		asked.Go(func() { states[i] = ask(ctx, t, exchange) })
	}
	asked.Wait()
	return states
}

// record adds the history to a new state, publishes it, counts it, and logs changes.
func (p *probe) record(state *ProbeState) {
	before := p.state.Load()
	state.Since = before.Since
	if state.State != before.State {
		state.Since = now()
	}
	if state.State != OK {
		state.FailuresInARow = before.FailuresInARow + 1
	}
	p.state.Store(state)
	p.metrics.observe(state)

	attrs := []any{"probe", state.Label, "server", state.Server, "state", string(state.State)}
	switch {
	case state.State == OK && before.State == OK:
		p.log.Debug("server answers as before", append(attrs, "rtt", state.Latency)...)
	case state.State == OK:
		p.log.Info("server answers", append(attrs, "before", string(before.State), "failures", before.FailuresInARow)...)
	case state.State == before.State:
		p.log.Debug("server still does not answer", append(attrs, "failures", state.FailuresInARow, "err", state.Err)...)
	default:
		p.log.Warn("server does not answer", append(attrs, "before", string(before.State), "err", state.Err)...)
	}
}
