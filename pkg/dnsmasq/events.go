package dnsmasq

import (
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/kube-dns/kube-dns/pkg/config"
)

// onUpdate takes a new configuration, or the news that there is no valid one.
func (s *supervisor) onUpdate(u config.Update) {
	if u.Err != nil {
		s.onBadConfig(u.Err)
		return
	}
	s.metrics.refused.Reset()
	if s.refusing && config.Equal(u.Config, s.cfg) {
		s.log.Info("the configuration is valid again, and the same as the one in use", "version", u.Version)
	}
	s.refusing = false
	for _, warning := range config.Warnings(u.Config, s.resolver.Zones[0]) {
		s.log.Warn("found a likely mistake in the configuration", "warning", warning)
	}
	if s.keeper != nil {
		s.keeper.keep(config.Format(u.Config))
	}
	s.use(u.Config, u.Version, "directory")
}

// onBadConfig keeps the configuration in use. At the start, when there is none,
// it takes the last one that was good.
func (s *supervisor) onBadConfig(err error) {
	s.metrics.configErrors.Inc()
	reason := "read"
	if invalid, ok := errors.AsType[*config.KeyError](err); ok {
		reason = invalid.Key
	}
	setOne(s.metrics.refused, reason)
	s.refusing = true
	if s.configured {
		s.log.Error("configuration refused, going on with the one in use", "err", err)
		return
	}
	if !errors.Is(err, fs.ErrNotExist) && s.useLastGood(err) {
		return
	}
	s.log.Error("no valid configuration, starting with the defaults", "err", err)
	s.use(config.Config{}, "", "default")
}

// useLastGood uses the configuration that was kept, if there is one.
func (s *supervisor) useLastGood(cause error) bool {
	if s.state == nil || s.opts.ConfigName == "" {
		return false
	}
	files, ok := s.state.loadLastGood(s.opts.ConfigName)
	if !ok {
		return false
	}
	cfg, err := config.Parse(files)
	if err != nil {
		return false // of another version of this program
	}
	s.log.Error("configuration refused, starting with the last one that was good", "err", cause)
	s.use(cfg, config.Version(files), "last_good")
	return true
}

// use makes cfg the configuration.
func (s *supervisor) use(cfg config.Config, version, source string) {
	same := s.configured && config.Equal(cfg, s.cfg)
	s.version, s.source = version, source
	if same {
		s.dirty = true // so that the metric has the version
		return
	}
	if s.configured {
		s.log.Info("configuration changed", "version", version)
	} else {
		s.log.Info("configuration", "version", version, "source", source)
		s.status.wait("waiting for dnsmasq's first answer on "+s.addr, time.Now())
	}
	s.cfg, s.configured = cfg, true
	s.namesBy = time.Now().Add(firstNames)
	s.names.keep(hosts(cfg))
	replace(s.hosts, hosts(cfg))
	s.metrics.unresolved.Set(float64(s.names.unresolved()))
	if s.followsResolvConf() && s.cmd.NoPoll {
		s.resolv, _, _ = s.resolvConf.read() // an error is no news: the old list stays
	}
	s.touch()
}

// onFound takes the addresses of names.
func (s *supervisor) onFound(findings map[string]finding) {
	for host, f := range findings {
		before, known := s.names[host]
		if !known {
			continue
		}
		switch changed := s.names.observe(host, f, time.Now()); {
		case changed:
			s.log.Info("stub server resolved", "name", host, "addresses", f.addrs)
			s.touchNames()
		case f.err == nil && before.err != nil:
			s.log.Info("stub server can be resolved again", "name", host)
		case f.err == nil || before.err != nil: // no news
		case len(before.addrs) == 0:
			s.log.Error("stub server left out: its name has no address yet, trying again", "name", host, "err", f.err)
		default:
			s.log.Warn("stub server cannot be resolved, keeping its last addresses", "name", host, "err", f.err)
		}
	}
	s.metrics.unresolved.Set(float64(s.names.unresolved()))
}

// touchNames notes that addresses of names changed. Where that takes a restart
// it waits for those of other names.
func (s *supervisor) touchNames() {
	if s.fileWay {
		s.touch()
	} else {
		s.touchFor(lookupTimeout + settleTime)
	}
}

func (s *supervisor) onResolvConf(list []config.Nameserver) {
	s.log.Info("nameservers of resolv.conf changed", "files", strings.Join(s.cmd.ResolvFiles, ","), "nameservers", list)
	s.resolv = list
	s.touch()
}
