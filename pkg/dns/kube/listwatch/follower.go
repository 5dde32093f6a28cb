package listwatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

const (
	// A starting server refuses requests until it has read its roles. So a refusal must last: at
	// startup before another API is tried, and later before it is reported. At startup queries wait
	// for this, and a better API is tried again soon.
	startGrace   = time.Second
	refusalGrace = 5 * time.Second
	// Servers send a bookmark every minute, the first one after one or two minutes. A watch that
	// had one and is silent for longer is dead, even if its connection lives: the server hangs, or
	// something in between has lost the watch. Old servers send one, two seconds before they end a
	// watch.
	firstBookmarkTime = 150 * time.Second
	bookmarkTime      = 90 * time.Second
	// Without bookmarks, a quiet watch looks like a dead one. After watches were silent for so
	// long, changes can be missing: the next one starts with a list.
	quietTime = 30 * time.Minute
)

var (
	// ErrRefused is returned by a Refusable follower: the API does not exist, or is forbidden.
	ErrRefused = errors.New("refused by the API server")
	// errSilentWatch is a watch that became silent.
	errSilentWatch = fmt.Errorf("neither changes nor bookmarks any more: %w", context.DeadlineExceeded)
)

// A Sink receives the objects that a follower finds, from one goroutine. A method may block until
// ctx is done.
type Sink[T any] interface {
	Replace(ctx context.Context, all []T)
	// Set adds or replaces v. Trigger is when the cause of the change happened; zero if unknown.
	Set(ctx context.Context, v T, trigger time.Time)
	Remove(ctx context.Context, v T)
}

// An Observer is notified of a follower's state, from its goroutine.
type Observer interface {
	// Listed: a complete list has arrived, as mode: streamed or paged.
	Listed(mode string)
	// Connected: the server opened a watch.
	Connected()
	// Event: a change, or a bookmark, arrived.
	Event()
	// Lost: changes no longer arrive.
	Lost()
	// Failed: the error, before a retry. It is not called for a refusal that stops the follower.
	Failed(err error)
}

// A Follower keeps a sink up to date with a resource: it lists it, then watches it, and starts
// again if it missed something.
type Follower[T any] struct {
	// Resource, Sink, Observer, Log and Position are required.
	Resource Resource[T]
	Sink     Sink[T]
	Observer Observer
	Log      *slog.Logger
	Position *Position // its progress, for other readers
	// Streaming decides whether lists are streamed. Nil: never.
	Streaming *Streaming
	// Refusable: Run returns ErrRefused if the API is missing or forbidden and was never listed.
	Refusable bool

	hasListed    bool // ever
	bookmarks    bool // arrive regularly: one watch had several
	silent       int  // watches in a row without an event, after bookmarks arrived regularly
	slowOpen     bool // the last watch was not opened in time
	watched      bool // a watch has ended since the version was compared
	listedAt     time.Time
	heard        time.Time // the last list or event
	version      string    // where the next watch starts; empty: list first
	failures     int       // in a row, without progress
	refusedSince time.Time
	backoff      Backoff
}

// Run follows until ctx is done, and then returns nil. The only error is
// ErrRefused.
func (f *Follower[T]) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := f.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			continue // the server closed a good watch in time
		}
		if stop := f.onError(err); stop != nil {
			return stop
		}
		if !f.backoff.Wait(ctx, err) {
			return nil
		}
	}
	return nil
}

// onError decides how to continue after err. It returns an error if it cannot.
func (f *Follower[T]) onError(err error) error {
	f.Observer.Lost()
	refused := f.Refusable && (apierrors.IsForbidden(err) || apierrors.IsNotFound(err))
	if !refused {
		f.refusedSince = time.Time{}
	}
	switch {
	case expired(err) && f.version != "" && time.Since(f.listedAt) >= goodWatch:
		f.Log.Debug("watch fell behind, listing again", "resource", f.Resource.Name, "err", err)
		f.version = ""
		f.backoff.reset() // the server replies, and a new list helps
	case refused && !f.refusalLasts():
		f.Log.Debug("refused, trying again", "resource", f.Resource.Name, "err", err)
		f.backoff.failures = min(f.backoff.failures, 1) // soon
	case refused && !f.hasListed:
		return fmt.Errorf("%w: %w", ErrRefused, err)
	default:
		f.Observer.Failed(err)
		// The start version can cause a permanent error.
		if f.failures++; expired(err) || f.failures >= 3 && isAboutRequest(err) {
			f.version = ""
		}
	}
	return nil
}

// refusalLasts reports whether the API has been refused for longer than a starting server does.
func (f *Follower[T]) refusalLasts() bool {
	if f.refusedSince.IsZero() {
		f.refusedSince = time.Now()
	}
	grace := startGrace
	if f.hasListed {
		grace = refusalGrace
	}
	return time.Since(f.refusedSince) >= grace
}

// once lists if needed, then watches until the watch ends.
func (f *Follower[T]) once(ctx context.Context) error {
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
	f.Position.watching(w.cancel)
	defer f.Position.watching(nil)
	return f.follow(ctx, w)
}

