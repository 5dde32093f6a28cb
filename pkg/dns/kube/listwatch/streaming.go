package listwatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// A streamed list that is silent for this long will not end: the server ignores the request, or
	// something in between dropped the final bookmark.
	streamSilence = 10 * time.Second
	// The same, if changes continue to arrive after the lost bookmark.
	streamTime = time.Minute
	// streamingPause is how long lists are paged after that. Then a server that was slow once
	// streams again, and an upgraded one starts to.
	streamingPause = time.Hour
)

var (
	errStreamSilent = errors.New("the streamed list does not end")
	errStreamCut    = errors.New("the streamed list was cut off")
)

// A Streaming decides whether lists are streamed (WatchList), which servers support since version
// 1.32. It is safe for concurrent use. Nil and the zero value are off.
type Streaming struct {
	// Paused is called if the server does not stream lists, and lists are paged for an hour: class
	// is silent or refused. Nil ignores that.
	Paused func(resource, class string, err error)

	mu     sync.Mutex
	able   bool      // by the server's version
	paused time.Time // until then lists are paged
}

// IsOn reports whether the next list is streamed.
func (s *Streaming) IsOn() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.able && !time.Now().Before(s.paused)
}

// SetAble sets whether the server's version can stream lists.
func (s *Streaming) SetAble(able bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.able = able
}

// tryPages reports whether to retry a failed streamed list in pages, and pauses streaming if it
// does not work.
func (s *Streaming) tryPages(resource string, err error) bool {
	switch {
	case errors.Is(err, errStreamSilent):
		s.pause(resource, "silent", err)
		return true
	case isAboutRequest(err) && answerReason(err) != ServerError && !expired(err):
		s.pause(resource, "refused", err)
		return true
	default:
		return errors.Is(err, errStreamCut) || expired(err)
	}
}

func (s *Streaming) pause(resource, class string, err error) {
	s.mu.Lock()
	now := time.Now()
	news := s.paused.Before(now)
	if news {
		s.paused = now.Add(streamingPause)
	}
	s.mu.Unlock()
	if news && s.Paused != nil {
		s.Paused(resource, class, err)
	}
}

// stream lists a resource over a watch, one object at a time. It returns that watch, which
// continues with later changes.
func stream[T any](ctx context.Context, r Resource[T]) (items []T, version string, w *watcher, err error) {
	opts := watchOptions("")
	opts.ResourceVersionMatch = metav1.ResourceVersionMatchNotOlderThan
	opts.SendInitialEvents = new(true)
	w, err = r.watch(ctx, opts, streamSilence)
	if errors.Is(err, errUnanswered) {
		err = fmt.Errorf("watch %s: %w", r.Name, errStreamSilent)
	}
	if err != nil {
		return nil, "", nil, err
	}
	whole := time.AfterFunc(streamTime, func() { w.cancel(errStreamSilent) })
	defer whole.Stop()
	items, version, err = initialObjects(r, w)
	if err != nil {
		w.stop()
		return nil, "", nil, fmt.Errorf("watch %s: %w", r.Name, err)
	}
	return items, version, w, nil
}

// initialObjects reads up to the bookmark that ends a streamed list.
func initialObjects[T any](r Resource[T], w *watcher) (items []T, version string, err error) {
	for {
		w.expect(streamSilence, errStreamSilent)
		e, err := w.next()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil, "", fmt.Errorf("%w: %w", errStreamCut, err)
		case err != nil:
			return nil, "", err
		case e.Kind == Bookmark:
			m, err := metadataOf(e.Object)
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

// applyInitial adds an object to those of a list. A change or deletion during the list is rare.
func applyInitial[T any](r Resource[T], items []T, e Event) ([]T, error) {
	v, kept, err := r.Decode(e.Object)
	if err != nil {
		return items, err
	}
	if e.Kind != Added {
		items = slices.DeleteFunc(items, func(old T) bool { return r.Key(old) == r.Key(v) })
	}
	if kept && e.Kind != Deleted {
		items = append(items, v)
	}
	return items, nil
}
