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
	// maxPause is the maximum delay until we find a server that is back. It can be short because a
	// cluster has few DNS servers.
	maxPause = 10 * time.Second
	// maxServerPause limits the Retry-After of a server.
	maxServerPause = time.Minute
)

// A Backoff is the delay before the next try. The zero value is ready for use.
type Backoff struct {
	failures int
}

func (b *Backoff) reset() { b.failures = 0 }

// Wait pauses after err. The first pause is zero. Later ones are random, between half and all of a
// time that doubles, and at least as long as the server requests. It reports whether ctx is still
// alive.
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
