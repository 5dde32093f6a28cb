package dnsmasq

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/internal/cgroup"
	"github.com/kube-dns/kube-dns/internal/process"
	"github.com/kube-dns/kube-dns/pkg/config"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/cmdline"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

const (
	// settleTime is how long a change waits for others, so that they are taken
	// as one.
	settleTime = 200 * time.Millisecond
	// answerTime is how long a change waits for dnsmasq's first answer. A signal
	// before dnsmasq is ready for it would end dnsmasq.
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
	cmd      cmdline.Line
	cmdErr   error     // what dnsmasq will not understand of its arguments
	addr     string    // where dnsmasq answers
	state    *stateDir // of the last good configuration; nil: none
	place    *stateDir // of the servers file; may be state; nil: none
	resolver Resolver
	loops    *loopTest // nil: servers are not tested
	reaper   process.Reaper
	added    []string // options beside the servers file
	shown    shownLines

	updates     chan config.Update       // from Options.Config
	hosts       chan []string            // to followNames
	found       chan map[string]finding  // from followNames
	resolvLists chan []config.Nameserver // from resolvConf.follow
	loopLists   chan loopList            // to loops.run
	loopReports chan loopReport          // from loops.run
	outcomes    chan checked             // from verify

	// fileWay: dnsmasq reads its servers from a file, and again at a signal. If
	// not they are arguments, and a change of them needs a restart. fileLater:
	// the file could not be written; the next start tries again.
	fileWay    bool
	fileLater  bool
	configured bool // cfg is set
	current    *config.Current
	cfg        config.Config
	version    string // of cfg
	source     string // of cfg
	names      names
	resolvConf resolvConf
	resolv     []config.Nameserver         // its last list
	list       []upstreams.Server          // of servers; nil: to be made
	unusable   map[upstreams.Server]string // left out of list, and why
	dirty      bool                        // the servers file may be another than wanted
	actAt      time.Time                   // when changes are looked at; zero: there are none
	namesBy    time.Time                   // until then the first start waits for names
	writeAt    time.Time                   // of the next attempt to write the servers file
	child      *child                      // nil: to be started at startAt
	lastGood   *config.LastGood            // nil: none is kept
	startAt    time.Time
	reason     string // of the next start, for the metric
	deaths     []time.Time
	started    bool // the servers of this child were checked once
	roll       upstreams.Rollout
	check      *check
	differ     string                    // the difference that was logged last
	tried      map[upstreams.Server]bool // given to the loop test
	trial      int                       // id of the list given last
	trialEnd   time.Time                 // until then new servers wait for the test; zero: none do
	looping    map[upstreams.Server]bool
	noted      []string // arguments that were noted and not used
	wake       *time.Timer
}

func newSupervisor(ctx context.Context, n *Nanny, group *errgroup.Group) *supervisor {
	args, differences := cmdline.Usable(n.opts.Args)
	cmd, cmdErr := cmdline.Read(args)
	target, _ := netip.ParseAddrPort(n.opts.KubeDNS) // a host name is nobody's target
	s := &supervisor{
		opts: n.opts, log: n.opts.Log, metrics: n.opts.Metrics, status: &n.status, group: group, pings: n.pings,
		cmd: cmd, cmdErr: cmdErr, addr: cmd.QueryAddr(localAddrs()).String(),
		resolver:    Resolver{KubeDNS: n.opts.KubeDNS, Zones: cmd.Zones(target)},
		updates:     make(chan config.Update),
		hosts:       make(chan []string, 1),
		found:       make(chan map[string]finding),
		resolvLists: make(chan []config.Nameserver),
		loopLists:   make(chan loopList, 1),
		loopReports: make(chan loopReport),
		outcomes:    make(chan checked),
		names:       names{},
		resolvConf:  resolvConf{paths: cmd.ResolvFiles},
		reason:      reasonFirst,
		wake:        time.NewTimer(0),
	}
	var err error
	s.state, err = openStateDir(s.opts.StateDir, cmd.Port)
	switch {
	case err != nil:
		s.log.Warn("cannot keep the last good configuration", "err", fmt.Errorf("no state directory: %w", err))
	case s.opts.ConfigName != "":
		s.lastGood = config.NewLastGood(s.state.lastGoodPath(), s.opts.ConfigName, s.log)
	}
	s.current = config.NewCurrent(config.CurrentOptions{
		Zone: s.resolver.Zones[0], LastGood: s.lastGood, Use: s.use, Refused: s.refuse, Log: s.log,
	})
	s.chooseWay(ctx, cmdErr)
	for _, difference := range differences {
		s.log.Info(difference)
	}
	return s
}

