package dnsmasq

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/pkg/config"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/cmdline"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

// newSupervisor returns a supervisor with its goroutines in group. The caller must call close.
func newSupervisor(
	ctx context.Context, opts Options, status *status, pings <-chan chan struct{}, group *errgroup.Group,
) *supervisor {
	args, differences := cmdline.Usable(opts.Args)
	cmd, cmdErr := cmdline.Read(args)
	addr := cmd.QueryAddr(localAddrs()).String()
	target, _ := netip.ParseAddrPort(opts.KubeDNS) // a host name is no server's address
	s := &supervisor{
		opts: opts, log: opts.Log, metrics: opts.Metrics, status: status, pings: pings,
		in: inputs{
			updates:     make(chan config.Update),
			resolver:    Resolver{KubeDNS: opts.KubeDNS, Zones: cmd.Zones(target)},
			hosts:       make(chan []string, 1),
			found:       make(chan finding),
			resolvConf:  resolvConf(cmd.ResolvFiles),
			resolvLists: make(chan []config.Nameserver),
			loopReports: status.results.reports,
		},
		want: &desired{log: opts.Log, loopLists: make(chan loopList, 1), names: names{}, given: givenServers(cmd, target)},
		life: &lifecycle{
			exec: opts.Exec, cmd: cmd, cmdErr: cmdErr, addr: addr, log: opts.Log, metrics: opts.Metrics, status: status,
			group: group, reason: reasonFirst,
		},
		file: &serversFile{cmd: cmd, addr: addr, log: opts.Log, metrics: opts.Metrics, group: group,
			ended: make(chan *check), memory: cmp.Or(opts.MemoryDir, defaultMemoryDir)},
		wake: time.NewTimer(0),
	}
	state, lastGood := openLastGood(opts, cmd.Port)
	if s.state = state; state != nil {
		s.in.lastGood = lastGood
	}
	s.in.current = &config.Current{
		Zone: cmdline.ClusterDomain(s.in.resolver.Zones), LastGood: lastGood, Use: s.use, Refused: s.refuse, Log: s.log,
	}
	s.chooseWay(ctx)
	for _, difference := range differences {
		s.log.Info("changed the arguments of dnsmasq", "change", difference)
	}
	return s
}

// openLastGood opens the state directory and the last good configuration in it; each is nil if
// there is none. A directory that is read-only, or in use by another nanny, is no state directory,
// but the configuration in it is read.
func openLastGood(opts Options, port uint16) (state *stateDir, lastGood *config.LastGood) {
	dir := opts.StateDir
	state, err := openStateDir(dir, port)
	if err != nil {
		opts.Log.Warn("cannot save the last good configuration", "err", fmt.Errorf("no state directory: %w", err))
	} else {
		dir = state.path
	}
	if dir == "" {
		return state, nil
	}
	return state, config.NewLastGood(filepath.Join(dir, lastGoodName), opts.Log)
}

// givenServers returns the servers of cmd for domains that can be tested for loops. It excludes
// kube-dns, at target.
func givenServers(cmd cmdline.Line, target netip.AddrPort) []upstreams.Server {
	return slices.DeleteFunc(slices.Clone(cmd.Servers), func(server upstreams.Server) bool {
		_, why := asDnsmasq(server)
		isPattern := strings.ContainsAny(server.Domain, "#*")
		return why != "" || isPattern || server.Addr == target
	})
}

// localAddrs returns the addresses of this machine except link-local ones; none if they cannot be
// read.
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

// chooseWay decides how to pass servers to dnsmasq.
func (s *supervisor) chooseWay(ctx context.Context) {
	if !s.opts.Restart {
		s.log.Info("-restartDnsmasq is not set: not adding limits to dnsmasq's arguments, not testing for " +
			"loops, and only logging changes of the configuration")
	} else if why := s.fileProblem(); why != "" {
		s.log.Warn("dnsmasq gets its servers as arguments: a change of them restarts it", "err", why)
	} else {
		s.useFile(true)
		s.life.addOptions(ctx)
		s.want.openLoopTest(s.life.addr, s.opts.LoopPeriod, s.status.results)
	}
	if s.want.fromResolvConf {
		list, err := s.in.resolvConf.read()
		if err != nil {
			s.log.Warn("no nameservers from resolv.conf", "err", err)
		}
		s.want.resolv = list
	}
}

// fileProblem returns why the servers file cannot be used. If it is empty, the directory is chosen.
func (s *supervisor) fileProblem() string {
	cmd := s.life.cmd
	switch {
	case s.life.cmdErr != nil:
		return s.life.cmdErr.Error()
	case cmd.Unread != "":
		return "dnsmasq's configuration cannot be read in advance: " + cmd.Unread
	case cmd.ServersFile != "":
		return "dnsmasq's configuration has a --servers-file already: " + cmd.ServersFile
	case cmd.Port == 0:
		return "dnsmasq's DNS service is off: --port=0"
	}
	if err := s.file.choose(s.state); err != nil {
		return err.Error() + "; set -stateDir to a directory that dnsmasq can use"
	}
	return ""
}

func (s *supervisor) close() {
	s.wake.Stop()
	if s.want.loops != nil {
		s.want.loops.close()
	}
	if place := s.file.place; place != nil && place != s.state {
		place.close()
	}
	if s.state != nil {
		s.state.close()
	}
}
