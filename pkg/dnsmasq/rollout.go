package dnsmasq

import (
	"bytes"
	"net/netip"
	"slices"
	"time"
)

// lingerTime is how long a line that is no longer wanted stays in the servers
// file. dnsmasq never answers queries that are on their way to a server whose
// line goes; clients do not wait for them longer than this.
const lingerTime = 6 * time.Second

// A rollout decides what stands in the servers file, so that a change of
// servers loses no query. It does nothing by itself. Values are copied, never
// changed in place.
//
// dnsmasq counts lines by domain: the first one of a domain takes the place of
// the first one before, with its queries, and so on; queries of a line that is
// too many are forgotten. So where dnsmasq sends queries again by itself a
// domain keeps its number of lines as long as dnsmasq runs: its last server is
// repeated, which changes nothing unless all servers are asked at once. Where it
// does not, the old servers stay behind the new ones for a while.
//
// The last line of a domain cannot go without a loss. So a stub domain that is
// removed keeps lines: of the servers that answer its names anyway, see
// [CommandLine.standIns].
type rollout struct {
	cmd     CommandLine      // what dnsmasq's arguments say about names
	retries bool             // dnsmasq sends queries again by itself
	wanted  []Server         // the list offered last
	loops   []netip.AddrPort // servers that stand in for none: they lead back to dnsmasq
	gone    []string         // domains with stand-ins, the one removed last at the end
	steady  []Server         // wanted, then the stand-ins
	leaving []leaver         // what is listed behind them
	refused [][]Server       // the list that dnsmasq did not take; none or one
	content []byte           // of the file
	lines   []Server         // what content lists
}

// A leaver is a line, behind those that are steady, that goes at a time; with
// the zero time when its domain goes.
type leaver struct {
	line Server
	at   time.Time
}

// begin returns the state of a dnsmasq that starts with list. Queries of the one
// before are gone, so nothing has to stay for them.
func begin(list []Server, cmd CommandLine, retries bool) rollout {
	return rollout{cmd: cmd, retries: retries, wanted: list, steady: list, content: render(list), lines: list}
}

// avoiding returns r with other servers that lead back to dnsmasq. dnsmasq finds
// them among the default servers only, and would ask them for a domain.
func (r rollout) avoiding(loops []netip.AddrPort) rollout {
	r.loops = loops
	return r
}

// offer returns the next state, for list at time now: the new servers, then for
// a while what keeps queries from getting lost. A list that was refused is not
// offered again.
func (r rollout) offer(list []Server, now time.Time) rollout {
	if len(r.refused) > 0 {
		if slices.Equal(list, r.refused[0]) {
			list = r.wanted
		} else {
			r.refused = nil
		}
	}
	next := rollout{cmd: r.cmd, retries: r.retries, loops: r.loops, wanted: list, refused: r.refused}
	var standIns []Server
	next.gone, standIns = r.removed(list)
	next.steady = slices.Concat(list, standIns)
	next.lines = slices.Clone(next.steady)
	for i := range r.lines {
		l, ok := r.behind(next.steady, i, now)
		if ok && (l.at.IsZero() || now.Before(l.at)) {
			next.leaving = append(next.leaving, l)
			next.lines = append(next.lines, l.line)
		}
	}
	next.content = render(next.lines)
	return next
}

// removed returns the domains that are gone once list is wanted, and the lines
// that stand in for theirs. When these are too many the oldest go.
func (r rollout) removed(list []Server) (gone []string, standIns []Server) {
	var groups [][]Server
	for _, domain := range slices.Concat(r.gone, domains(r.wanted)) {
		if domain == "" || len(ofDomain(list, domain)) > 0 {
			continue
		}
		group := slices.DeleteFunc(r.cmd.standIns(list, domain), func(s Server) bool { return slices.Contains(r.loops, s.Addr) })
		if len(group) > 0 {
			gone, groups = append(gone, domain), append(groups, group)
		}
	}
	for standIns = slices.Concat(groups...); len(standIns) > maxStandIns; {
		standIns = standIns[len(groups[0]):]
		gone, groups = gone[1:], groups[1:]
	}
	return gone, standIns
}

// behind returns the line that stays behind list because of the i-th line of r;
// false for none.
func (r rollout) behind(list []Server, i int, now time.Time) (leaver, bool) {
	l := leaver{line: r.lines[i]}
	if i >= len(r.steady) { // it is one that leaves already
		l = r.leaving[i-len(r.steady)]
	}
	of := ofDomain(list, l.line.Domain)
	repeats := r.retries && len(of) > 0
	switch {
	case repeats && len(ofDomain(r.lines[:i], l.line.Domain)) < len(of):
		return l, false // one of list takes its place
	case repeats && !r.cmd.AllServers:
		return leaver{line: of[len(of)-1]}, true
	case l.at.IsZero():
		l.at = now.Add(lingerTime)
	}
	if repeats {
		l.line = of[len(of)-1]
		return l, true
	}
	return l, !slices.Contains(list, l.line)
}

// same reports whether a change from r to next is none for dnsmasq.
func (r rollout) same(next rollout) bool { return bytes.Equal(r.content, next.content) }

// added returns the addresses that next lists and r does not.
func (r rollout) added(next rollout) []netip.AddrPort {
	old := addresses(r.lines)
	return slices.DeleteFunc(addresses(next.lines), func(a netip.AddrPort) bool { return slices.Contains(old, a) })
}

// refuse returns r again, with the mark that dnsmasq did not take next.
func (r rollout) refuse(next rollout) rollout {
	r.refused = [][]Server{next.wanted}
	return r
}

// due returns when the next server leaves; zero when none does.
func (r rollout) due() time.Time {
	var first time.Time
	for _, l := range r.leaving {
		if !l.at.IsZero() && (first.IsZero() || l.at.Before(first)) {
			first = l.at
		}
	}
	return first
}
