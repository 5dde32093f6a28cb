package dnsmasq

import (
	"context"
	"slices"
	"syscall"
	"time"
)

// run is the nanny's main loop. It returns when ctx is done, or with an error that no restart can
// cure. dnsmasq has exited before it returns.
func (s *supervisor) run(ctx context.Context) error {
	var logTick <-chan time.Time
	if s.opts.LogInterval > 0 {
		ticker := time.NewTicker(s.opts.LogInterval)
		defer ticker.Stop()
		logTick = ticker.C
	}
	defer s.life.stop(ctx)
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case update := <-s.in.updates:
			s.in.current.Apply(update)
		case f := <-s.in.found:
			s.onFound(f)
		case list := <-s.in.resolvLists:
			s.onResolvConf(list)
		case exit := <-s.life.exit:
			s.file.check = nil
			err = s.life.onExit(ctx, exit)
		case version := <-s.life.answer:
			s.life.onAnswer(version)
		case c := <-s.file.ended:
			if s.file.onEnd(c) {
				s.stepBack("dnsmasq did not read the servers file at its start")
			}
		case report := <-s.in.loopReports:
			s.dirty = s.want.onLoops(report) || s.dirty
		case <-logTick:
			if s.life.child != nil && s.life.child.ready {
				s.life.signal(syscall.SIGUSR1)
			}
			continue
		case ping := <-s.pings:
			close(ping)
			continue
		case <-s.wake.C:
		}
		if err == nil && ctx.Err() == nil {
			err = s.act(ctx, time.Now())
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// act brings dnsmasq to the configured state, as far as possible now, and sets the timer for the
// rest.
func (s *supervisor) act(ctx context.Context, now time.Time) error {
	if !s.configured {
		return nil
	}
	if s.life.child == nil {
		return s.launchWhenDue(ctx, now)
	}
	if s.life.child.stopping || s.settling(now) {
		return nil
	}
	switch {
	case !s.dirty: // but lines can be due for removal from the servers file
	case !s.opts.Restart:
		s.note(s.args())
		s.dirty = false
	case !slices.Equal(s.args(), s.life.child.args):
		s.life.restart()
		return nil
	case !s.fileWay:
		s.inUse()
		s.dirty = false
	}
	if s.fileWay {
		if left := s.reload(now); left > 0 {
			s.wake.Reset(left)
		}
	}
	return nil
}

// launchWhenDue starts dnsmasq, unless it is too early. If servers are arguments, the first start
// waits for the look-up of their names. Later starts do not, because dnsmasq is down then.
func (s *supervisor) launchWhenDue(ctx context.Context, now time.Time) error {
	if left := s.life.startAt.Sub(now); left > 0 {
		s.wake.Reset(left)
		return nil
	}
	if s.life.reason == reasonFirst && !s.fileWay && s.want.names.waiting() && now.Before(s.namesBy) {
		s.wake.Reset(s.namesBy.Sub(now))
		return nil // until then, or onFound
	}
	s.actAt, s.dirty = time.Time{}, true
	s.writeFirst()
	if err := s.life.launch(ctx, s.args(), now); err != nil {
		return err
	}
	if s.file.place != nil {
		s.file.place.writePID(s.life.child.Pid())
	}
	setBool(s.metrics.pending, false)
	s.inUse()
	return nil
}

// writeFirst writes the servers file for a start. If it cannot be written, this dnsmasq gets its
// servers as arguments, and the next one tries again.
func (s *supervisor) writeFirst() {
	if !s.fileWay && !s.fileLater {
		return
	}
	s.useFile(true)
	s.want.list = nil // resolv.conf is part of it again
	list, markers := s.want.wanted(), s.want.markers()
	err := s.file.start(list, markers)
	if err != nil && s.file.choose(s.state) == nil {
		err = s.file.start(list, markers)
	}
	s.useFile(err == nil)
	s.fileLater = err != nil
	if err != nil {
		s.log.Warn("dnsmasq gets its servers as arguments until its next start", "err", err)
	}
}

// reload writes the wanted servers to the file, and signals dnsmasq. It returns the delay until
// there is more to do; zero or less: there is no more.
func (s *supervisor) reload(now time.Time) time.Duration {
	if due := s.file.roll.Due(); !s.dirty && (due.IsZero() || now.Before(due)) {
		return due.Sub(now)
	}
	if left := s.untilReload(now); left > 0 {
		return left
	}
	before := s.file.roll
	next := before.Offer(s.want.wanted(), s.want.markers(), s.want.dropped(before.Wanted), now)
	if left := s.file.write(next, now, s.life.signal); left > 0 {
		return left
	}
	s.dirty = false
	s.inUse()
	s.file.compare(s.life.child.ctx, before)
	return next.Due().Sub(now)
}

// untilReload returns how long a reload must wait: for dnsmasq, for the disk, or for the loop test
// of new servers.
func (s *supervisor) untilReload(now time.Time) time.Duration {
	if left := s.life.untilStarted(now); left > 0 {
		return left
	}
	if left := s.file.writeAt.Sub(now); left > 0 {
		return left
	}
	if s.want.tryOut(now) {
		marked := s.file.roll.Marked(s.want.markers())
		if left := s.file.write(marked, now, s.life.signal); left > 0 {
			return left
		}
	}
	return s.want.untested(now)
}

// note logs once that a change is not applied.
func (s *supervisor) note(args []string) {
	pending := !slices.Equal(args, s.life.child.args)
	if !pending {
		s.inUse()
	}
	setBool(s.metrics.pending, pending)
	if pending && !slices.Equal(args, s.noted) {
		s.log.Warn("the configuration changed, but dnsmasq keeps the old one: -restartDnsmasq is not set")
		s.noted = args
	}
}
