package sidecar

import (
	"context"
	"sync"
	"time"
)

// Once asks each of targets once, all at the same time, and returns what came out, in the
// order of targets. It needs no metrics and no Run.
func Once(ctx context.Context, targets []Target) []ProbeState {
	states := make([]ProbeState, len(targets))
	var asked sync.WaitGroup
	for i, t := range targets {
		asked.Go(func() {
			p := probe{target: t, exchange: exchange}
			r := p.ask(ctx)
			h := health{result: r, since: time.Now()}
			states[i] = h.probeState(t)
		})
	}
	asked.Wait()
	return states
}
