// Package pause waits for a duration, or until a context is done.
package pause

import (
	"context"
	"time"
)

// For waits for d and returns true, or false as soon as ctx is done. A pause of zero
// or less only checks ctx.
func For(ctx context.Context, d time.Duration) bool {
	if d <= 0 || ctx.Err() != nil {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
