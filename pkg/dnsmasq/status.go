package dnsmasq

import (
	"fmt"
	"sync"
	"time"
)

// silentPolls is the number of unanswered queries in a row after which dnsmasq counts as not ready:
// one can get lost.
const silentPolls = 3

// A status reports whether dnsmasq replies. It is safe for concurrent use.
type status struct {
	results *results

	mu     sync.Mutex
	why    string    // what it waits for; empty: dnsmasq replies
	since  time.Time // since when why holds, or of the last reply
	silent int       // queries without a reply since then
	shown  State
}

// wait notes that dnsmasq is not ready yet.
func (s *status) wait(why string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.why, s.since, s.silent = why, now, 0
}

// answered notes a reply of dnsmasq.
func (s *status) answered(now time.Time) { s.wait("", now) }

// unanswered notes a query without a reply.
func (s *status) unanswered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent++
}

// reason returns why dnsmasq is not ready at time now; empty if it is.
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

// state returns the last state, with the servers that fail now.
func (s *status) state() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	is := s.shown
	is.Failing = s.results.failing()
	return is
}

// refuse notes why a configuration is not used; empty: the last one read is.
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
