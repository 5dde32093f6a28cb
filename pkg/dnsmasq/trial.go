package dnsmasq

import (
	"maps"
	"net"
	"net/netip"
	"time"

	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

// trialTime is how long new servers wait for their first loop test. A server
// that has not replied by then is used.
const trialTime = 400 * time.Millisecond

// servers returns the servers that the configuration asks for and dnsmasq can
// use. Those that it cannot use are named in the log, once.
func (s *supervisor) servers() []upstreams.Server {
	if s.list != nil {
		return s.list
	}
	cfg := s.cfg
	if len(cfg.Upstreams) == 0 && s.followsResolvConf() {
		cfg.Upstreams = s.resolv
	}
	unusable := map[upstreams.Server]string{}
	s.list = []upstreams.Server{}
	for _, server := range upstreams.FromConfig(cfg, s.names.lookup) {
		usable, why := asDnsmasq(server)
		if why == "" {
			s.list = append(s.list, usable)
			continue
		}
		unusable[server] = why
		if s.unusable[server] == "" {
			s.log.Warn("left out a server that dnsmasq cannot use", "server", server.String(), "err", why)
		}
	}
	s.unusable = unusable
	return s.list
}

// asDnsmasq returns s as dnsmasq takes it from a file, or why it cannot use it.
func asDnsmasq(s upstreams.Server) (usable upstreams.Server, why string) {
	addr := s.Addr.Addr()
	switch {
	case addr.IsUnspecified() || addr.IsMulticast() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return s, "no server can have this address"
	case addr.Zone() == "":
		return s, ""
	case !addr.IsLinkLocalUnicast(): // its scope means nothing to the kernel
		s.Addr = netip.AddrPortFrom(addr.WithZone(""), s.Addr.Port())
		return s, ""
	}
	if _, err := net.InterfaceByName(addr.Zone()); err != nil {
		return s, "there is no network interface " + addr.Zone() + " here"
	}
	return s, ""
}

// wanted returns the servers less those that lead back to dnsmasq. A stub domain
// all whose servers do gets one that refuses its names.
func (s *supervisor) wanted() []upstreams.Server {
	if len(s.looping) == 0 {
		return s.servers()
	}
	var list []upstreams.Server
	left := map[string]bool{} // domains with a server
	for _, server := range s.servers() {
		left[server.Domain] = left[server.Domain] || !s.looping[server]
	}
	for _, server := range s.servers() {
		switch has, seen := left[server.Domain]; {
		case !s.looping[server]:
			list = append(list, server)
		case !has && seen && server.Domain != "":
			list = append(list, s.loops.refusing(server.Domain))
			delete(left, server.Domain) // once
		}
	}
	return list
}

// markers returns the markers of the domains of the servers.
func (s *supervisor) markers() []upstreams.Server {
	if s.loops == nil {
		return nil
	}
	var list []upstreams.Server
	for _, domain := range upstreams.Domains(s.servers()) {
		if m, ok := s.loops.marker(domain); ok {
			list = append(list, m)
		}
	}
	return list
}

// left returns the servers whose lines go at once, whatever waits for them.
func (s *supervisor) left() map[upstreams.Server]bool {
	dropped := maps.Clone(s.looping)
	for _, line := range s.roll.Wanted {
		if s.loops != nil && line == s.loops.refusing(line.Domain) {
			if dropped == nil {
				dropped = map[upstreams.Server]bool{}
			}
			dropped[line] = true
		}
	}
	return dropped
}

// tryOut has new servers tested before they are used. It returns how long they
// may still wait for that.
func (s *supervisor) tryOut(now time.Time) time.Duration {
	if s.loops == nil {
		return 0
	}
	list := s.servers()
	tried := make(map[upstreams.Server]bool, len(list))
	fresh := false
	for _, server := range list {
		fresh = fresh || !s.tried[server]
		tried[server] = true
	}
	if fresh || len(tried) != len(s.tried) {
		s.tried = tried
		s.trial++
		replace(s.loopLists, loopList{s.trial, list})
	}
	if fresh {
		if s.trialEnd.IsZero() {
			s.trialEnd = now.Add(trialTime)
		}
		if !s.tell(s.roll.Marked(s.markers()), now) {
			return writePause
		}
	}
	if left := s.trialEnd.Sub(now); left > 0 {
		return left
	}
	s.trialEnd = time.Time{}
	return 0
}

// onLoops takes a report of the loop test.
func (s *supervisor) onLoops(report loopReport) {
	if report.id == s.trial {
		s.trialEnd = time.Time{}
	}
	if !maps.Equal(report.looping, s.looping) {
		s.looping = report.looping
		s.dirty = true
	}
}

// touch notes that the wanted servers changed; see settling.
func (s *supervisor) touch() { s.touchFor(settleTime) }

func (s *supervisor) touchFor(pause time.Duration) {
	s.list, s.dirty = nil, true
	if at := time.Now().Add(pause); s.actAt.IsZero() || at.Before(s.actAt) {
		s.actAt = at
	}
}

// inUse notes that dnsmasq has the servers of the configuration.
func (s *supervisor) inUse() { setOne(s.metrics.configInfo, s.version, s.source) }
