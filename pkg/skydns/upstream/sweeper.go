package upstream

import "time"

// sweepStep is the time between two sweeps while queries are pending.
const sweepStep = 25 * time.Millisecond

// A sweeper calls sweep when it has to look at queries and sockets. The lock of its mux
// guards it.
type sweeper struct {
	sweep func()
	timer *time.Timer
	step  time.Duration // until the timer fires; 0: it does not
}

// wake has sweep called after step, or sooner.
func (s *sweeper) wake(step time.Duration) {
	switch {
	case s.step != 0 && s.step <= step:
		return
	case s.timer == nil:
		s.timer = time.AfterFunc(step, s.sweep)
	default:
		s.timer.Reset(step)
	}
	s.step = step
}

func (s *sweeper) stop() {
	s.step = 0
	if s.timer != nil {
		s.timer.Stop()
	}
}
