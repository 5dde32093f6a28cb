package dnsmasq

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/kube-dns/kube-dns/internal/pause"
	"github.com/kube-dns/kube-dns/internal/process"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/chaos"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

const (
	// maxDeaths within deathTime are too many: the platform's back-off is next.
	maxDeaths = 5
	deathTime = time.Minute
	// A death is followed by a start at once, unless dnsmasq lived for less than
	// shortLife: then by a pause, of deathPause times the deaths before.
	shortLife  = time.Second
	deathPause = 100 * time.Millisecond
	// firstPause lies between questions until the first answer, pollPeriod
	// between those after it.
	firstPause = 20 * time.Millisecond
	pollPeriod = 5 * time.Second
)

// Reasons of a start, as labels.
const (
	reasonFirst    = "first"
	reasonDied     = "died"
	reasonChange   = "change"   // it could not be taken at run time
	reasonFallback = "fallback" // the servers file does not work
)

// exitCodes is dnsmasq's list of exit codes.
var exitCodes = map[int]string{
	1: "bad configuration",
	2: "network, often a port that is taken",
	3: "file system",
	4: "memory",
	5: "other",
}

// exitText returns how dnsmasq ended, in words.
func exitText(exit process.Exit) string {
	if meaning := exitCodes[exit.Code]; meaning != "" {
		return fmt.Sprintf("%s (%s)", exit, meaning)
	}
	return exit.String()
}

// A child is a dnsmasq that runs.
type child struct {
	*process.Process
	args     []string
	started  time.Time
	ctx      context.Context    // its life
	cancel   context.CancelFunc // ends it
	ready    bool               // it has answered: it may be signaled
	unasked  bool               // it had time to start and has not answered: it may be signaled
	stopping bool               // its end is our wish

	exit   chan process.Exit // its end; sent once
	answer chan string       // its first answer, with its version; sent once at most
}

// exits is the channel with the child's end; nil without a child.
func (c *child) exits() <-chan process.Exit {
	if c == nil {
		return nil
	}
	return c.exit
}

// answers is the channel with the child's first answer; nil without a child.
func (c *child) answers() <-chan string {
	if c == nil {
		return nil
	}
	return c.answer
}

// launchWhenDue starts dnsmasq, unless it is too early. Where servers are
// arguments the first start waits for the look-up of their names; later ones do
// not, since there is nobody who answers meanwhile.
func (s *supervisor) launchWhenDue(ctx context.Context, now time.Time) error {
	if left := s.startAt.Sub(now); left > 0 {
		s.wake.Reset(left)
		return nil
	}
	if s.reason == reasonFirst && !s.fileWay && s.names.waiting() && now.Before(s.namesBy) {
		s.wake.Reset(s.namesBy.Sub(now))
		return nil // until then, or onFound
	}
	return s.launch(ctx, now)
}

func (s *supervisor) launch(ctx context.Context, now time.Time) error {
	s.actAt, s.check, s.started, s.dirty = time.Time{}, nil, false, true
	s.shown.reset()
	s.writeFirst()
	// The end of ctx does not end dnsmasq: stopChild does, in its own way.
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c := &child{args: s.args(), started: now, ctx: life, cancel: cancel, exit: make(chan process.Exit, 1), answer: make(chan string, 1)}
	p, err := s.reaper.Start(life, process.Options{
		Path: s.opts.Exec, Args: c.args, OnLine: func(line string) { s.onLine(life, line) },
		Env: []string{"LANGUAGE=en"}, // its messages are read, see classify
	})
	if err != nil {
		cancel()
		return fmt.Errorf("start dnsmasq: %w", err)
	}
	c.Process = p
	s.child = c
	if s.place != nil {
		s.place.writePID(p.Pid())
	}
	s.group.Go(func() error {
		c.exit <- c.Wait()
		cancel()
		return nil
	})
	s.group.Go(func() error {
		watching, stop := context.WithCancel(ctx)
		defer stop()
		defer context.AfterFunc(life, stop)()
		s.watch(watching, c.answer)
		return nil
	})
	s.metrics.starts.WithLabelValues(s.reason).Inc()
	setBool(s.metrics.pending, false)
	s.inUse()
	s.log.Info("dnsmasq started", "pid", c.Pid(), "reason", s.reason, "path", s.opts.Exec, "args", c.args)
	s.reason = reasonDied
	return nil
}

// signal sends sig to dnsmasq.
func (s *supervisor) signal(sig syscall.Signal) {
	if err := s.child.Signal(sig); err != nil {
		s.log.Error("cannot signal dnsmasq", "signal", sig.String(), "err", err)
	}
}

// restart ends dnsmasq; onExit starts the next one.
func (s *supervisor) restart() {
	if s.reason != reasonFallback {
		s.reason = reasonChange
	}
	s.log.Info("restarting dnsmasq", "reason", s.reason)
	s.child.stopping = true
	s.child.cancel()
}

