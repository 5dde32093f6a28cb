package dnsmasq

import (
	"bytes"
	"net/netip"
	"slices"
	"time"
)

// lingerTime is how long a server that is no longer wanted stays in the servers
// file. dnsmasq never answers queries that are on their way to a server whose
// line goes; clients do not wait for them longer than this.
const lingerTime = 6 * time.Second

// A rollout decides what stands in the servers file, so that a change of
// servers loses no query. It does nothing by itself. Values are copied, never
// changed in place.
type rollout struct {
	wanted  []Server   // the list offered last
	leaving []leaver   // servers that are no longer wanted, but still listed
	refused [][]Server // the list that dnsmasq did not take; none or one
	content []byte     // of the file
	lines   []Server   // what content lists
}

// A leaver is a server that goes at a time.
type leaver struct {
	server Server
	at     time.Time
}

// begin returns the state of a dnsmasq that starts with list. Queries of the one
// before are gone, so nothing has to stay for them.
func begin(list []Server) rollout {
	return rollout{wanted: list, content: render(list), lines: list}
}

// offer returns the next state, for list at time now: the new servers, then for
// a while those they replace. A list that was refused is not offered again.
func (r rollout) offer(list []Server, now time.Time) rollout {
	if len(r.refused) > 0 {
		if slices.Equal(list, r.refused[0]) {
			list = r.wanted
		} else {
			r.refused = nil
		}
	}
	next := rollout{wanted: list, refused: r.refused, lines: slices.Clone(list)}
	for _, s := range r.lines {
		if slices.Contains(list, s) {
			continue
		}
		l := leaver{s, now.Add(lingerTime)}
		if i := slices.IndexFunc(r.leaving, func(l leaver) bool { return l.server == s }); i >= 0 {
			l = r.leaving[i]
		}
		if now.Before(l.at) {
			next.leaving = append(next.leaving, l)
			next.lines = append(next.lines, s)
		}
	}
	next.content = render(next.lines)
	return next
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
		if first.IsZero() || l.at.Before(first) {
			first = l.at
		}
	}
	return first
}
