package dnsmasq

import (
	"fmt"
	"sync"
	"time"
)

// silentPolls is the number of questions in a row that dnsmasq may leave
// unanswered before it counts as not ready: one may get lost.
const silentPolls = 3

// A status has whether dnsmasq answers. It is safe for concurrent use.
type status struct {
	results *results

	mu     sync.Mutex
	why    string    // what is being waited for; empty: it answers
	since  time.Time // since when why holds, or of the last answer
	silent int       // questions without an answer since then
	shown  State
}

// wait notes that something has to happen first.
func (s *status) wait(why string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.why, s.since, s.silent = why, now, 0
}

// answered notes that dnsmasq has answered.
func (s *status) answered(now time.Time) { s.wait("", now) }

// unanswered notes that dnsmasq has left a question unanswered.
func (s *status) unanswered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent++
}

// reason returns why dnsmasq is not ready at time now; empty when it is.
func (s *status) reason(now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	age := now.Sub(s.since).Round(time.Second)
	switch {
	case s.why != "":
		return fmt.Sprintf("%s (for %v)", s.why, age)
	case s.silent >= silentPolls:
		return fmt.Sprintf("dnsmasq has not answered for %v", age)
	}
	return ""
}

// state returns what was shown last, with the servers that fail now.
func (s *status) state() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	is := s.shown
	is.Failing = s.results.failing()
	return is
}

// refuse notes why a configuration is not used; empty: the one read last is.
func (s *status) refuse(why string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shown.Refused == "" {
		s.shown.RefusedSince = now
	}
	s.shown.Refused = why
}

// show replaces the rest of the state.
func (s *status) show(is State, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	is.Refused, is.RefusedSince, is.Since = s.shown.Refused, s.shown.RefusedSince, s.shown.Since
	if is.Since.IsZero() || is.Version != s.shown.Version || is.Source != s.shown.Source {
		is.Since = now
	}
	s.shown = is
}
