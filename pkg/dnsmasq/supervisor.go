package dnsmasq

import (
	"log/slog"
	"time"

	"github.com/kube-dns/kube-dns/pkg/config"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/cmdline"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

// settleTime is how long a change waits for more, so that all are applied as one.
const settleTime = 200 * time.Millisecond

// A supervisor is a running Nanny. All its state belongs to the goroutine of run, which receives
// events through channels.
type supervisor struct {
	opts    Options
	log     *slog.Logger
	metrics *Metrics
	status  *status
	pings   <-chan chan struct{}
	in      inputs

	want *desired
	life *lifecycle
	file *serversFile
	// state is the directory of the last good configuration, and possibly of the servers file. Nil:
	// none.
	state *stateDir
	// fileWay: dnsmasq reads its servers from a file, and again at a signal. Otherwise they are
	// arguments, and a change requires a restart. fileLater: the file could not be written; the
	// next start tries again.
	fileWay   bool
	fileLater bool

	configured bool      // there is a configuration
	version    string    // of the configuration
	source     string    // of the configuration
	dirty      bool      // dnsmasq's servers can differ from the wanted ones
	actAt      time.Time // when to look at changes; zero: there are none
	namesBy    time.Time // until then the first start waits for names
	noted      []string  // arguments that were logged and not used
	wake       *time.Timer
}

// inputs are the inputs of the supervisor's goroutine.
type inputs struct {
	updates     chan config.Update // from Options.Config
	current     *config.Current    // decides about updates
	lastGood    *config.LastGood   // to be written; nil: none
	resolver    Resolver
	hosts       chan []string // to followNames
	found       chan finding  // from followNames
	resolvConf  resolvConf
	resolvLists chan []config.Nameserver // from resolvConf.follow
	loopReports chan loopReport          // from the loop test
}

// touch notes that the wanted servers changed, and waits for more changes within pause; see
// settling.
func (s *supervisor) touch(pause time.Duration) {
	s.want.list, s.dirty = nil, true
	if at := time.Now().Add(pause); s.actAt.IsZero() || at.Before(s.actAt) {
		s.actAt = at
	}
}

// settling reports whether the newest change waits for more.
func (s *supervisor) settling(now time.Time) bool {
	if left := s.actAt.Sub(now); left > 0 {
		s.wake.Reset(left)
		return true
	}
	s.actAt = time.Time{}
	return false
}

// useFile sets whether dnsmasq reads its servers from the file. resolv.conf is then read here, not
// by dnsmasq.
func (s *supervisor) useFile(yes bool) {
	s.fileWay = yes
	setBool(s.metrics.serversFile, yes)
	s.want.fromResolvConf = yes && !s.life.cmd.OwnUpstreams()
}

// args returns the arguments for dnsmasq.
func (s *supervisor) args() []string {
	cmd, cfg := s.life.cmd, s.want.cfg
	if s.fileWay {
		return cmdline.WithFile(cmd, s.file.place.serversPath(), s.life.added, len(cfg.Upstreams) > 0)
	}
	return cmdline.WithServers(cmd.Args, upstreams.FromConfig(cfg, s.want.names.lookup), len(cfg.Upstreams) > 0)
}

// inUse notes that dnsmasq has the servers of the configuration.
func (s *supervisor) inUse() {
	setOne(s.metrics.configInfo, s.version, s.source)
	is := s.want.state()
	is.Version, is.Source, is.Signalled = s.version, s.source, s.fileWay
	s.status.show(is, time.Now())
}

// stepBack passes dnsmasq its servers as arguments from now on; act restarts it.
func (s *supervisor) stepBack(why string) {
	s.log.Warn("dnsmasq gets its servers as arguments from now on: a change of them restarts it", "err", why)
	s.file.check, s.dirty, s.life.reason = nil, true, reasonFallback
	s.useFile(false)
}
