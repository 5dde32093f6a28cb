package dnsmasq

import (
	"errors"
	"io/fs"
	"slices"
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
	for _, warning := range config.Warnings(u.Config, s.resolver.Zones[0]) {
		s.log.Warn("configuration", "warning", warning)
	}
	if s.state != nil && s.opts.ConfigName != "" {
		if err := s.state.saveLastGood(s.opts.ConfigName, config.Format(u.Config)); err != nil {
			s.log.Warn("the last good configuration cannot be kept", "err", err)
		}
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
	setOne(s.metrics.configInfo, version, source)
	if s.configured && config.Equal(cfg, s.cfg) {
		return
	}
	if s.configured {
		s.log.Info("configuration changed", "version", version)
	} else {
		s.log.Info("configuration", "version", version, "source", source)
		s.status.wait("waiting for dnsmasq's first answer", time.Now())
	}
	s.cfg, s.configured = cfg, true
	s.names.keep(hosts(cfg))
	replace(s.hosts, hosts(cfg))
	s.metrics.unresolved.Set(float64(len(s.names.unresolved())))
	if s.followsResolvConf() && s.cmd.NoPoll {
		s.resolv, _, _ = s.resolvConf.read() // an error is no news: the old list stays
	}
	s.touch()
}

// onFound takes the addresses of names.
func (s *supervisor) onFound(findings map[string]finding) {
	before := s.names.unresolved()
	changed := false
	for host, f := range findings {
		if s.names.observe(host, f, time.Now()) {
			s.log.Info("stub server resolved", "name", host, "addresses", f.addrs)
			changed = true
		}
		if f.err != nil {
			s.logUnfound(host, f.err, slices.Contains(before, host))
		}
	}
	s.metrics.unresolved.Set(float64(len(s.names.unresolved())))
	if changed {
		s.touch()
	}
}

func (s *supervisor) logUnfound(host string, err error, never bool) {
	if never {
		s.log.Error("stub server left out: its name has no address yet, trying again", "name", host, "err", err)
		return
	}
	s.log.Warn("stub server cannot be resolved, keeping its last addresses", "name", host, "err", err)
}

func (s *supervisor) onResolvConf(list []config.Nameserver) {
	s.log.Info("nameservers of resolv.conf changed", "files", strings.Join(s.cmd.ResolvFiles, ","), "nameservers", list)
	s.resolv = list
	s.touch()
}

// touch notes that something changed; see settling.
func (s *supervisor) touch() {
	if s.changed.IsZero() {
		s.changed = time.Now()
	}
}
