package dnsmasq

import (
	"context"
	"net/netip"
	"syscall"
	"time"

	"github.com/kube-dns/kube-dns/pkg/dnsmasq/chaos"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

// writePause lies between two attempts to write the servers file.
const writePause = 5 * time.Second

// A check is a question to dnsmasq for the servers that it has.
type check struct {
	start  bool // after a start of dnsmasq, not after a signal
	cancel context.CancelFunc
}

// checked is the end of a check.
type checked struct {
	check *check
	outcome
}

// reload brings the servers file to what is wanted now, and signals dnsmasq.
func (s *supervisor) reload(now time.Time) {
	if due := s.roll.Due(); !s.dirty && (due.IsZero() || now.Before(due)) {
		if !due.IsZero() {
			s.wake.Reset(due.Sub(now))
		}
		return
	}
	if left := s.untilStarted(now); left > 0 {
		s.wake.Reset(left)
		return // until then, or onAnswer
	}
	if left := s.writeAt.Sub(now); left > 0 {
		s.wake.Reset(left)
		return
	}
	if left := s.tryOut(now); left > 0 {
		s.wake.Reset(left)
		return // until then, or onLoops
	}
	before, next := s.roll, s.roll.Offer(s.wanted(), s.markers(), s.left(), now)
	if !s.tell(next, now) {
		return
	}
	s.dirty = false
	s.inUse()
	if due := next.Due(); !due.IsZero() {
		s.wake.Reset(due.Sub(now))
	}
	if !before.Same(next) {
		s.begin(&check{}, upstreams.Addresses(next.Wanted), s.gone(before, next))
	} else if !s.started {
		s.begin(&check{start: true}, upstreams.Addresses(next.Wanted), nil)
	}
	s.started = true
}

// untilStarted returns how long dnsmasq may still be starting: a signal before its
// first answer would end it. After answerTime it has started, whether or not it
// can be asked.
func (s *supervisor) untilStarted(now time.Time) time.Duration {
	if s.child.ready || s.child.unasked {
		return 0
	}
	if left := answerTime - now.Sub(s.child.started); left > 0 {
		return left
	}
	s.child.unasked = true
	s.log.Warn("dnsmasq does not answer the nanny, signaling it without a check: does it listen on this address "+
		"(--interface, --except-interface, --listen-address)?", "address", s.addr, "waited", answerTime)
	return 0
}

// tell writes the servers file and signals dnsmasq, unless next is no change. It
// reports whether the file has next; if not it is tried again later.
func (s *supervisor) tell(next upstreams.Rollout, now time.Time) bool {
	if s.roll.Same(next) {
		s.roll = next
		return true
	}
	err := s.place.writeServers(next.Content)
	if err != nil {
		if s.writeAt.IsZero() {
			s.log.Error("cannot write the servers file, dnsmasq keeps its servers; trying again", "err", err)
		}
		s.writeAt = now.Add(writePause)
		s.wake.Reset(writePause)
		return false
	}
	if !s.writeAt.IsZero() {
		s.log.Info("wrote the servers file again")
	}
	s.writeAt = time.Time{}
	s.roll = next
	s.signal(syscall.SIGHUP)
	return true
}

// gone returns the servers that dnsmasq should no longer have after a change.
func (s *supervisor) gone(before, next upstreams.Rollout) []netip.AddrPort {
	if s.cmd.OwnUpstreams() {
		return nil // the arguments may have them, too
	}
	keep := map[netip.AddrPort]bool{}
	for _, a := range upstreams.Addresses(append(next.Lines(), s.cmd.Servers...)) {
		keep[a] = true
	}
	var gone []netip.AddrPort
	for _, a := range upstreams.Addresses(before.Lines()) {
		if !keep[a] {
			gone = append(gone, a)
		}
	}
	return gone
}

// begin starts a check, in the place of the one that runs.
func (s *supervisor) begin(c *check, want, gone []netip.AddrPort) {
	if s.check != nil {
		s.check.cancel()
	}
	life := s.child.ctx
	ctx, cancel := context.WithCancel(life)
	c.cancel = cancel
	s.check = c
	s.group.Go(func() error {
		defer cancel()
		query := func(ctx context.Context) ([]chaos.Server, error) { return chaos.QueryServers(ctx, s.addr) }
		send(life, s.outcomes, checked{c, verify(ctx, query, want, gone)})
		return nil
	})
}

// onOutcome ends a check. A difference is logged and counted: what dnsmasq took
// is better than what it had before.
func (s *supervisor) onOutcome(c checked) {
	if c.check != s.check {
		return // a newer one runs
	}
	s.check = nil
	result := c.result()
	if c.check.start && result == resultDifferent && c.listed == 0 {
		s.stepBack("dnsmasq did not read the servers file at its start")
		return
	}
	if !c.check.start {
		s.metrics.reloads.WithLabelValues(result).Inc()
	}
	s.metrics.differ.Set(float64(len(c.missing) + len(c.left)))
	now := joined(c.missing)
	if now == "" {
		now = joined(c.left)
	}
	switch {
	case result == resultUnconfirmed:
		s.log.Warn("cannot read dnsmasq's list of servers", "err", c.err)
	case result == resultDifferent && now != s.differ:
		s.log.Error("dnsmasq's servers differ from those it was given", "missing", c.missing, "left", c.left)
	}
	if !c.check.start && result != resultDifferent {
		s.log.Info("changed servers without a restart", "result", result, "servers", upstreams.Texts(s.roll.Wanted), "leaving", len(s.roll.Leaving))
	}
	s.differ = now
}
