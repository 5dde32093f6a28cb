package listwatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// The server ends a watch after one to two times this, so that clients spread over servers
	// again after a restart.
	watchTime = 5 * time.Minute
	// overdueTime is added before a watch counts as overdue.
	overdueTime = 30 * time.Second
	// openTime is how long an API server can take to open a watch.
	openTime = 45 * time.Second
	// slowOpenTime replaces openTime after a watch that was not opened in time. Some proxies hold
	// back the headers of a response until its first byte, which is a bookmark on a quiet watch.
	slowOpenTime = 150 * time.Second
)

var (
	// errUnanswered is a watch that was not opened in time.
	errUnanswered = fmt.Errorf("the watch was not opened in time: %w", context.DeadlineExceeded)
	// errOverdue is a watch that the server should have closed.
	errOverdue = fmt.Errorf("the watch did not end in its time: %w", context.DeadlineExceeded)
)

func watchOptions(version string) metav1.ListOptions {
	seconds := int64((watchTime + rand.N(watchTime)).Seconds())
	return metav1.ListOptions{ResourceVersion: version, TimeoutSeconds: &seconds}
}

// A watcher is an open watch. All methods except cancel belong to one goroutine.
type watcher struct {
	ctx    context.Context
	cancel context.CancelCauseFunc // closes the watch; next returns the cause
	body   io.Closer
	events *Reader
	end    *time.Timer // when the watch is overdue

	patience *time.Timer // nil: none
	cause    error       // the error when patience runs out
}

// watch opens a watch, which a server confirms at once, even without events. It waits at most open.
func (r Resource[T]) watch(ctx context.Context, opts metav1.ListOptions, open time.Duration) (*watcher, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	opts.AllowWatchBookmarks, opts.Watch = true, true
	unanswered := time.AfterFunc(open, func() { cancel(errUnanswered) })
	body, err := r.request(opts).Stream(ctx)
	if !unanswered.Stop() && err == nil {
		_ = body.Close()
		err = errUnanswered
	}
	if err != nil {
		err = causeOf(ctx, err)
		cancel(nil)
		return nil, fmt.Errorf("watch %s: %w", r.Name, err)
	}
	overdue := time.Duration(*opts.TimeoutSeconds)*time.Second + overdueTime
	return &watcher{
		ctx: ctx, cancel: cancel, body: body, events: NewReader(body, r.Kind),
		end: time.AfterFunc(overdue, func() { cancel(errOverdue) }),
	}, nil
}

// next returns the next event, or the reason for its absence.
func (w *watcher) next() (Event, error) {
	e, err := w.events.Next()
	if err != nil {
		err = causeOf(w.ctx, err)
	}
	return e, err
}

// expect makes next return cause if no event arrives within d, counted from now and from each later
// call. Without a cause it waits without limit.
func (w *watcher) expect(d time.Duration, cause error) {
	switch {
	case w.patience != nil && cause != nil && errors.Is(w.cause, cause):
		w.patience.Reset(d)
		return
	case w.patience != nil:
		w.patience.Stop()
		w.patience = nil
	}
	if w.cause = cause; cause != nil {
		w.patience = time.AfterFunc(d, func() { w.cancel(cause) })
	}
}

// stop closes the watch.
func (w *watcher) stop() {
	w.end.Stop()
	w.expect(0, nil)
	w.cancel(nil)
	_ = w.body.Close()
}

// causeOf returns the cause if ctx is done, else err.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
