package listwatch

import (
	"context"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

const (
	firstPause = 500 * time.Millisecond
	// maxPause is how much later than possible we may find a server that came
	// back. It can be short because there are few DNS servers in a cluster.
	maxPause = 10 * time.Second
	// maxServerPause bounds what a server may ask for with Retry-After.
	maxServerPause = time.Minute
)

// A Backoff is how long to wait before the next try. The zero value is ready for
// use.
type Backoff struct {
	failures int
}

func (b *Backoff) reset() { b.failures = 0 }

// Wait pauses after err: the first time not at all, then between a half and the
// whole of a time that doubles, and at least as long as the server asks for. It
// reports whether ctx is still alive.
func (b *Backoff) Wait(ctx context.Context, err error) bool {
	pause := b.next()
	if seconds, ok := apierrors.SuggestsClientDelay(err); ok {
		pause = max(pause, min(time.Duration(seconds)*time.Second, maxServerPause))
	}
	if pause == 0 {
		return ctx.Err() == nil
	}
	return Sleep(ctx, pause)
}

func (b *Backoff) next() time.Duration {
	b.failures++
	if b.failures == 1 {
		return 0
	}
	pause := maxPause
	if doubled := b.failures - 2; doubled < 5 {
		pause = min(firstPause<<doubled, maxPause)
	}
	return pause/2 + rand.N(pause/2)
}

// Sleep waits for d. It reports false when ctx is done before.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