// localAddrs returns the addresses of this machine, without those of a link only;
// none when they cannot be read.
func localAddrs() []cmdline.LocalAddr {
	var list []cmdline.LocalAddr
	interfaces, _ := net.Interfaces()
	for _, i := range interfaces {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil && !prefix.Addr().IsLinkLocalUnicast() {
				list = append(list, cmdline.LocalAddr{Interface: i.Name, Addr: prefix.Addr()})
			}
		}
	}
	return list
}

// chooseWay decides how dnsmasq gets its servers.
func (s *supervisor) chooseWay(ctx context.Context, cmdErr error) {
	if !s.opts.Restart {
		s.log.Info("-restartDnsmasq is not set: adding no limits to dnsmasq's arguments, testing for no loops, " +
			"and only noting changes of the configuration")
	} else if why := s.fileProblem(cmdErr); why != "" {
		s.log.Warn("dnsmasq gets its servers as arguments: a change of them restarts it", "err", why)
	} else {
		s.fileWay = true
		s.addOptions(ctx)
		s.openLoopTest()
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
		s.log.Warn("cannot read dnsmasq's list of options, adding only old ones", "err", err)
	}
	memory, file, _ := cgroup.MemoryLimit(cgroup.Root)
	if s.added = cmdline.Added(s.cmd, help, memory); len(s.added) > 0 {
		s.log.Info("adding options that dnsmasq's arguments do not set", "options", s.added, "memoryLimit", memory, "from", file)
	}
}

func (s *supervisor) openLoopTest() {
	var err error
	if s.loops, err = newLoopTest(s.addr, s.opts.LoopPeriod, s.metrics, s.log); err != nil {
		s.log.Warn("servers that lead back to dnsmasq cannot be found", "err", err)
	}
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
	if s.loops != nil {
		s.loops.close()
	}
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
			s.current.Apply(update)
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
		case report := <-s.loopReports:
			s.onLoops(report)
		case <-logTick:
			s.onLogTick()
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
	switch {
	case !s.dirty: // but lines may have to leave the servers file
	case !s.opts.Restart:
		s.note(s.args())
		s.dirty = false
	case !slices.Equal(s.args(), s.child.args):
		s.restart()
		return nil
	case !s.fileWay:
		s.inUse()
		s.dirty = false
	}
	if s.fileWay {
		s.reload(now)
	}
	return nil
}

// settling reports whether the newest change waits for others.
func (s *supervisor) settling(now time.Time) bool {
	if left := s.actAt.Sub(now); left > 0 {
		s.wake.Reset(left)
		return true
	}
	s.actAt = time.Time{}
	return false
}

// args returns the arguments that dnsmasq should run with.
func (s *supervisor) args() []string {
	if s.fileWay {
		return cmdline.WithFile(s.cmd, s.place.serversPath(), s.added, len(s.cfg.Upstreams) > 0)
	}
	return cmdline.WithServers(s.cmd.Args, upstreams.FromConfig(s.cfg, s.names.lookup), len(s.cfg.Upstreams) > 0)
}

// note says that a change is not taken, once.
func (s *supervisor) note(args []string) {
	pending := !slices.Equal(args, s.child.args)
	if !pending {
		s.inUse()
	}
	setBool(s.metrics.pending, pending)
	if pending && !slices.Equal(args, s.noted) {
		s.log.Warn("the configuration changed, but dnsmasq goes on with the old one: -restartDnsmasq is not set")
		s.noted = args
	}
}

func (s *supervisor) onLogTick() {
	if s.child != nil && s.child.ready {
		s.signal(syscall.SIGUSR1)
	}
}
