package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

const (
	// A watch that lived so long was a good one.
	goodWatch = 10 * time.Second
	// A server that comes up refuses what it will allow a moment later, when
	// it has read its roles. So a refusal must last: at the start, before
	// another API is tried, and later, before it is reported. At the start
	// queries wait meanwhile, and a better API is tried again soon.
	startGrace   = time.Second
	refusalGrace = 5 * time.Second
	// Servers send a bookmark every minute, the first on a watch after one or
	// two. A watch that had one and is silent for longer is dead, though its
	// connection may live: the server hangs, or something between has lost it.
	// Old servers send one, two seconds before they end a watch.
	firstBookmarkTime = 150 * time.Second
	bookmarkTime      = 90 * time.Second
)

var (
	// errRefused is returned by a follower that may be refused: the API does not
	// exist, or is forbidden.
	errRefused = errors.New("refused by the API server")
	// errShortWatch is a watch that was closed before its time.
	errShortWatch = fmt.Errorf("the watch was closed within %v", goodWatch)
	// errSilentWatch is a watch that brought nothing any more.
	errSilentWatch = fmt.Errorf("neither changes nor bookmarks any more: %w", context.DeadlineExceeded)
)

// A sink takes the objects that a follower finds, from one goroutine. A method
// may block until ctx is done.
type sink[T any] interface {
	replace(ctx context.Context, all []T)
	set(ctx context.Context, v T)
	remove(ctx context.Context, v T)
}

// An observer is notified of a follower's state, from its goroutine.
type observer interface {
	// listed: a complete list has arrived.
	listed()
	// connected: the server has opened the watch.
	connected()
	// event: a change, or a bookmark, arrived.
	event()
	// lost: changes do not arrive any more.
	lost()
	// failed: why; it will be tried again. Not called for a refusal that makes
	// a follower stop.
	failed(err error)
}

// A follower keeps a sink up to date with a resource: it lists it, then watches
// it, and starts again when it missed something.
type follower[T any] struct {
	resource resource[T]
	sink     sink[T]
	observer observer
	log      *slog.Logger
	metrics  *Metrics
	role     string // of the resource, in metrics
	// streaming reports whether lists may be streamed. Nil: never.
	streaming *streaming
	// position is how far this is, for others to read. Nil: nothing asks.
	position *position
	// refusable: run ends with errRefused when the API is missing or forbidden
	// and was never listed.
	refusable bool

	hasListed    bool // ever
	bookmarks    bool // come regularly: one watch had several
	slowOpen     bool // the last watch was not opened in time
	watched      bool // a watch has ended since the version was compared
	listedAt     time.Time
	version      string // where the next watch starts; empty: list first
	failures     int    // in a row, without progress
	refusedSince time.Time
	backoff      backoff
}

// run follows until ctx is done, and then returns nil. The only error is
// errRefused.
func (f *follower[T]) run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := f.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			continue // the server closed a good watch in its time
		}
		if stop := f.onError(err); stop != nil {
			return stop
		}
		if !f.backoff.wait(ctx, err) {
			return nil
		}
	}
	return nil
}

// onError decides where to go on after err. It returns an error when that is
// nowhere.
func (f *follower[T]) onError(err error) error {
	f.observer.lost()
	refused := f.refusable && (apierrors.IsForbidden(err) || apierrors.IsNotFound(err))
	if !refused {
		f.refusedSince = time.Time{}
	}
	switch {
	case expired(err):
		f.log.Debug("watch fell behind, listing again", "resource", f.resource.name, "err", err)
		f.version = ""
		if time.Since(f.listedAt) >= goodWatch {
			f.backoff.reset() // the server answers, and this is the way to go on
		}
	case refused && !f.refusalLasts():
		f.log.Debug("refused, trying again", "resource", f.resource.name, "err", err)
		f.backoff.failures = min(f.backoff.failures, 1) // soon
	case refused && !f.hasListed:
		return fmt.Errorf("%w: %w", errRefused, err)
	default:
		f.observer.failed(err)
		// An answer that stays wrong may be the fault of where we start.
		if f.failures++; f.failures >= 3 && isAboutRequest(err) {
			f.version = ""
		}
	}
	return nil
}

// refusalLasts reports whether the API has been refused for so long that this is
// more than a server that starts.
func (f *follower[T]) refusalLasts() bool {
	if f.refusedSince.IsZero() {
		f.refusedSince = time.Now()
	}
	grace := startGrace
	if f.hasListed {
		grace = refusalGrace
	}
	return time.Since(f.refusedSince) >= grace
}

// once lists where that is needed, then watches until the watch ends.
func (f *follower[T]) once(ctx context.Context) error {
	if err := f.compareVersion(ctx); err != nil {
		return err
	}
	var w *watcher
	var err error
	if f.version == "" {
		w, err = f.list(ctx)
	}
	if err == nil && w == nil {
		w, err = f.open(ctx)
	}
	if err != nil {
		return err
	}
	defer w.stop()
	f.position.watching(w.cancel)
	defer f.position.watching(nil)
	return f.follow(ctx, w)
}

