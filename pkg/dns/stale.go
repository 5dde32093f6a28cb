package dns

import (
	"errors"
	"time"
)

// A stale zone answers in the place of one that has no data yet.
type stale struct {
	zone *Zone
	// until is when its data is too old for any answer, endpointsUntil when
	// it is for the addresses of headless Services: pod addresses are given to
	// other pods before long.
	until, endpointsUntil time.Time
}

var errTooOld = errors.New("the data of an earlier run is too old")

// ServeStale makes the zone answer from old, the data of an earlier run, until
// its own source has listed everything. Whoever asks learns of it by Status.
// Any goroutine may call it; nobody may write to old any more.
func (z *Zone) ServeStale(old *Zone, until, endpointsUntil time.Time) {
	old.MarkSynced()
	old.federations.Store(z.federations.Load())
	old.locate.Store(z.locate.Load())
	old.endpointsUntil = endpointsUntil
	z.stale.Store(&stale{zone: old, until: until, endpointsUntil: endpointsUntil})
}

// MarkPartial makes the zone answer for the names that were published before
// all data is there. It does not deny the existence of others. Any goroutine may
// call it.
func (z *Zone) MarkPartial() { z.partial.Store(true) }

// answering returns the zone to answer from: z itself, or a stale one while z
// waits for its first lists; nil while there is none.
func (z *Zone) answering() *Zone {
	if z.synced.Load() || z.partial.Load() {
		return z
	}
	if s := z.stale.Load(); s != nil && time.Now().Before(s.until) {
		return s.zone
	}
	return nil
}

// tooOld says whether the endpoints of s must not be told any more.
func (z *Zone) tooOld(s *service) bool {
	return s.headless && !z.endpointsUntil.IsZero() && time.Now().After(z.endpointsUntil)
}
