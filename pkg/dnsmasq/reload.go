package dnsmasq

import (
	"context"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// refusedRollback is the label of changes that were taken back.
const refusedRollback = "rolled_back"

// A check is a change of servers that dnsmasq has been told and that is not
// confirmed yet.
type check struct {
	start        bool    // what dnsmasq read when it started
	before, next rollout // what the servers file had and has
	cancel       context.CancelFunc
}

// checked is the end of a check.
type checked struct {
	check *check
	outcome
}

// reload brings the servers file to what is wanted now, and tells dnsmasq.
func (s *supervisor) reload(now time.Time) {
	if s.check != nil {
		return // one at a time; onOutcome comes back here
	}
	next := s.roll.avoiding(s.disabled.loops()).offer(s.servers(), now)
	if due := next.due(); !due.IsZero() {
		s.wake.Reset(due.Sub(now))
	}
	if s.roll.same(next) {
		s.roll = next
		return
	}
	if !s.child.ready {
		if left := answerTime - now.Sub(s.child.started); left > 0 {
			s.wake.Reset(left)
			return // until onAnswer
		}
		s.restart()
		return
	}
	before := s.roll
	if !s.tell(next) {
		return
	}
	own := s.own(addresses(next.lines))
	s.begin(&check{before: before, next: next}, without(addresses(next.wanted), own), without(before.added(next), own))
}

// tell writes the servers file and makes dnsmasq read it.
func (s *supervisor) tell(next rollout) bool {
	s.forgetAlarms()
	if err := s.place.writeServers(next.content); err != nil {
		s.stepBack(err.Error())
		return false
	}
	s.roll = next
	s.disabled.reset(s.metrics)
	s.child.Signal(syscall.SIGHUP)
	return true
}

// forgetAlarms drops a complaint about an older file.
func (s *supervisor) forgetAlarms() {
	select {
	case <-s.alarms:
	default:
	}
}

// checkStart makes sure that a dnsmasq that has just started has its servers: at
// least one of the default ones, or of all where none is rendered.
func (s *supervisor) checkStart() {
	want := addresses(s.roll.wanted)
	own := s.own(want)
	fresh := without(addresses(defaults(s.roll.wanted)), own)
	if len(fresh) == 0 {
		fresh = without(want, own)
	}
	s.begin(&check{start: true, next: s.roll}, without(want, own), fresh)
}

// begin starts a check.
func (s *supervisor) begin(c *check, want, fresh []netip.AddrPort) {
	life := s.child.ctx
	ctx, cancel := context.WithCancel(life)
	c.cancel = cancel
	s.check = c
	s.group.Go(func() error {
		defer cancel()
		query := func(ctx context.Context) ([]ServerStats, error) { return QueryServers(ctx, s.addr) }
		send(life, s.outcomes, checked{c, verify(ctx, query, want, fresh)})
		return nil
	})
}

// onOutcome ends a check.
func (s *supervisor) onOutcome(c checked) {
	if c.check != s.check {
		return // overtaken by an alarm or a restart
	}
	s.check = nil
	if c.servers != nil {
		s.metrics.count(nil, s.tally.rebase(c.servers))
	}
	switch {
	case c.check.start && c.verdict == absent:
		s.stepBack("dnsmasq did not take the servers file at its start")
		return
	case c.verdict == absent:
		s.rollBack(c.check, "dnsmasq has none of the new servers after 2 s")
		return
	case c.verdict == unconfirmed:
		s.log.Warn("it cannot be told whether dnsmasq has all servers", "missing", c.missing, "err", c.err)
	}
	if !c.check.start {
		s.metrics.refused.DeleteLabelValues(refusedRollback)
		s.metrics.reloads.WithLabelValues(c.verdict.String()).Inc()
		s.log.Info("servers changed without a restart", "result", c.verdict.String(), "servers", texts(c.check.next.lines))
	}
	replace(s.loopLists, addresses(defaults(s.roll.wanted)))
}

// onAlarm acts on dnsmasq's complaint about the servers file.
func (s *supervisor) onAlarm() {
	c := s.check
	switch {
	case c == nil:
		s.log.Error("dnsmasq complains about its servers file", "file", s.place.serversPath())
	case c.start:
		c.cancel()
		s.stepBack("dnsmasq complained about the servers file at its start")
	default:
		c.cancel()
		s.rollBack(c, "dnsmasq complained about the servers file")
	}
}

// rollBack gives dnsmasq the servers it had before, once. The new ones are not
// tried again until they change.
func (s *supervisor) rollBack(c *check, why string) {
	s.check = nil
	s.metrics.reloads.WithLabelValues(refusedRollback).Inc()
	s.metrics.refused.WithLabelValues(refusedRollback).Set(1)
	s.tell(c.before.refuse(c.next))
	s.log.Error("new servers taken back", "reason", why, "servers", texts(c.next.wanted))
}

// own returns which of addrs dnsmasq will leave out, because they are itself.
func (s *supervisor) own(addrs []netip.AddrPort) map[netip.AddrPort]bool {
	own, err := ownAddrs(addrs, s.cmd.Port)
	if err != nil {
		s.log.Warn("dnsmasq's own addresses are not known", "err", err)
	}
	return own
}

// without returns addrs less those in own.
func without(addrs []netip.AddrPort, own map[netip.AddrPort]bool) []netip.AddrPort {
	return slices.DeleteFunc(slices.Clone(addrs), func(a netip.AddrPort) bool { return own[a] })
}