// writeFirst writes the servers file for a start. When it cannot be written this
// dnsmasq gets its servers as arguments, and the next one tries again.
func (s *supervisor) writeFirst() {
	if !s.fileWay && !s.fileLater {
		return
	}
	s.fileWay, s.writeAt = true, time.Time{}
	s.list = nil // resolv.conf is part of it again
	s.roll = upstreams.Begin(s.wanted(), s.markers())
	err := s.place.writeServers(s.roll.Content)
	if err != nil && s.choosePlace() == nil {
		err = s.place.writeServers(s.roll.Content)
	}
	s.fileWay, s.fileLater = err == nil, err != nil
	setBool(s.metrics.serversFile, s.fileWay)
	if err != nil {
		s.log.Warn("dnsmasq gets its servers as arguments until its next start", "err", err)
	}
}

// stepBack gives dnsmasq its servers as arguments from now on.
func (s *supervisor) stepBack(why string) {
	s.log.Warn("dnsmasq gets its servers as arguments from now on: a change of them restarts it", "err", why)
	s.fileWay, s.check, s.dirty, s.reason = false, nil, true, reasonFallback
	setBool(s.metrics.serversFile, false)
	s.wake.Reset(0) // act restarts dnsmasq
}

// onExit decides what follows the end of dnsmasq.
func (s *supervisor) onExit(ctx context.Context, exit process.Exit) error {
	c := s.child
	s.child, s.check = nil, nil
	if exit.Left {
		s.log.Warn("processes that dnsmasq left behind do not end", "group", c.Pid())
	}
	if ctx.Err() != nil {
		s.logStopped(exit)
		return nil
	}
	setBool(s.metrics.ready, false)
	now := time.Now()
	s.status.wait("waiting for dnsmasq's first answer on "+s.addr, now)
	s.startAt = now
	if c.stopping {
		return nil
	}
	s.log.Error("dnsmasq ended", "pid", c.Pid(), "status", exitText(exit), "uptime", exit.Uptime, "output", exit.Tail)
	if code := exit.Code; !c.ready && (code == 1 || code == 3 || code == 5) {
		err := fmt.Errorf("dnsmasq does not start: %s: %s", exitText(exit), strings.Join(exit.Tail, "\n"))
		if s.cmdErr != nil {
			err = fmt.Errorf("%w\n%w", err, s.cmdErr) // dnsmasq does not name the option
		}
		return err
	}
	s.deaths = append(s.deaths, now)
	for now.Sub(s.deaths[0]) >= deathTime {
		s.deaths = s.deaths[1:]
	}
	if len(s.deaths) >= maxDeaths {
		return fmt.Errorf("dnsmasq ended %d times within %v, the last time with %s: %s",
			len(s.deaths), deathTime, exitText(exit), strings.Join(exit.Tail, "\n"))
	}
	if exit.Uptime < shortLife {
		s.startAt = now.Add(time.Duration(len(s.deaths)-1) * deathPause)
	}
	return nil
}

// stopChild lets dnsmasq finish what it has taken, ends it and waits for it.
func (s *supervisor) stopChild(ctx context.Context) {
	if s.child == nil {
		return
	}
	if s.child.ready {
		refuseLate(context.WithoutCancel(ctx), s.cmd, finishTime)
	}
	s.child.cancel()
	s.logStopped(<-s.child.exit)
}

func (s *supervisor) logStopped(exit process.Exit) {
	s.log.Info("dnsmasq stopped", "status", exitText(exit))
}

// watch asks dnsmasq about itself until ctx is done: often until the first
// answer, of whatever kind, then from time to time.
func (s *supervisor) watch(ctx context.Context, answer chan<- string) {
	version, err := chaos.QueryVersion(ctx, s.addr)
	for !chaos.IsReply(err) {
		if !pause.For(ctx, firstPause) {
			return
		}
		version, err = chaos.QueryVersion(ctx, s.addr)
	}
	answer <- version
	for pause.For(ctx, pollPeriod) {
		_, err := chaos.QueryVersion(ctx, s.addr)
		switch {
		case ctx.Err() != nil:
			return
		case !chaos.IsReply(err):
			s.status.unanswered()
			setBool(s.metrics.ready, s.status.reason(time.Now()) == "")
			continue
		}
		s.status.answered(time.Now())
		setBool(s.metrics.ready, true)
	}
}

// onAnswer notes that dnsmasq is there.
func (s *supervisor) onAnswer(version string) {
	s.child.ready = true
	s.status.answered(time.Now())
	setBool(s.metrics.ready, true)
	if version != "" {
		setOne(s.metrics.info, version)
	}
	s.log.Info("dnsmasq answers", "version", version, "address", s.addr)
}
