package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

const (
	// The server ends a watch after a time between one and two of these, so
	// that after its restart the clients spread over servers again.
	watchTime = 5 * time.Minute
	// A watch that lived so long, or brought an event, was a good one.
	goodWatch = 10 * time.Second
	// A server that comes up refuses what it will allow a moment later, when
	// it has read its roles. So a refusal of what was allowed before must last.
	refusalGrace = 5 * time.Second
	// Servers send a bookmark every minute, the first on a watch after one or
	// two. A watch that had one and is silent for longer is dead, though its
	// connection may live: the server hangs, or something between has lost it.
	// Old servers send one, two seconds before they end a watch.
	firstBookmarkTime = 150 * time.Second
	bookmarkTime      = 90 * time.Second
)

// errRefused is returned by a follower that may be refused: the API does not
// exist, or is forbidden.
var errRefused = errors.New("refused by the API server")

// errShortWatch is a watch that ended at once and brought nothing, which is how
// client-go tells of a connection that broke.
var errShortWatch = errors.New("the watch was closed at once")

// errSilentWatch is a watch that brought nothing any more.
var errSilentWatch = fmt.Errorf("neither changes nor bookmarks any more: %w", context.DeadlineExceeded)

// A sink takes what a follower finds, from one goroutine. A method may block
// until ctx is done.
type sink[T any] interface {
	replace(ctx context.Context, all []T)
	set(ctx context.Context, v T)
	remove(ctx context.Context, v T)
}

// An observer is told how a follower fares, from its goroutine.
type observer interface {
	// connected: the list is complete, and changes arrive.
	connected()
	// event: a change arrived.
	event()
	// lost: changes do not arrive any more.
	lost()
	// failed: why, and it will be tried again. Not told of a refusal that makes
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
	// shrink, when set, makes the objects of a list smaller. Objects of a
	// watch come whole.
	shrink func(T) T
	// streaming says whether lists may be streamed. Nil: never.
	streaming *streaming
	// position tells others how far this is. Nil: nobody asks.
	position *position
	// refusable: run ends with errRefused when the API is missing or forbidden.
	refusable bool

	listed       bool // ever
	bookmarks    bool // come regularly: one watch had several
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
	switch {
	case expired(err):
		f.log.Debug("watch fell behind, listing anew", "resource", f.resource.name, "err", err)
		f.version = ""
		if time.Since(f.listedAt) >= goodWatch {
			f.backoff.reset() // the server answers, and this is the way to go on
		}
	case refused && f.refusalLasts():
		return fmt.Errorf("%w: %w", errRefused, err)
	case refused:
		f.log.Debug("refused, trying again before giving up", "resource", f.resource.name, "err", err)
	default:
		f.refusedSince = time.Time{}
		f.observer.failed(err)
		// An answer that stays wrong may be the fault of where we start.
		if f.failures++; f.failures >= 3 && isAboutRequest(err) {
			f.version = ""
		}
	}
	return nil
}

// refusalLasts says whether it is time to give this API up.
func (f *follower[T]) refusalLasts() bool {
	if f.refusedSince.IsZero() {
		f.refusedSince = time.Now()
	}
	return !f.listed || time.Since(f.refusedSince) >= refusalGrace
}

// once lists where that is needed, then watches until the watch ends.
func (f *follower[T]) once(ctx context.Context) error {
	var w *watcher
	var err error
	if f.version == "" {
		w, err = f.list(ctx)
	}
	if err == nil && w == nil {
		w, err = f.resource.watch(ctx, watchOptions(f.version))
	}
	if err != nil {
		return err
	}
	defer w.Stop()
	return f.follow(ctx, w)
}

func watchOptions(version string) metav1.ListOptions {
	seconds := int64((watchTime + rand.N(watchTime)).Seconds())
	return metav1.ListOptions{ResourceVersion: version, TimeoutSeconds: &seconds}
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
		items, version, w, err = stream(ctx, f.small())
		// Pages are also a way around a server that fails again and again.
		if err != nil && !f.streaming.tryPages(f.resource.name, err) && (f.failures < 3 || !isAnswer(err)) {
			return nil, err
		}
	}
	if w == nil {
		mode = "paged"
		if items, version, err = f.small().list(ctx); err != nil {
			return nil, err
		}
	}
	f.metrics.lists.WithLabelValues(f.resource.name, mode).Inc()
	f.log.Debug("listed", "resource", f.resource.name, "objects", len(items), "mode", mode, "version", version)
	f.listed, f.listedAt, f.version = true, time.Now(), version
	f.sink.replace(ctx, items)
	f.position.listed(version)
	return w, nil
}

// small is the resource as lists read it.
func (f *follower[T]) small() resource[T] {
	if f.shrink == nil {
		return f.resource
	}
	return f.resource.shrunk(f.shrink)
}

// follow hands on events until the watch ends. It returns nil when the server
// closed it in the ordinary way.
func (f *follower[T]) follow(ctx context.Context, w watch.Interface) error {
	f.observer.connected()
	f.refusedSince = time.Time{}
	opened, events, bookmarks := time.Now(), 0, 0
	patience := firstBookmarkTime
	silent := time.NewTimer(patience)
	defer silent.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-silent.C:
			if f.bookmarks || bookmarks > 0 {
				f.bookmarks = false // until there are some again
				return fmt.Errorf("watch %s: nothing for %v: %w", f.resource.name, patience, errSilentWatch)
			}
		case <-f.position.relists():
			f.version = ""
			return nil
		case e, ok := <-w.ResultChan():
			switch {
			case !ok && events == 0 && time.Since(opened) < time.Second:
				return fmt.Errorf("watch %s: %w", f.resource.name, errShortWatch)
			case !ok:
				if time.Since(opened) >= goodWatch {
					f.progress()
				}
				return nil
			case e.Type == watch.Error:
				return fmt.Errorf("watch %s: %w", f.resource.name, apierrors.FromObject(e.Object))
			}
			events++
			if e.Type == watch.Bookmark {
				bookmarks++
				f.bookmarks = f.bookmarks || bookmarks > 1
				patience = bookmarkTime
			}
			f.progress()
			f.deliver(ctx, e)
			silent.Reset(patience)
		}
	}
}

// progress forgets the failures: a watch works. A list that works says little:
// where lists are allowed and watches are not, it would make us list for ever.
func (f *follower[T]) progress() {
	f.failures = 0
	f.backoff.reset()
}

func (f *follower[T]) deliver(ctx context.Context, e watch.Event) {
	if version := versionOf(e.Object); version != "" {
		f.version = version
	}
	f.observer.event()
	if e.Type != watch.Bookmark {
		v, ok := f.resource.convert(e.Object)
		switch {
		case e.Type == watch.Deleted, !ok:
			f.sink.remove(ctx, v)
		case e.Type == watch.Added, e.Type == watch.Modified:
			f.sink.set(ctx, v)
		}
	}
	f.position.reached(f.version)
}
