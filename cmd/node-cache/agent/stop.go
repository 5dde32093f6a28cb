package agent

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// stops are the signals that stop the agent.
type stops struct {
	hurry   context.Context // done when shutdown must not wait for a successor
	release func()
}

// followStops handles SIGTERM, SIGINT and SIGQUIT. The first SIGINT or SIGQUIT, or a second
// SIGTERM, cancels hurry. One more signal has its default effect: it exits at once.
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
		terminated := false
		for {
			select {
			case <-ctx.Done():
				return
			case sig := <-signals:
				if sig == syscall.SIGTERM && !terminated {
					terminated = true
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

// lingerTime is how long an agent still serves after SIGTERM for a successor that is starting. A
// probe of the new pod can get the reply of this agent, which is then stopped too early.
const lingerTime = 10 * time.Second

// linger returns a context that is canceled after ctx, once no successor is starting or hurry is
// done.
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
