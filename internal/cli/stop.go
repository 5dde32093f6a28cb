package cli

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// NotifyStop says when the process is to stop. It follows SIGTERM and SIGINT:
//
//   - The first SIGTERM closes draining at once: the process reports not ready but
//     goes on with its work, so that clients that have not noticed are served. The
//     stop context is cancelled when lameduck has passed.
//   - SIGINT, or a second SIGTERM, cancels the stop context at once. Later signals
//     are ignored: the orderly stop goes on.
//   - The end of ctx cancels the stop context.
//
// draining is closed in each of these cases. A lameduck of zero or less means no
// waiting. One line is logged when draining starts and one when the stop starts.
// more are signals that count as SIGINT does. The caller must call release when it is done: it cancels the stop context and
// gives the signals their default effect again.
func NotifyStop(ctx context.Context, lameduck time.Duration, log *slog.Logger, more ...os.Signal) (draining <-chan struct{}, stop context.Context, release func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, append(more, syscall.SIGTERM, os.Interrupt)...)
	draining, stop, end := notifyStop(ctx, signals, lameduck, log)
	return draining, stop, func() {
		end()
		signal.Stop(signals)
	}
}

// notifyStop is NotifyStop for the given signals.
func notifyStop(ctx context.Context, signals <-chan os.Signal, lameduck time.Duration, log *slog.Logger) (<-chan struct{}, context.Context, func()) {
	stop, cancel := context.WithCancel(ctx)
	draining := make(chan struct{}) // closed by the goroutine below
	var running sync.WaitGroup
	running.Go(func() {
		defer cancel()
		if awaitTerm(stop, signals, lameduck, log) {
			close(draining)
			awaitEnd(stop, signals, lameduck, log)
			return
		}
		close(draining)
	})
	return draining, stop, func() {
		cancel()
		running.Wait()
	}
}

// awaitTerm waits for the first signal or the end of ctx. It reports whether
// there is a time of draining.
func awaitTerm(ctx context.Context, signals <-chan os.Signal, lameduck time.Duration, log *slog.Logger) bool {
	select {
	case <-ctx.Done():
		return false
	case sig := <-signals:
		if sig == syscall.SIGTERM && lameduck > 0 {
			log.Info("draining: not ready from now on, still answering", "signal", sig.String(), "lameduck", lameduck)
			return true
		}
		log.Info("stopping", "signal", sig.String())
		return false
	}
}

// awaitEnd waits for the end of the lameduck time, a signal or the end of ctx.
func awaitEnd(ctx context.Context, signals <-chan os.Signal, lameduck time.Duration, log *slog.Logger) {
	timer := time.NewTimer(lameduck)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
		log.Info("stopping", "reason", "lameduck is over")
	case sig := <-signals:
		log.Info("stopping", "signal", sig.String())
	}
}
