package dnsmasq

import (
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/kube-dns/kube-dns/pkg/config"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

// trialTime is how long new servers wait for their first loop test. A server without a reply by
// then is used.
const trialTime = 400 * time.Millisecond

// A desired holds the servers that dnsmasq should have, and their inputs: the configuration,
// addresses of names, resolv.conf, the loop test.
type desired struct {
	log *slog.Logger
	// fromResolvConf: if the configuration has no upstreams, use those of resolv.conf.
	fromResolvConf bool
	// given are servers of dnsmasq's own options: tested, but never dropped by us.
	given     []upstreams.Server
	loops     *loopTest     // nil: servers are not tested
	loopLists chan loopList // to loops.run

	cfg      config.Config
	names    names
	resolv   []config.Nameserver         // of resolv.conf
	list     []upstreams.Server          // of servers; nil: to be made
	unusable map[upstreams.Server]string // not in list, and why
	looping  map[upstreams.Server]bool
	tried    map[upstreams.Server]bool // passed to the loop test
	trial    int                       // id of the last list passed to it
	trialEnd time.Time                 // until then new servers wait for the test; zero: no wait
}

func (d *desired) openLoopTest(dnsmasq string, period time.Duration, results *results) {
	results.given = d.given
	var err error
	if d.loops, err = newLoopTest(dnsmasq, period, results); err != nil {
		d.log.Warn("servers that lead back to dnsmasq cannot be found", "err", err)
	}
}

// servers returns the configured servers that dnsmasq can use. Unusable servers are logged once.
func (d *desired) servers() []upstreams.Server {
	if d.list != nil {
		return d.list
	}
	cfg := d.cfg
	if len(cfg.Upstreams) == 0 && d.fromResolvConf {
		cfg.Upstreams = d.resolv
	}
	unusable := map[upstreams.Server]string{}
	d.list = []upstreams.Server{}
	for _, server := range upstreams.FromConfig(cfg, d.names.lookup) {
		usable, why := asDnsmasq(server)
		if why == "" {
			d.list = append(d.list, usable)
			continue
		}
		unusable[server] = why
		if d.unusable[server] == "" {
			d.log.Warn("left out a server that dnsmasq cannot use", "server", server.String(), "err", why)
		}
	}
	d.unusable = unusable
	return d.list
}

// asDnsmasq returns s in the form of dnsmasq's file, or why dnsmasq cannot use it.
func asDnsmasq(s upstreams.Server) (usable upstreams.Server, why string) {
	addr := s.Addr.Addr()
	switch {
	case addr.IsUnspecified() || addr.IsMulticast() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return s, "no server can have this address"
	case addr.Zone() == "":
		return s, ""
	case !addr.IsLinkLocalUnicast(): // the kernel ignores its scope
		s.Addr = netip.AddrPortFrom(addr.WithZone(""), s.Addr.Port())
		return s, ""
	}
	if _, err := net.InterfaceByName(addr.Zone()); err != nil {
		return s, "there is no network interface " + addr.Zone() + " here"
	}
	return s, ""
}

// wanted returns the servers without those that lead back to dnsmasq. If all servers of a stub
// domain lead back, its server is one that refuses its names.
func (d *desired) wanted() []upstreams.Server {
	if len(d.looping) == 0 {
		return d.servers()
	}
	var list []upstreams.Server
	left := map[string]bool{} // domains with a server
	for _, server := range d.servers() {
		left[server.Domain] = left[server.Domain] || !d.looping[server]
	}
	for _, server := range d.servers() {
		switch has, seen := left[server.Domain]; {
		case !d.looping[server]:
			list = append(list, server)
		case !has && seen && server.Domain != "":
			list = append(list, d.loops.refusing(server.Domain))
			delete(left, server.Domain) // once
		}
	}
	return list
}

// tested returns the servers for the loop test.
func (d *desired) tested() []upstreams.Server { return slices.Concat(d.given, d.servers()) }

// markers returns the markers of the domains of the tested servers.
func (d *desired) markers() []upstreams.Server {
	if d.loops == nil {
		return nil
	}
	var list []upstreams.Server
	for _, domain := range upstreams.Domains(d.tested()) {
		if m, ok := d.loops.marker(domain); ok {
			list = append(list, m)
		}
	}
	return list
}

// dropped returns the servers that are removed without delay, even with pending queries. lines are
// those that dnsmasq has.
func (d *desired) dropped(lines []upstreams.Server) map[upstreams.Server]bool {
	dropped := map[upstreams.Server]bool{}
	maps.Copy(dropped, d.looping)
	for _, line := range lines {
		if d.loops != nil && line == d.loops.refusing(line.Domain) {
			dropped[line] = true
		}
	}
	return dropped
}

// tryOut passes new servers to the loop test. It reports whether there are some: dnsmasq then needs
// their markers.
func (d *desired) tryOut(now time.Time) bool {
	if d.loops == nil {
		return false
	}
	list := d.tested()
	tried := make(map[upstreams.Server]bool, len(list))
	fresh := false
	for _, server := range list {
		fresh = fresh || !d.tried[server]
		tried[server] = true
	}
	if fresh || len(tried) != len(d.tried) {
		d.tried = tried
		d.trial++
		replace(d.loopLists, loopList{d.trial, list})
	}
	if fresh && d.trialEnd.IsZero() {
		d.trialEnd = now.Add(trialTime)
	}
	return fresh
}

// untested returns how long new servers still wait for their loop test.
func (d *desired) untested(now time.Time) time.Duration {
	if left := d.trialEnd.Sub(now); left > 0 {
		return left
	}
	d.trialEnd = time.Time{}
	return 0
}

// onLoops handles a report of the loop test. It reports whether the set of servers that lead back
// has changed.
func (d *desired) onLoops(report loopReport) bool {
	if report.id == d.trial {
		d.trialEnd = time.Time{}
	}
	if maps.Equal(report.looping, d.looping) {
		return false
	}
	d.looping = report.looping
	return true
}

// state returns the servers' part of a State.
func (d *desired) state() State {
	out := map[string]string{} // why servers are left out, as dnsmasq would read them
	for server, why := range d.unusable {
		out[server.String()] = why
	}
	for server := range d.looping {
		out[server.String()] = "it leads back to dnsmasq"
	}
	is := State{Unresolved: d.names.unresolved(), Total: len(d.servers()) + len(d.unusable)}
	for _, server := range slices.Sorted(maps.Keys(out)) {
		is.Servers = append(is.Servers, ServerState{Server: server, LeftOut: out[server]})
	}
	for _, server := range d.servers() {
		if len(is.Servers) >= shownServers {
			break
		}
		if !d.looping[server] {
			is.Servers = append(is.Servers, ServerState{Server: server.String()})
		}
	}
	is.Servers = is.Servers[:min(shownServers, len(is.Servers))]
	return is
}
