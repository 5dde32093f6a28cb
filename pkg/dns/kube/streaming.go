package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// A streamed list that brings nothing for so long will not end: the server
	// ignores what it was asked for, or something between us dropped the
	// bookmark that ends it.
	streamSilence = 10 * time.Second
	// The same, where changes go on arriving after the lost bookmark.
	streamTime = time.Minute
	// streamingPause is how long lists come in pages after that. A server that
	// was slow once streams again, and one that was upgraded begins to.
	streamingPause = time.Hour
)

var (
	errStreamSilent = errors.New("the streamed list does not end")
	errStreamCut    = errors.New("the streamed list was cut off")
)

// streaming reports whether lists are streamed (WatchList), as servers can from
// version 1.32 on. It is safe for concurrent use; nil is off.
type streaming struct {
	log     *slog.Logger
	metrics *Metrics

	mu     sync.Mutex
	able   bool      // by the server's version
	paused time.Time // until then lists come in pages
}

func (s *streaming) isOn() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.able && !time.Now().Before(s.paused)
}

func (s *streaming) setAble(able bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.able = able
}

// tryPages reports whether a list that could not be streamed is worth another try
// in pages, and pauses streaming where it does not work.
func (s *streaming) tryPages(resource string, err error) bool {
	switch {
	case errors.Is(err, errStreamSilent):
		s.pause(resource, "silent", err)
		return true
	case isAboutRequest(err) && !isServerError(err) && !expired(err):
		s.pause(resource, "refused", err)
		return true
	default:
		return errors.Is(err, errStreamCut) || expired(err)
	}
}

func (s *streaming) pause(resource, reason string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); s.paused.Before(now) {
		s.paused = now.Add(streamingPause)
		s.metrics.streamingOff.WithLabelValues(reason).Inc()
		s.log.Info("the API server does not stream lists; reading them in pages for an hour",
			"resource", resource, "reason", reason, "err", err)
	}
}

// stream lists a resource over a watch, one object at a time, and returns that
// watch, which goes on with the changes since.
func stream[T any](ctx context.Context, r resource[T]) (items []T, version string, w *watcher, err error) {
	opts := watchOptions("")
	opts.ResourceVersionMatch = metav1.ResourceVersionMatchNotOlderThan
	opts.SendInitialEvents = new(true)
	w, err = r.watch(ctx, opts, streamSilence)
	if errors.Is(err, errUnanswered) {
		err = fmt.Errorf("watch %s: %w", r.name, errStreamSilent)
	}
	if err != nil {
		return nil, "", nil, err
	}
	whole := time.AfterFunc(streamTime, func() { w.cancel(errStreamSilent) })
	defer whole.Stop()
	items, version, err = initialObjects(r, w)
	if err != nil {
		w.stop()
		return nil, "", nil, fmt.Errorf("watch %s: %w", r.name, err)
	}
	return items, version, w, nil
}

// initialObjects reads up to the bookmark that ends a streamed list.
func initialObjects[T any](r resource[T], w *watcher) (items []T, version string, err error) {
	for {
		w.expect(streamSilence, errStreamSilent)
		e, err := w.next()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil, "", fmt.Errorf("%w: %w", errStreamCut, err)
		case err != nil:
			return nil, "", err
		case e.kind == bookmark:
			m, err := metadataOf(e.object)
			if err != nil {
				return nil, "", err
			}
			if m.Annotations[metav1.InitialEventsAnnotationKey] == "true" {
				return items, m.ResourceVersion, nil
			}
			continue
		}
		if items, err = applyInitial(r, items, e); err != nil {
			return nil, "", err
		}
	}
}

// applyInitial adds an object to those of a list. That it was there before, or
// goes away, happens while the list is under way, but rarely.
func applyInitial[T any](r resource[T], items []T, e event) ([]T, error) {
	v, kept, err := r.decode(e.object)
	if err != nil {
		return items, err
	}
	if e.kind != added {
		items = slices.DeleteFunc(items, func(old T) bool { return r.key(old) == r.key(v) })
	}
	if kept && e.kind != deleted {
		items = append(items, v)
	}
	return items, nil
}
