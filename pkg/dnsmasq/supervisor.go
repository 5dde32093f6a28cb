package dnsmasq

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/pkg/config"
)

const (
	// settleTime is how long a change waits for others, so that they are taken
	// as one.
	settleTime = 200 * time.Millisecond
	// answerTime is how long a change waits for dnsmasq's first answer. After
	// that dnsmasq is restarted with it: it must not be signalled.
	answerTime = 30 * time.Second
)

// A supervisor is a running Nanny. All its state belongs to the goroutine of
// run, which gets what happens through channels.
type supervisor struct {
	opts    Options
	log     *slog.Logger
	metrics *Metrics
	status  *status
	group   *errgroup.Group // of Nanny.Run: for goroutines that serve run
	pings   <-chan chan struct{}

	// Fixed when it is made.
	cmd      CommandLine
	addr     string    // where dnsmasq answers
	state    *stateDir // of the last good configuration; nil: none
	place    *stateDir // of the servers file; may be state; nil: none
	resolver Resolver
	loops    *loopTest
	reaper   reaper
	added    []string // options beside the servers file
	disabled disabledServers
	tally    tally

	updates     chan config.Update       // from Options.Config
	hosts       chan []string            // to followNames
	found       chan map[string]finding  // from followNames
	resolvLists chan []config.Nameserver // from resolvConf.follow
	loopLists   chan []netip.AddrPort    // to loops.run
	outcomes    chan checked             // from verify
	alarms      chan struct{}            // from onLine

	// fileWay: dnsmasq reads its servers from a file and again when it is told
	// to. If not they are arguments, and a change of them needs a restart.
	fileWay    bool
	configured bool // cfg is set
	cfg        config.Config
	names      names
	resolvConf resolvConf
	resolv     []config.Nameserver // its last list
	changed    time.Time           // of the first change not looked at yet
	child      *child              // nil: to be started at startAt
	startAt    time.Time
	reason     string // of the next start, for the metric
	deaths     []time.Time
	roll       rollout
	check      *check
	noted      []string // arguments that were noted and not used
	wake       *time.Timer
}

func newSupervisor(ctx context.Context, n *Nanny, group *errgroup.Group) *supervisor {
	cmd, cmdErr := ReadCommandLine(n.opts.Args)
	target, _ := netip.ParseAddrPort(n.opts.KubeDNS) // a host name is nobody's target
	s := &supervisor{
		opts: n.opts, log: n.opts.Log, metrics: n.opts.Metrics, status: &n.status, group: group, pings: n.pings,
		cmd: cmd, addr: cmd.QueryAddr().String(),
		resolver:    Resolver{KubeDNS: n.opts.KubeDNS, Zones: cmd.Zones(target)},
		loops:       newLoopTest(n.opts.ClusterDNS, n.opts.Metrics, n.opts.Log),
		updates:     make(chan config.Update),
		hosts:       make(chan []string, 1),
		found:       make(chan map[string]finding),
		resolvLists: make(chan []config.Nameserver),
		loopLists:   make(chan []netip.AddrPort, 1),
		outcomes:    make(chan checked),
		alarms:      make(chan struct{}, 1),
		names:       names{},
		resolvConf:  resolvConf{paths: cmd.ResolvFiles},
		reason:      reasonFirst,
		wake:        time.NewTimer(0),
	}
	var err error
	if s.state, err = openStateDir(s.opts.StateDir, cmd.Port); err != nil {
		s.log.Warn("the last good configuration cannot be kept", "err", fmt.Errorf("no state directory: %w", err))
	}
	s.chooseWay(ctx, cmdErr)
	if !cmd.Foreground {
		s.log.Warn("dnsmasq's arguments have neither -k nor --keep-in-foreground: it will leave and look as if it had ended")
	}
	return s
}

// chooseWay decides how dnsmasq gets its servers.
func (s *supervisor) chooseWay(ctx context.Context, cmdErr error) {
	if s.opts.Restart {
		if why := s.fileProblem(cmdErr); why != "" {
			s.log.Warn("dnsmasq gets its servers as arguments: a change of them restarts it", "reason", why)
		} else {
			s.fileWay = true
			s.addOptions(ctx)
		}
	}
	setBool(s.metrics.serversFile, s.fileWay)
	if s.followsResolvConf() {
		list, _, err := s.resolvConf.read()
		if err != nil {
			s.log.Warn("no nameservers from resolv.conf", "err", err)
		}
		s.resolv = list
	}
}

// addOptions decides which options dnsmasq gets beside the servers file.
func (s *supervisor) addOptions(ctx context.Context) {
	help, err := readHelp(ctx, s.opts.Exec)
	if err != nil {
		s.log.Warn("dnsmasq does not tell its options: only old ones are added", "err", err)
	}
	if s.added = addedOptions(s.cmd, help); len(s.added) > 0 {
		s.log.Info("adding options that dnsmasq's arguments do not set", "options", s.added)
	}
}

// retries reports whether dnsmasq sends queries again by itself, to any server
// of the domain.
func (s *supervisor) retries() bool {
	return !s.cmd.StrictOrder && (s.cmd.FastRetry || slices.Contains(s.added, optFastRetry))
}

