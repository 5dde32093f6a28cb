package listwatch

import (
	"context"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kube-dns/kube-dns/internal/pause"
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
	var delay time.Duration
	if b.failures > 0 {
		longest := min(firstPause<<min(b.failures-1, 5), maxPause)
		delay = longest/2 + rand.N(longest/2)
	}
	b.failures++
	if seconds, ok := apierrors.SuggestsClientDelay(err); ok {
		delay = max(delay, min(time.Duration(seconds)*time.Second, maxServerPause))
	}
	return pause.For(ctx, delay)
}
