package dnsmasq

import (
	"slices"
	"strings"
	"time"

	"github.com/kube-dns/kube-dns/pkg/config"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

// refuse reports that a configuration is not used.
func (s *supervisor) refuse(key string, err error) {
	s.status.refuse(err.Error(), time.Now())
	s.metrics.configErrors.Inc()
	setOne(s.metrics.refused, key)
}

// use makes the configuration of in the one for dnsmasq.
func (s *supervisor) use(in config.InUse) {
	s.metrics.refused.Reset()
	s.status.refuse("", time.Now())
	cfg, same := in.Config, s.configured && config.Equal(in.Config, s.want.cfg)
	s.version, s.source = in.Version, in.Origin
	if in.Origin == config.FromSource {
		s.source = "directory" // for the metric
	}
	if same {
		s.dirty = true // to update the version in the metric
		return
	}
	if s.configured {
		s.log.Info("configuration changed", "version", s.version)
	} else {
		s.log.Info("starting with a configuration", "version", s.version, "source", s.source)
		s.status.wait("waiting for dnsmasq's first answer on "+s.life.addr, time.Now())
	}
	s.want.cfg, s.configured = cfg, true
	s.namesBy = time.Now().Add(firstNames)
	s.want.names.keep(upstreams.Hosts(cfg))
	replace(s.in.hosts, upstreams.Hosts(cfg))
	s.metrics.unresolved.Set(float64(s.want.names.unresolved()))
	if s.want.fromResolvConf && s.life.cmd.NoPoll {
		if list, err := s.in.resolvConf.read(); err == nil { // on an error the old list remains
			s.want.resolv = list
		}
	}
	s.touch(settleTime)
}

// onFound handles the addresses of a name.
func (s *supervisor) onFound(f finding) {
	if s.want.names.observe(f, time.Now(), s.log) {
		s.log.Info("stub server resolved", "name", f.host, "addresses", f.addrs)
		pause := settleTime
		if !s.fileWay { // a restart, which waits for the other names
			pause += lookupTimeout
		}
		s.touch(pause)
	}
	s.metrics.unresolved.Set(float64(s.want.names.unresolved()))
}

func (s *supervisor) onResolvConf(list []config.Nameserver) {
	if slices.Equal(list, s.want.resolv) {
		return // it was read for the configuration in the meantime
	}
	s.log.Info("nameservers of resolv.conf changed", "files", strings.Join(s.life.cmd.ResolvFiles, ","), "nameservers",
		list)
	s.want.resolv = list
	s.touch(settleTime)
}
