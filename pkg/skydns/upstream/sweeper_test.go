package upstream

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A sweeper fires at the earliest due time, at most once per sweepStep.
func TestSweeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var mu sync.Mutex
		var fired []time.Duration
		s := &sweeper{}
		s.sweep = func() {
			mu.Lock()
			defer mu.Unlock()
			s.stop()
			fired = append(fired, time.Since(begin))
		}
		locked := func(f func(now time.Time)) {
			mu.Lock()
			f(time.Now())
			mu.Unlock()
			time.Sleep(time.Minute)
		}
		locked(func(now time.Time) {
			for _, due := range []time.Duration{time.Second, 300 * time.Millisecond, 2 * time.Second} {
				s.wake(now.Add(due), now)
			}
		})
		locked(func(now time.Time) { s.wake(begin, now) })
		locked(func(now time.Time) {
			s.wake(now.Add(time.Second), now)
			s.stop()
		})
		mu.Lock()
		defer mu.Unlock()
		want := []time.Duration{300 * time.Millisecond, time.Minute + sweepStep}
		if len(fired) != 2 || fired[0] != want[0] || fired[1] != want[1] {
			t.Errorf("fired after %v, want %v", fired, want)
		}
	})
}