// fileProblem says why the servers file cannot be used; empty when it can, and
// then its directory is chosen.
func (s *supervisor) fileProblem(cmdErr error) string {
	switch {
	case cmdErr != nil:
		return cmdErr.Error()
	case s.cmd.Unread != "":
		return "dnsmasq's configuration cannot be read in advance: " + s.cmd.Unread
	case s.cmd.ServersFile != "":
		return "dnsmasq's configuration has a --servers-file already: " + s.cmd.ServersFile
	case s.cmd.Port == 0:
		return "dnsmasq's DNS service is off: --port=0"
	}
	if err := s.choosePlace(); err != nil {
		return err.Error() + "; set -stateDir to a directory that dnsmasq can use"
	}
	return ""
}

// choosePlace chooses the directory of the servers file.
func (s *supervisor) choosePlace() error {
	memory := cmp.Or(s.opts.MemoryDir, defaultMemoryDir)
	place, why := openServersDir(memory, s.cmd.Port, s.cmd.User, s.state)
	switch {
	case place == nil:
		return fmt.Errorf("no directory for the servers file: %w, and no state directory", why)
	case why != nil:
		if err := place.usableBy(s.cmd.User); err != nil {
			return fmt.Errorf("no directory for the servers file: %w, %w", why, err)
		}
		s.log.Info("dnsmasq's servers file is in the state directory", "path", place.serversPath(), "reason", why)
	default:
		s.log.Info("dnsmasq's servers file is in memory", "path", place.serversPath())
	}
	s.place = place
	return nil
}

// followsResolvConf reports whether resolv.conf is read here and not by dnsmasq.
func (s *supervisor) followsResolvConf() bool { return s.fileWay && !s.cmd.OwnUpstreams() }

func (s *supervisor) close() {
	s.wake.Stop()
	if s.place != nil && s.place != s.state {
		s.place.close()
	}
	if s.state != nil {
		s.state.close()
	}
}

// run is the nanny's life. It ends with ctx, or with an error that no restart
// can cure; dnsmasq has ended before it returns.
func (s *supervisor) run(ctx context.Context) error {
	var logTick <-chan time.Time
	if s.opts.LogInterval > 0 {
		ticker := time.NewTicker(s.opts.LogInterval)
		defer ticker.Stop()
		logTick = ticker.C
	}
	defer s.stopChild(ctx)
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case update := <-s.updates:
			s.onUpdate(update)
		case findings := <-s.found:
			s.onFound(findings)
		case list := <-s.resolvLists:
			s.onResolvConf(list)
		case exit := <-s.child.exits():
			err = s.onExit(ctx, exit)
		case version := <-s.child.answers():
			s.onAnswer(version)
		case c := <-s.outcomes:
			s.onOutcome(c)
		case <-s.alarms:
			s.onAlarm()
		case <-logTick:
			s.onLogTick()
		case ping := <-s.pings:
			close(ping)
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

// act brings dnsmasq to where the configuration wants it, as far as it can be
// done now, and sets the timer for the rest.
func (s *supervisor) act(ctx context.Context, now time.Time) error {
	if !s.configured {
		return nil
	}
	if s.child == nil {
		return s.launchWhenDue(ctx, now)
	}
	if s.child.stopping || s.settling(now) {
		return nil
	}
	args := s.args()
	switch {
	case !s.opts.Restart:
		s.note(args)
	case !slices.Equal(args, s.child.args):
		s.restart()
	case s.fileWay:
		s.reload(now)
	}
	return nil
}

// settling reports whether a change is too young to be acted on, or waits for
// the first look-up of a name.
func (s *supervisor) settling(now time.Time) bool {
	if s.changed.IsZero() {
		return false
	}
	if s.names.waiting() {
		return true // until onFound
	}
	if left := settleTime - now.Sub(s.changed); left > 0 {
		s.wake.Reset(left)
		return true
	}
	s.changed = time.Time{}
	return false
}

// servers returns the servers that dnsmasq should have.
func (s *supervisor) servers() []Server {
	cfg := s.cfg
	if len(cfg.Upstreams) == 0 && s.followsResolvConf() {
		cfg.Upstreams = s.resolv
	}
	return Servers(cfg, s.names.lookup)
}

// args returns the arguments that dnsmasq should run with.
func (s *supervisor) args() []string {
	if s.fileWay {
		return fileArgs(s.cmd, s.place.serversPath(), s.loops.record(), s.added, len(s.cfg.Upstreams) > 0)
	}
	return Args(s.cmd.Args, s.cfg, s.names.lookup)
}

// note says that a change is not taken, once.
func (s *supervisor) note(args []string) {
	pending := !slices.Equal(args, s.child.args)
	setBool(s.metrics.pending, pending)
	if pending && !slices.Equal(args, s.noted) {
		s.log.Warn("the configuration changed, but dnsmasq goes on with the old one: -restartDnsmasq is not set")
		s.noted = args
	}
}

func (s *supervisor) onLogTick() {
	if s.child != nil && s.child.ready {
		s.child.Signal(syscall.SIGUSR1)
	}
}
