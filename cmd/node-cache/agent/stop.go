package agent

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// stops are the signals that have come to end the agent.
type stops struct {
	terminated atomic.Bool     // SIGTERM came
	hurry      context.Context // is done when the end must not wait for a successor
	release    func()
}

// followStops follows SIGTERM, SIGINT and SIGQUIT. The first one of the latter two, or a second
// SIGTERM, ends hurry. One more signal then has its default effect: it ends the process at once.
func followStops(ctx context.Context) *stops {
	ends := []os.Signal{syscall.SIGTERM, os.Interrupt, syscall.SIGQUIT}
	signals := make(chan os.Signal, len(ends))
	signal.Notify(signals, ends...)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	hurry, hurryUp := context.WithCancel(ctx)
	done := make(chan struct{})
	s := &stops{hurry: hurry, release: func() {
		cancel()
		<-done
		signal.Stop(signals)
	}}
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case sig := <-signals:
				if sig == syscall.SIGTERM && !s.terminated.Swap(true) {
					continue
				}
				hurryUp()
				signal.Reset(ends...)
				return
			}
		}
	}()
	return s
}

// lingerTime is how long an agent that is to end serves on for a successor that starts. A probe
// of the new pod may have got the reply of this agent, so that this one is ended too early.
const lingerTime = 10 * time.Second

// linger returns a context that ends after ctx, once no successor is starting or hurry is done.
func (a *agent) linger(ctx, hurry context.Context) (later context.Context, end func()) {
	if a.Handover == nil {
		return ctx, func() {}
	}
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		select {
		case <-later.Done():
			return
		case <-ctx.Done():
		}
		wait, cancelWait := context.WithTimeout(later, lingerTime)
		defer cancelWait()
		defer context.AfterFunc(hurry, cancelWait)()
		a.Handover.AwaitSuccessor(wait)
	}()
	return later, func() {
		cancel()
		<-done
	}
}
