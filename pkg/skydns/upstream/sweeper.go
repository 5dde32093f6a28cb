package upstream

import "time"

// sweepStep is how often pending queries are looked at.
const sweepStep = 25 * time.Millisecond

// A sweeper calls sweep often while queries are pending, and seldom while sockets are
// open. The lock of its mux guards it.
type sweeper struct {
	sweep func()
	timer *time.Timer // nil: no socket is open and no query is pending
	idle  bool        // the timer fires seldom
}

// wake starts the timer where there is work.
func (s *sweeper) wake(pending, open bool) {
	switch {
	case pending && (s.timer == nil || s.idle):
		s.stop()
		s.idle = false
		s.timer = time.AfterFunc(sweepStep, s.sweep)
	case open && s.timer == nil:
		s.idle = true
		s.timer = time.AfterFunc(maxLinkAge/10, s.sweep)
	}
}

// rearm is wake after the timer has fired.
func (s *sweeper) rearm(pending, open bool) {
	s.timer = nil
	s.wake(pending, open)
}

func (s *sweeper) stop() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}