// open opens a watch where the last one ended.
func (f *Follower[T]) open(ctx context.Context) (*watcher, error) {
	patience := openTime
	if f.slowOpen {
		patience = slowOpenTime
	}
	began := time.Now()
	w, err := f.Resource.watch(ctx, watchOptions(f.version), patience)
	f.slowOpen = errors.Is(err, errUnanswered) && !f.slowOpen || err == nil && time.Since(began) > openTime
	return w, err
}

// compareVersion checks, after the end of a watch, whether the server's state is older than ours
// because it was restored from a backup. A watch from a future version would be silent, without an
// error.
func (f *Follower[T]) compareVersion(ctx context.Context) error {
	if f.version == "" || !f.watched {
		return nil
	}
	newest, err := f.Resource.NewestVersion(ctx)
	if err != nil {
		return err
	}
	f.watched = false
	if n := Number(newest); n > 0 && n < Number(f.version) {
		f.Log.Warn("the API server has an older state than before, listing again",
			"resource", f.Resource.Name, "held", f.version, "newest", newest)
		f.version = ""
	}
	return nil
}

// list fills the sink. A streamed list also returns the watch that continues it.
func (f *Follower[T]) list(ctx context.Context) (*watcher, error) {
	var items []T
	var version string
	var w *watcher
	var err error
	mode := "streamed"
	if f.Streaming.IsOn() {
		items, version, w, err = stream(ctx, f.Resource)
		// Pages also work around a server that fails repeatedly.
		if err != nil && !f.Streaming.tryPages(f.Resource.Name, err) && (f.failures < 3 || answerReason(err) == "") {
			return nil, err
		}
	}
	if w == nil {
		mode = "paged"
		if items, version, err = f.Resource.List(ctx); err != nil {
			return nil, err
		}
	}
	if w != nil {
		f.silent = 0
	}
	f.take(ctx, items, version, mode)
	return w, nil
}

// Start passes a complete list to the sink, so that Run starts with a watch.
func (f *Follower[T]) Start(ctx context.Context, items []T, version string) {
	f.take(ctx, items, version, "paged")
}

// take passes a complete list to the sink.
func (f *Follower[T]) take(ctx context.Context, items []T, version, mode string) {
	f.Log.Debug("listed", "resource", f.Resource.Name, "objects", len(items), "mode", mode, "version", version)
	f.hasListed, f.listedAt, f.version, f.watched = true, time.Now(), version, false
	f.heard = f.listedAt
	f.Observer.Listed(mode)
	f.Sink.Replace(ctx, items)
	f.Position.listed(version)
}

// follow passes on events until the watch ends. It returns nil if the server closed it normally.
func (f *Follower[T]) follow(ctx context.Context, w *watcher) error {
	if f.silent < 2 {
		f.Observer.Connected()
	}
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
		if f.silent >= 2 {
			f.Observer.Connected()
		}
		f.silent = 0
		f.failures = 0
		f.heard = time.Now()
		if e.Kind == Bookmark {
			bookmarks++
			f.bookmarks = f.bookmarks || bookmarks > 1
		}
	}
}

// ended interprets the end of a watch. Only a watch that lived for some time resets failures.
// Otherwise a watch that ends after one event would be reopened without a pause forever.
func (f *Follower[T]) ended(ctx context.Context, err error, lived time.Duration) error {
	if lived >= goodWatch {
		f.failures = 0
		f.backoff.reset()
	}
	switch {
	case ctx.Err() != nil:
		return nil
	case errors.Is(err, errRelist), f.isQuiet(err, lived):
		f.version = ""
		return nil
	case errors.Is(err, io.EOF) && lived >= goodWatch && f.silent == 0:
		return nil
	case f.silent > 0 && lived >= goodWatch && (errors.Is(err, io.EOF) || errors.Is(err, errOverdue)):
		// Two watches were silent: changes can be missing.
		f.silent++
		f.version, err = "", errSilentWatch
	case errors.Is(err, io.EOF):
		err = errShortWatch
	case errors.Is(err, errSilentWatch):
		if f.bookmarks {
			f.bookmarks, f.silent = false, 1 // until bookmarks arrive again
		}
	}
	return fmt.Errorf("watch %s: %w", f.Resource.Name, err)
}

// isQuiet reports whether this watch and those before it were silent for so long that they can be
// dead, although the server keeps them open.
func (f *Follower[T]) isQuiet(err error, lived time.Duration) bool {
	ended := lived >= goodWatch && (errors.Is(err, io.EOF) || errors.Is(err, errOverdue))
	return ended && !f.bookmarks && f.silent == 0 && time.Since(f.heard) >= quietTime
}

func (f *Follower[T]) deliver(ctx context.Context, e Event) error {
	if e.Kind == Bookmark {
		version, err := e.Version()
		if err != nil {
			return err
		}
		f.reached(version)
		return nil
	}
	v, kept, err := f.Resource.Decode(e.Object)
	if err != nil {
		return err
	}
	switch {
	case e.Kind == Deleted, !kept:
		f.Sink.Remove(ctx, v)
	case e.Kind == Added, e.Kind == Modified:
		f.Sink.Set(ctx, v, f.Resource.triggerOf(e.Object))
	}
	f.reached(f.Resource.Version(v))
	return nil
}

// reached notes that everything up to a version was passed to the sink.
func (f *Follower[T]) reached(version string) {
	if version != "" {
		f.version = version
	}
	f.Observer.Event()
	f.Position.reached(f.version)
}