// open opens a watch where the last one ended.
func (f *follower[T]) open(ctx context.Context) (*watcher, error) {
	patience := openTime
	if f.slowOpen {
		patience = slowOpenTime
	}
	began := time.Now()
	w, err := f.resource.watch(ctx, watchOptions(f.version), patience)
	f.slowOpen = errors.Is(err, errUnanswered) && !f.slowOpen || err == nil && time.Since(began) > openTime
	return w, err
}

// compareVersion finds out, after a watch has ended, whether the server's state
// is older than the one we hold: it was restored from a backup. A watch from a
// version in the server's future would bring nothing, without an error.
func (f *follower[T]) compareVersion(ctx context.Context) error {
	if f.version == "" || !f.watched {
		return nil
	}
	newest, err := f.resource.newestVersion(ctx)
	if err != nil {
		return err
	}
	f.watched = false
	if n := number(newest); n > 0 && n < number(f.version) {
		f.log.Warn("the API server has an older state than before, listing again",
			"resource", f.resource.name, "held", f.version, "newest", newest)
		f.version = ""
	}
	return nil
}

// list fills the sink. A list that was streamed returns the watch that goes on
// from it.
func (f *follower[T]) list(ctx context.Context) (*watcher, error) {
	var items []T
	var version string
	var w *watcher
	var err error
	mode := "streamed"
	if f.streaming.isOn() {
		items, version, w, err = stream(ctx, f.resource)
		// Pages are also a way around a server that fails again and again.
		if err != nil && !f.streaming.tryPages(f.resource.name, err) && (f.failures < 3 || !isAnswer(err)) {
			return nil, err
		}
	}
	if w == nil {
		mode = "paged"
		if items, version, err = f.resource.list(ctx); err != nil {
			return nil, err
		}
	}
	f.take(ctx, items, version, mode)
	return w, nil
}

// take hands a complete list to the sink.
func (f *follower[T]) take(ctx context.Context, items []T, version, mode string) {
	f.metrics.lists.WithLabelValues(f.role, mode).Inc()
	f.log.Debug("listed", "resource", f.resource.name, "objects", len(items), "mode", mode, "version", version)
	f.hasListed, f.listedAt, f.version, f.watched = true, time.Now(), version, false
	f.observer.listed()
	f.sink.replace(ctx, items)
	f.position.listed(version)
}

// follow hands on events until the watch ends. It returns nil when the server
// closed it in the ordinary way.
func (f *follower[T]) follow(ctx context.Context, w *watcher) error {
	f.metrics.watches.WithLabelValues(f.role).Inc()
	f.observer.connected()
	f.refusedSince = time.Time{}
	f.watched = true
	opened, bookmarks := time.Now(), 0
	for {
		switch {
		case bookmarks > 0:
			w.expect(bookmarkTime, errSilentWatch)
		case f.bookmarks:
			w.expect(firstBookmarkTime, errSilentWatch)
		default:
			w.expect(0, nil)
		}
		e, err := w.next()
		if err == nil {
			err = f.deliver(ctx, e)
		}
		if err != nil {
			return f.ended(ctx, err, time.Since(opened))
		}
		f.failures = 0
		if e.kind == bookmark {
			bookmarks++
			f.bookmarks = f.bookmarks || bookmarks > 1
		}
	}
}

// ended returns what the end of a watch means. Only a watch that lived for a
// while makes up for failures: one that brings an event and ends would be opened
// without a pause for ever.
func (f *follower[T]) ended(ctx context.Context, err error, lived time.Duration) error {
	if lived >= goodWatch {
		f.failures = 0
		f.backoff.reset()
	}
	switch {
	case ctx.Err() != nil:
		return nil
	case errors.Is(err, errRelist):
		f.version = ""
		return nil
	case errors.Is(err, io.EOF) && lived >= goodWatch:
		return nil
	case errors.Is(err, io.EOF):
		err = errShortWatch
	case errors.Is(err, errSilentWatch):
		f.bookmarks = false // until there are some again
	}
	return fmt.Errorf("watch %s: %w", f.resource.name, err)
}

func (f *follower[T]) deliver(ctx context.Context, e event) error {
	if e.kind == bookmark {
		m, err := metadataOf(e.object)
		if err != nil {
			return err
		}
		f.reached(m.ResourceVersion)
		return nil
	}
	v, kept, err := f.resource.decode(e.object)
	if err != nil {
		return err
	}
	switch {
	case e.kind == deleted, !kept:
		f.sink.remove(ctx, v)
	case e.kind == added, e.kind == modified:
		f.sink.set(ctx, v)
	}
	f.reached(f.resource.version(v))
	return nil
}

// reached notes that everything up to a version was handed to the sink.
func (f *follower[T]) reached(version string) {
	if version != "" {
		f.version = version
	}
	f.observer.event()
	f.position.reached(f.version)
}

// number is the value of a resourceVersion. Versions of one resource can be
// compared; one that is no number counts as the oldest.
func number(version string) uint64 {
	n, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
