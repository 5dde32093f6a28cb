package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
)

const (
	// A streamed list that brings nothing for so long will not end: the server
	// ignores what it was asked for, or something between us dropped the
	// bookmark that ends it.
	streamSilence = 10 * time.Second
	// The same, where changes go on arriving after the lost bookmark.
	streamTime = time.Minute
)

var (
	errStreamSilent = errors.New("the streamed list does not end")
	errStreamCut    = errors.New("the streamed list was cut off")
)

// streaming says whether the server can stream its lists (WatchList), which it
// does from version 1.32 on. It goes off at most once, for the life of the
// process. It is safe for concurrent use; nil is off.
type streaming struct {
	on      atomic.Bool
	log     *slog.Logger
	metrics *Metrics
}

func (s *streaming) isOn() bool { return s != nil && s.on.Load() }

// tryPages says whether a list that could not be streamed is worth another try
// in pages, and whether that is so from now on.
func (s *streaming) tryPages(resource string, err error) bool {
	switch {
	case errors.Is(err, errStreamSilent):
		s.turnOff(resource, "silent", err)
		return true
	case isAboutRequest(err) && !isServerError(err) && !expired(err):
		s.turnOff(resource, "refused", err)
		return true
	default:
		return errors.Is(err, errStreamCut) || expired(err)
	}
}

func (s *streaming) turnOff(resource, reason string, err error) {
	if s.on.Swap(false) {
		s.metrics.streamingOff.WithLabelValues(reason).Inc()
		s.log.Info("the API server does not stream lists; reading them in pages from now on",
			"resource", resource, "reason", reason, "err", err)
	}
}

// stream lists a resource over a watch, one object at a time, and returns that
// watch, which goes on with the changes since.
func stream[T any](ctx context.Context, r resource[T]) (items []T, version string, w *watcher, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	silence := time.AfterFunc(streamSilence, func() { cancel(errStreamSilent) })
	whole := time.AfterFunc(streamTime, func() { cancel(errStreamSilent) })
	defer silence.Stop()
	defer whole.Stop()

	opts := watchOptions("")
	opts.ResourceVersionMatch = metav1.ResourceVersionMatchNotOlderThan
	all := true
	opts.SendInitialEvents = &all
	w, err = r.watch(ctx, opts)
	if err == nil {
		stop := w.cancel
		w.cancel = func() { stop(); cancel(nil) }
		items, version, err = initialObjects(ctx, r, w, silence)
	}
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, errStreamSilent) {
			err = fmt.Errorf("watch %s: %w", r.name, cause)
		}
		if w != nil {
			w.Stop()
		}
		cancel(nil)
		return nil, "", nil, err
	}
	return items, version, w, nil
}

// initialObjects reads up to the bookmark that ends a streamed list.
func initialObjects[T any](ctx context.Context, r resource[T], w *watcher, silence *time.Timer) (items []T, version string, err error) {
	for {
		select {
		case <-ctx.Done():
			return nil, "", ctx.Err()
		case e, ok := <-w.ResultChan():
			if !ok {
				return nil, "", fmt.Errorf("watch %s: %w", r.name, errStreamCut)
			}
			silence.Reset(streamSilence)
			if e.Type == watch.Error {
				return nil, "", fmt.Errorf("watch %s: %w", r.name, apierrors.FromObject(e.Object))
			}
			if e.Type == watch.Bookmark && endsList(e.Object) {
				return items, versionOf(e.Object), nil
			}
			items = applyInitial(r, items, e)
		}
	}
}

// applyInitial adds an object to those of a list. That it was there before, or
// goes away, happens while the list is under way, but rarely.
func applyInitial[T any](r resource[T], items []T, e watch.Event) []T {
	if e.Type == watch.Bookmark {
		return items
	}
	v, ok := r.convert(e.Object)
	if e.Type != watch.Added {
		items = slices.DeleteFunc(items, func(old T) bool { return r.key(old) == r.key(v) })
	}
	if ok && e.Type != watch.Deleted {
		items = append(items, v)
	}
	return items
}

func endsList(bookmark kruntime.Object) bool {
	m, err := meta.Accessor(bookmark)
	return err == nil && m.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true"
}
