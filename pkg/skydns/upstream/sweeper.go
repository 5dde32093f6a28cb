package upstream

import "time"

// sweepStep is the minimum time between two sweeps.
const sweepStep = 25 * time.Millisecond

// A sweeper calls sweep when something is due. A reply usually arrives before that, so a query
// costs no call. The lock of its mux guards it.
type sweeper struct {
	sweep func()
	timer *time.Timer
	at    time.Time // when the timer fires; zero: it does not
}

// wake schedules a sweep for when something is due, at most sweepStep later.
func (s *sweeper) wake(due, now time.Time) {
	if soonest := now.Add(sweepStep); due.Before(soonest) {
		due = soonest
	}
	if !s.at.IsZero() && !due.Before(s.at) {
		return
	}
	s.at = due
	if s.timer == nil {
		s.timer = time.AfterFunc(due.Sub(now), s.sweep)
		return
	}
	s.timer.Reset(due.Sub(now))
}

// watch schedules a sweep for when something is due for a pending query.
func (s *sweeper) watch(p *pending, now time.Time) {
	if !p.over {
		s.wake(p.due(), now)
	}
}

func (s *sweeper) stop() {
	s.at = time.Time{}
	if s.timer != nil {
		s.timer.Stop()
	}
}
