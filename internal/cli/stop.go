package cli

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// NotifyStop follows SIGTERM and SIGINT:
//
//   - The first SIGTERM closes draining at once. The process should report not ready
//     and keep working, for clients that still use it. The stop context is cancelled
//     after lameduck.
//   - SIGINT or a second SIGTERM cancels the stop context at once. Later signals are
//     ignored during the orderly stop.
//   - The end of ctx cancels the stop context.
//
// Each of them closes draining. With a lameduck of zero or less there is no wait. The
// start of draining and of the stop are logged. The signals in more act like SIGINT.
//
// The caller must call release at the end. It cancels the stop context and restores the default
// effect of the signals.
func NotifyStop(ctx context.Context, lameduck time.Duration, log *slog.Logger, more ...os.Signal) (
	draining <-chan struct{}, stop context.Context, release func(),
) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, append(more, syscall.SIGTERM, os.Interrupt)...)
	draining, stop, end := notifyStop(ctx, signals, lameduck, log)
	return draining, stop, func() {
		end()
		signal.Stop(signals)
	}
}

// notifyStop is NotifyStop for the given signals.
func notifyStop(ctx context.Context, signals <-chan os.Signal, lameduck time.Duration, log *slog.Logger) (
	<-chan struct{}, context.Context, func(),
) {
	stop, cancel := context.WithCancelCause(ctx)
	draining := make(chan struct{}) // closed by the goroutine
	var running sync.WaitGroup
	running.Go(func() {
		var cause error
		defer func() { cancel(cause) }()
		var over <-chan time.Time // of lameduck; nil before draining
		select {
		case <-stop.Done():
		case sig := <-signals:
			cause = stopSignal{sig}
			if sig == syscall.SIGTERM && lameduck > 0 {
				log.Info("draining: not ready from now on, still answering", "signal", sig.String(), "lameduck", lameduck)
				over = time.After(lameduck)
			} else {
				log.Info("stopping", "signal", sig.String())
			}
		}
		close(draining)
		if over == nil {
			return
		}
		select {
		case <-stop.Done():
		case <-over:
			log.Info("stopping", "reason", "lameduck is over")
		case sig := <-signals:
			log.Info("stopping", "signal", sig.String())
		}
	})
	return draining, stop, func() {
		cancel(nil)
		running.Wait()
	}
}

// StoppedBy returns the first signal that NotifyStop received, or nil. The context is that of
// NotifyStop, after its end.
func StoppedBy(stop context.Context) os.Signal {
	var s stopSignal
	errors.As(context.Cause(stop), &s)
	return s.Signal
}

// A stopSignal is the cause of the end of a context.
type stopSignal struct{ os.Signal }

func (s stopSignal) Error() string { return "stopped by " + s.String() }
